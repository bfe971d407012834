"""How far a grid of integers reaches: the step by which the largest integers are chosen.

A wide grid cuts nothing off and has coarse steps; a narrow one cuts off what is large. `absmax`
reaches to the largest magnitude, a percentage such as `99.9%` to the magnitude that as many of the
values do not exceed, and `mse` to where the squared error of rounding is smallest. The three are
compared in Nagel et al. 2021, arXiv 2106.08295.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from jax import lax

#: Steps that `mse` tries: equal parts of the step of `absmax`.
TRIALS = 64


def is_clip(clip: str) -> bool:
    """Whether it names a way to clip."""
    return clip in ("absmax", "mse") or percentage(clip) is not None


def percentage(clip: str) -> float | None:
    """The number of a percentage above 0 and at most 100, else None."""
    try:
        percent = float(clip[:-1]) if clip.endswith("%") else math.nan
    except ValueError:
        return None
    return percent if 0 < percent <= 100 else None


def largest_integer(bits: int) -> int:
    """The last integer of a symmetric grid: 127, 31, 7, 3, 1 of 8, 6, 4, 3, 2 bits."""
    return 2 ** (bits - 1) - 1


def round_to_grid(values: jax.Array, scale: jax.Array, bits: int) -> jax.Array:
    """The integers of `values` on the grid of `scale`, as floats."""
    top = largest_integer(bits)
    return jnp.clip(jnp.round(values / scale), -top, top)


def integer_scale(values: jax.Array, bits: int, axes: tuple[int, ...]) -> jax.Array:
    """Size of one integer step so that the largest magnitude over `axes` is the last integer.

    Keeps the reduced axes as size 1; 1 where all values are 0, and not a number where one is none:
    its integer would look like any other.
    """
    values = lax.stop_gradient(values)
    # The largest magnitude; on a CPU that of whole images is found ten times faster so.
    top = jnp.maximum(values.max(axes, keepdims=True), -values.min(axes, keepdims=True))
    return jnp.where(top == 0, 1.0, top / largest_integer(bits)).astype(jnp.float32)


def clipped_scale(values: jax.Array, bits: int, axes: tuple[int, ...], clip: str) -> jax.Array:
    """Size of one integer step by a way to clip; shapes as of `integer_scale`."""
    widest = integer_scale(values, bits, axes)
    if clip == "absmax":
        return widest
    values = lax.stop_gradient(values).astype(jnp.float32)
    if clip == "mse":
        return _least_squares(values, bits, axes, widest)
    percent = percentage(clip)
    assert percent is not None, clip
    reach = magnitude_at(values, percent, axes)
    return jnp.where(reach > 0, reach / largest_integer(bits), widest)


def magnitude_at(values: jax.Array, percent: float, axes: tuple[int, ...]) -> jax.Array:
    """The smallest magnitude among `values` that `percent` of those over `axes` do not exceed.

    Keeps the reduced axes as size 1. It bisects the bits of the magnitudes, which order like the
    floats: 31 passes, far cheaper than a sort on a CPU.
    """
    size = math.prod(values.shape[axis] for axis in axes)
    rank = max(1, math.ceil(round(size * percent / 100, 6)))
    bits = lax.bitcast_convert_type(jnp.abs(values).astype(jnp.float32), jnp.int32)

    def refine(i, threshold):
        trial = threshold | (jnp.int32(1) << (30 - i))
        above = (bits >= trial).sum(axis=axes, keepdims=True, dtype=jnp.int32)
        return jnp.where(above > size - rank, trial, threshold)

    none = jnp.zeros([1 if a in axes else n for a, n in enumerate(values.shape)], jnp.int32)
    return lax.bitcast_convert_type(lax.fori_loop(0, 31, refine, none), jnp.float32)


def _least_squares(
    values: jax.Array, bits: int, axes: tuple[int, ...], widest: jax.Array
) -> jax.Array:
    """Of the tried steps the one with the smallest squared error; of equal ones the widest."""

    def error(step):
        rounded = round_to_grid(values, step, bits) * step
        return jnp.square(rounded - values).sum(axis=axes, keepdims=True)

    def narrow(i, best):
        least, step = best
        trial = widest * (1 - i.astype(jnp.float32) / TRIALS)
        found = error(trial)
        return jnp.minimum(found, least), jnp.where(found < least, trial, step)

    return lax.fori_loop(1, TRIALS, narrow, (error(widest), widest))[1]
