"""Operands in fewer bits: the arithmetic that training imitates and the artefact computes in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax


def wrap(layer: Any, wrapper: Callable[[Any], Any]) -> None:
    """Wrap the contraction of a layer, and the lookup of an embedding."""
    layer.op = wrapper(layer.op)
    if hasattr(layer, "lookup"):
        layer.lookup = wrapper(layer.lookup)


def integer_scale(values: jax.Array, bits: int, axes: tuple[int, ...]) -> jax.Array:
    """Size of one integer step so that the largest magnitude over `axes` is the last integer.

    Keeps the reduced axes as size 1; 1 where all values are 0.
    """
    top = lax.stop_gradient(jnp.abs(values)).max(axis=axes, keepdims=True)
    return jnp.where(top > 0, top / (2 ** (bits - 1) - 1), 1.0).astype(jnp.float32)


def activation_scale(inputs: jax.Array, bits: int) -> jax.Array:
    """One step per example and position: over features, or over a whole image.

    inputs: (..., features), or (batch, height, width, channels) of a convolution. It does not
    depend on the other examples of the batch.
    """
    axes = (1, 2, 3) if inputs.ndim == 4 else (inputs.ndim - 1,)
    return integer_scale(inputs, bits, axes)


def round_to_grid(values: jax.Array, scale: jax.Array, bits: int) -> jax.Array:
    """The integers of `values` on the grid of `scale`, as floats."""
    top = 2 ** (bits - 1) - 1
    return jnp.clip(jnp.round(values / scale), -top, top)


@dataclass(frozen=True)
class IntegerOperation:
    """A contraction of int8 arrays, scaled back to float32.

    `inner` contracts int8 to int32, or looks up rows for integer inputs; the slot `scale` holds
    the kernel's steps, (outputs,) float32. With 32-bit activations the kernel is scaled first and
    the sum is float.
    """

    inner: Any
    activations: int
    output_axis: int

    def __call__(self, inputs: jax.Array, kernel: jax.Array, slots: Any) -> jax.Array:
        scale = slots["scale"]
        if jnp.issubdtype(inputs.dtype, jnp.integer):
            return self.inner(inputs, kernel, {}).astype(jnp.float32) * scale[inputs][..., None]
        if self.activations > 8:
            shape = [1] * kernel.ndim
            shape[self.output_axis] = -1
            return self.inner(inputs, kernel.astype(jnp.float32) * scale.reshape(shape), {})
        step = activation_scale(inputs, self.activations)
        integers = round_to_grid(inputs, step, self.activations).astype(jnp.int8)
        sums = self.inner(integers, kernel, {}).astype(jnp.float32)
        return sums * step * scale.reshape((1,) * (sums.ndim - 1) + (-1,))


@dataclass(frozen=True)
class Cast:
    """A contraction of operands of another float type; the result stays float32."""

    inner: Any
    dtype: str

    def __call__(self, inputs: jax.Array, kernel: jax.Array, slots: Any) -> jax.Array:
        if jnp.issubdtype(inputs.dtype, jnp.floating):
            inputs = inputs.astype(self.dtype)
        return self.inner(inputs, kernel.astype(self.dtype), slots).astype(jnp.float32)
