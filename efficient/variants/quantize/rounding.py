"""Contractions of rounded operands in floats: what training sees of a grid of integers.

The gradient passes the rounding straight through (Bengio, Leonard and Courville 2013, arXiv
1308.3432; Jacob et al. 2018, arXiv 1712.05877), or reaches the step as well, where the step is
learned (Esser et al. 2020, arXiv 1902.08153).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from efficient.models.clip import clipped_scale, largest_integer, round_to_grid
from efficient.models.grid import (
    INPUT_STEP,
    KERNEL_STEP,
    activation_scale,
    feature_axes,
    place,
    shared_axes,
    spread,
)
from efficient.models.layers import Storage

#: Activations of so many bits are left as they are.
FLOAT_BITS = 32
#: Share of a running step that a new batch leaves.
MOMENTUM = 0.9


@dataclass(frozen=True)
class Rounding:
    """An op on operands rounded as `storage` says; the gradient sees no rounding.

    The step of the kernel is that of a slot, or follows from the kernel; the step of the inputs
    is that of a slot, or one for every example and position.
    """

    inner: Any
    storage: Storage

    def __call__(self, inputs: jax.Array, kernel: jax.Array, slots: Any) -> jax.Array:
        integers, step = place(kernel, self.storage, slots.get(KERNEL_STEP))
        kernel = _straight_through(kernel, integers.astype(kernel.dtype) * step)
        if _rounds(inputs, self.storage):
            inputs = self._inputs(inputs, slots.get(INPUT_STEP))
        return self.inner(inputs, kernel, slots)

    def _inputs(self, inputs: jax.Array, step: jax.Array | None) -> jax.Array:
        bits = self.storage.activations
        if step is None:
            step = activation_scale(inputs, bits)
        else:
            step = spread(jnp.where(step > 0, step, 1.0), inputs.ndim, None)
            reach = largest_integer(bits) * step
            inputs = jnp.clip(inputs, -reach, reach)  # what is cut off has no gradient
        rounded = round_to_grid(inputs, step, bits).astype(inputs.dtype) * step
        return _straight_through(inputs, rounded)


@dataclass(frozen=True)
class LearnedRounding:
    """An op on operands rounded by steps that are trained: the slots of kernel and inputs."""

    inner: Any
    storage: Storage

    def __call__(self, inputs: jax.Array, kernel: jax.Array, slots: Any) -> jax.Array:
        storage = self.storage
        axes = shared_axes(kernel.ndim, storage.scale_axis)
        step = spread(slots[KERNEL_STEP], kernel.ndim, storage.scale_axis)
        kernel = learned(kernel, step, storage.bits, _sizes(kernel, axes))
        if _rounds(inputs, storage):
            step = spread(slots[INPUT_STEP], inputs.ndim, None)
            size = _sizes(inputs, feature_axes(inputs))
            inputs = learned(inputs, step, storage.activations, size)
        return self.inner(inputs, kernel, slots)


def learned(values: jax.Array, step: jax.Array, bits: int, size: int) -> jax.Array:
    """Values rounded to a grid whose step has a gradient, scaled by 1 / sqrt(size Qp).

    size: of the numbers that share the step: weights, or features of one example.
    """
    top = largest_integer(bits)
    share = step / math.sqrt(size * top)
    step = lax.stop_gradient(step) + (share - lax.stop_gradient(share))  # the value is the step's
    inside = jnp.clip(values / step, -top, top)
    return (inside + lax.stop_gradient(jnp.round(inside) - inside)) * step


def first_step(mean: jax.Array, bits: int) -> jax.Array:
    """The step from which learning starts, of values of this mean magnitude: 2 mean / sqrt(Qp)."""
    return 2 * mean / math.sqrt(largest_integer(bits))


@dataclass(frozen=True)
class Running:
    """Rule of a slot: a running mean of the step that each batch would have, from the first on."""

    bits: int
    clip: str

    def __call__(self, step: jax.Array, inputs: jax.Array) -> jax.Array:
        seen = Calibrated(self.bits, self.clip)(step, inputs)
        return jnp.where(step > 0, MOMENTUM * step + (1 - MOMENTUM) * seen, seen)


@dataclass(frozen=True)
class Calibrated:
    """Rule of a slot: the step of one batch, () float32."""

    bits: int
    clip: str

    def __call__(self, step: jax.Array, inputs: jax.Array) -> jax.Array:
        return clipped_scale(inputs, self.bits, tuple(range(inputs.ndim)), self.clip).reshape(())


@dataclass(frozen=True)
class Started:
    """Rule of a slot: the step from which learning starts on one batch, () float32."""

    bits: int

    def __call__(self, step: jax.Array, inputs: jax.Array) -> jax.Array:
        mean = jnp.abs(inputs).mean()
        return first_step(jnp.where(mean > 0, mean, 1.0), self.bits)


def _straight_through(values: jax.Array, rounded: jax.Array) -> jax.Array:
    return values + lax.stop_gradient(rounded - values)


def _rounds(inputs: jax.Array, storage: Storage) -> bool:
    floats = jnp.issubdtype(inputs.dtype, jnp.floating)
    return floats and storage.activations != FLOAT_BITS


def _sizes(values: jax.Array, axes: tuple[int, ...]) -> int:
    return math.prod(values.shape[axis] for axis in axes)
