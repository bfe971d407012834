"""Contractions of integers, as the artefact computes them, and the forms that are fast."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import lax

from efficient.models.grid import INPUT_STEP, KERNEL_STEP, activation_scale, round_to_grid
from efficient.models.layers import weighted_layers
from efficient.models.layers.convolution import Convolve, gathered
from efficient.models.layers.integer import OFFSET
from efficient.models.layers.linear import turned

#: Activations of more bits than this are left in floats, and the kernel is widened.
MOST_BITS = 8


@dataclass(frozen=True)
class IntegerOperation:
    """A contraction of int8 arrays, scaled back to float32.

    `inner` contracts int8 to int32, or looks up rows for integer inputs; the slot `kernel_step`
    holds the kernel's steps, (outputs,) float32; the slot `input_step`, () float32 where there is
    one, that of the inputs. With 32-bit activations the kernel is scaled first and the sum is
    float. `shifted` inputs are written as uint8, 128 higher: the same integers, see
    `models.layers.integer`.
    """

    inner: Any
    activations: int
    output_axis: int
    shifted: bool = False

    def __call__(self, inputs: jax.Array, kernel: jax.Array, slots: Any) -> jax.Array:
        scale = slots[KERNEL_STEP]
        if jnp.issubdtype(inputs.dtype, jnp.integer):
            return self.inner(inputs, kernel, {}).astype(jnp.float32) * scale[inputs][..., None]
        if self.activations > MOST_BITS:
            shape = [1] * kernel.ndim
            shape[self.output_axis] = -1
            return self.inner(inputs, kernel.astype(jnp.float32) * scale.reshape(shape), {})
        if INPUT_STEP in slots:
            step = slots[INPUT_STEP].reshape((1,) * inputs.ndim)
        else:
            step = activation_scale(inputs, self.activations)
        integers = round_to_grid(inputs, step, self.activations).astype(jnp.int8)
        if self.shifted:
            integers = lax.bitcast_convert_type(integers, jnp.uint8) ^ np.uint8(OFFSET)
        sums = self.inner(integers, kernel, {}).astype(jnp.float32)
        return sums * step * scale.reshape((1,) * (sums.ndim - 1) + (-1,))


def arrange(model: nnx.Module, shifted: bool) -> tuple[str, ...]:
    """Choose the forms of contractions that are fast on a CPU, in place.

    Integers that come out are the same, floats but for the order of sums. shifted: whether the
    processor multiplies bytes without a sign by bytes with one.

    Returns:
        Names of the kernels that have to be transposed, (i, o) to (o, i), when they are loaded.
    """
    transposed = []
    for path, layer in weighted_layers(model).items():
        op = layer.op
        if not isinstance(op, IntegerOperation) or op.activations > MOST_BITS:
            layer.op = _gathered(op, layer.kernel.shape)
            continue
        grouped = getattr(op.inner, "groups", 1) > 1
        if other := turned(op.inner):
            transposed.append(f"{path}/kernel")
        layer.op = replace(op, inner=other or op.inner, shifted=shifted and not grouped)
    return tuple(transposed)


def _gathered(op: Any, shape: tuple[int, ...]) -> Any:
    """Of a contraction of floats and of what wraps it."""
    if isinstance(op, Convolve):
        return gathered(op, shape)
    inner = getattr(op, "inner", None)
    return op if inner is None else replace(op, inner=_gathered(inner, shape))
