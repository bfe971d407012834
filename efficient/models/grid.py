"""The grid of numbers that a kernel is rounded to: what training imitates and the artefact holds.

A number of a grid is an integer times a step, one step per output or one in all.

- `integer`: of so many bits, symmetric around 0.
- `ternary`: -1, 0, +1; what is below 0.7 of the mean magnitude is 0, and the step is the mean
  magnitude of the rest (Li, Zhang and Liu 2016, arXiv 1605.04711).
- `binary`: -1, +1 (Courbariaux, Bengio and David 2015, arXiv 1511.00363), and the step is the mean
  magnitude (Rastegari et al. 2016, arXiv 1603.05279).

A weight that is exactly 0, as pruning leaves it, is 0 on every grid and no part of a mean.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from efficient.models.clip import clipped_scale, integer_scale, round_to_grid
from efficient.models.layers import Storage, read_slots

#: Slots of a layer, float32: the steps of its kernel, (outputs,) or (), and of its inputs, ().
KERNEL_STEP, INPUT_STEP = "kernel_step", "input_step"
GRIDS = ("integer", "ternary", "binary")
#: A ternary weight is 0 below this share of the mean magnitude.
THRESHOLD = 0.7


def integers_of(layer: Any) -> tuple[jax.Array, jax.Array]:
    """What the kernel of a trained layer is on its grid: (integers, step).

    integers: int8, of the kernel's shape; step: (outputs,) float32. A slot `kernel_step`, learned
    or calibrated, is taken as it is; else the step follows from the kernel.
    """
    kernel = layer.kernel[...]
    given = read_slots(layer.slots).get(KERNEL_STEP)
    integers, step = place(kernel, layer.storage, given)
    outputs = kernel.shape[layer.output_axis]
    return integers.astype(jnp.int8), jnp.broadcast_to(step.ravel(), (outputs,))


def place(
    kernel: jax.Array, storage: Storage, step: jax.Array | None = None
) -> tuple[jax.Array, jax.Array]:
    """The kernel on its grid: (integers as floats, step); no gradient goes through either.

    step: of an integer grid, (outputs,) or (), where it does not follow from the kernel. The one
    that is returned has size 1 along the axes that share it.
    """
    kernel = lax.stop_gradient(kernel)
    axes = shared_axes(kernel.ndim, storage.scale_axis)
    if storage.grid == "ternary":
        magnitude = jnp.abs(kernel)
        kept = magnitude > THRESHOLD * mean_magnitude(kernel, axes)
        integers = jnp.where(kept, jnp.sign(kernel), 0)
        return integers, mean_magnitude(jnp.where(kept, kernel, 0), axes)
    if storage.grid == "binary":
        return jnp.sign(kernel), mean_magnitude(kernel, axes)
    if step is None:
        step = clipped_scale(kernel, storage.bits, axes, storage.clip)
    else:
        step = spread(lax.stop_gradient(step), kernel.ndim, storage.scale_axis)
    return round_to_grid(kernel, step, storage.bits), step


def activation_scale(inputs: jax.Array, bits: int) -> jax.Array:
    """One step per example and position: over features, or over a whole image.

    inputs: (..., features), or (batch, height, width, channels) of a convolution. It does not
    depend on the other examples of the batch.
    """
    return integer_scale(inputs, bits, feature_axes(inputs))


def feature_axes(inputs: jax.Array) -> tuple[int, ...]:
    """Axes of the numbers that belong to one example and position."""
    return (1, 2, 3) if inputs.ndim == 4 else (inputs.ndim - 1,)


def shared_axes(ndim: int, scale_axis: int | None) -> tuple[int, ...]:
    """Axes of a kernel along which all numbers have one step."""
    return tuple(a for a in range(ndim) if scale_axis is None or a != scale_axis % ndim)


def spread(step: jax.Array, ndim: int, scale_axis: int | None) -> jax.Array:
    """A step, (outputs,) or (), with size 1 along the axes that share it."""
    shape = [1] * ndim
    if scale_axis is not None:
        shape[scale_axis] = -1
    return step.reshape(shape)


def mean_magnitude(values: jax.Array, axes: tuple[int, ...]) -> jax.Array:
    """Of the entries that are not 0, keeping the axes as size 1; 1 where all are 0."""
    magnitude = jnp.abs(values).astype(jnp.float32)
    count = (magnitude > 0).sum(axis=axes, keepdims=True, dtype=jnp.float32)
    total = magnitude.sum(axis=axes, keepdims=True)
    return jnp.where(count > 0, total / jnp.maximum(count, 1), 1.0)
