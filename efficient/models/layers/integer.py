"""Contractions of integers to int32, in the forms that are fast on a CPU.

Inputs are int8, or uint8 that stand for integers 128 lower. The second kind is there because x86
multiplies bytes without a sign by bytes with one (VNNI): jax 0.10 has a fast kernel for such pairs
only, later ones for both. All forms give the same integers.

Measured on 2 cores with VNNI, GFLOP/s of 128 x 1200 x 1200 on jax 0.10.2 | 0.12.0.1, medians:
float32 173 | 173, bfloat16 350 | 345; int8 238 | 500; int8, last axes contracted, 250 | 545; uint8
by int8, last axes contracted, 570 | 540 with what the offset takes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.experimental.xla_metadata import set_xla_metadata

#: What a uint8 input is more than the integer that it stands for.
OFFSET = 128
#: Neighbouring outputs that share what is gathered for them: of few channels, and of more.
_FEW, _NEIGHBOURS = 4, (4, 2)

Padding = Sequence[tuple[int, int]]
Widths = tuple[tuple[int, int], ...]
Pad = Callable[[jax.Array, np.ndarray, Widths], jax.Array]


def dot_shifted(inputs: jax.Array, kernel: jax.Array, axis: int) -> jax.Array:
    """(..., i) uint8 times int8, contracted along an axis of the kernel, to (..., o) int32.

    A last row of zeros, each written as 128, finds what the shift adds to every sum.
    """
    rows = inputs.reshape(-1, inputs.shape[-1])
    rows = jnp.pad(rows, ((0, 1), (0, 0)), constant_values=np.uint8(OFFSET))
    sums = _dot(rows, kernel, axis)
    return (sums[:-1] - sums[-1:]).reshape(*inputs.shape[:-1], sums.shape[-1])


def convolve_integers(
    inputs: jax.Array, kernel: jax.Array, strides: Sequence[int], padding: Padding
) -> jax.Array:
    """Images (batch, height, width, i), kernel int8 (height, width, i, o): sums in int32.

    Gathered pixels are multiplied as a matrix.
    """
    gather = partial(_gather, strides=strides, padding=padding)
    neighbours = _NEIGHBOURS[kernel.shape[2] >= _FEW]
    cpu = partial(gather, neighbours=neighbours, pad=_pad_apart)
    return lax.platform_dependent(inputs, kernel, cpu=cpu, default=gather)


@partial(jax.jit, static_argnums=2)
def _pad(images: jax.Array, value: np.ndarray, widths: Widths) -> jax.Array:
    return jnp.pad(images, widths, constant_values=value)


def _pad_apart(images: jax.Array, value: np.ndarray, widths: Widths) -> jax.Array:
    """Not inlined, so that the images are written down once.

    XLA fuses what makes them (rounding, and the pooling before it) into each slice of them, and so
    computes it again for every pixel of the window. Barriers are gone before it fuses.
    """
    with set_xla_metadata(inlineable="false"):
        return _pad(images, value, widths)


def _gather(
    inputs: jax.Array,
    kernel: jax.Array,
    *,
    strides: Sequence[int],
    padding: Padding,
    neighbours: int = 1,
    pad: Pad = _pad,
) -> jax.Array:
    """Gathers, for every few neighbouring outputs of a row, the pixels that they see.

    Two neighbours share most of their pixels, so that less is copied than for each alone; the
    matrix then holds the kernel once for each of them, moved by its stride, beside zeros.
    """
    shifted = inputs.dtype == jnp.uint8
    zero = np.asarray(OFFSET if shifted else 0, inputs.dtype)
    (height, width, _, outputs), (down, across) = kernel.shape, strides
    padded = [size + sum(pads) for size, pads in zip(inputs.shape[1:3], padding, strict=True)]
    rows = (padded[0] - height) // down + 1
    columns = (padded[1] - width) // across + 1
    groups, step = -(-columns // neighbours), neighbours * across
    reach = width + step - across
    (top, bottom), (left, right) = padding
    right += max((groups - 1) * step + reach - padded[1], 0)
    images = pad(inputs, zero, ((0, 0), (top, bottom), (left, right), (0, 0)))
    last_row, last_column = (rows - 1) * down + 1, (groups - 1) * step + 1
    seen = [images[:, :, left : left + last_column : step] for left in range(reach)]
    rows_seen = jnp.concatenate(seen, -1)
    seen = [rows_seen[:, top : top + last_row : down] for top in range(height)]
    sums = _dot(jnp.concatenate(seen, -1), _repeat(kernel, neighbours, across), 0)
    sums = sums.reshape(-1, rows, groups * neighbours, outputs)[:, :, :columns]
    if not shifted:
        return sums
    extra = OFFSET * kernel.astype(jnp.int32).sum((0, 1, 2))
    return sums - extra.reshape(1, 1, 1, -1)


def _repeat(kernel: jax.Array, neighbours: int, stride: int) -> jax.Array:
    """The kernel for each neighbour, side by side: (height * reach * i, neighbours * o)."""
    spare = (neighbours - 1) * stride
    moved = [
        jnp.pad(kernel, ((0, 0), (left, spare - left), (0, 0), (0, 0)))
        for left in range(0, spare + 1, stride)
    ]
    return jnp.stack(moved, 3).reshape(-1, neighbours * kernel.shape[3])


def _dot(left: jax.Array, right: jax.Array, axis: int) -> jax.Array:
    """Contracts the last axis of the left; the precision keeps jax from widening mixed operands."""
    return lax.dot_general(
        left,
        right,
        (((left.ndim - 1,), (axis,)), ((), ())),
        precision=lax.DotAlgorithmPreset.DEFAULT,
        preferred_element_type=jnp.int32,
    )
