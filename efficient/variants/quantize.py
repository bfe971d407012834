"""Quantization-aware training: k-bit weights and activations in the forward pass.

Symmetric integers: a weight has one scale per output channel, an activation one per example and
position, both from the largest magnitude. The gradient passes the rounding straight through
(Bengio, Leonard and Courville 2013, arXiv 1308.3432; Jacob et al. 2018, arXiv 1712.05877). In
training the numbers stay floats on the grid of the integers, so executed FLOPs do not fall and
time rises; the artefact holds real int8 arrays and multiplies them as integers.
"""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax

from efficient.models.layers import Storage, weighted_layers
from efficient.models.operand import activation_scale, integer_scale, round_to_grid, wrap
from efficient.variants.variant import Variant, VariantError, matching, weight_table

KINDS = ("linear", "convolution", "embedding", "position")
NEUTRAL_BITS = 32


@dataclass(frozen=True)
class Quantize(Variant):
    """Train on a grid of `bits` bits; ship integers.

    bits: of the weights, 2 to 8, or 32 for none; activations: bits of the layers' inputs,
    likewise; weights: shell pattern over layer paths.
    """

    rank: ClassVar[int] = 20

    bits: int = 8
    activations: int = 8
    weights: str = "*"

    def __post_init__(self) -> None:
        for name, bits in (("bits", self.bits), ("activations", self.activations)):
            if bits != NEUTRAL_BITS and not 2 <= bits <= 8:
                raise VariantError(
                    f"quantize {name} {bits} is out of range; choose 2 to 8, or 32 for none"
                )
        if self.bits == NEUTRAL_BITS and self.activations != NEUTRAL_BITS:
            raise VariantError("quantize activations without weights is not shipped; set bits too")

    def rewrite(self, model: nnx.Module) -> nnx.Module:
        if self.bits == NEUTRAL_BITS:
            return model
        matching(weight_table(model), self.weights, KINDS)
        for path, layer in weighted_layers(model).items():
            if layer.kind in KINDS and fnmatch.fnmatchcase(path, self.weights):
                axis = layer.output_axis
                inputs = NEUTRAL_BITS if layer.kind == "position" else self.activations
                wrap(layer, partial(FakeQuantize, bits=self.bits, activations=inputs, axis=axis))
                layer.storage = Storage("int8", self.bits, axis, inputs)
        return model


@dataclass(frozen=True)
class FakeQuantize:
    """An op on rounded operands; the gradient sees no rounding."""

    inner: Any
    bits: int
    activations: int
    axis: int

    def __call__(self, inputs: jax.Array, kernel: jax.Array, slots: Any) -> jax.Array:
        axes = tuple(a for a in range(kernel.ndim) if a != self.axis % kernel.ndim)
        kernel = _straight_through(kernel, integer_scale(kernel, self.bits, axes), self.bits)
        if self.activations != NEUTRAL_BITS and jnp.issubdtype(inputs.dtype, jnp.floating):
            scale = activation_scale(inputs, self.activations)
            inputs = _straight_through(inputs, scale, self.activations)
        return self.inner(inputs, kernel, slots)


def _straight_through(values: jax.Array, scale: jax.Array, bits: int) -> jax.Array:
    rounded = round_to_grid(values, scale, bits).astype(values.dtype) * scale
    return values + lax.stop_gradient(rounded - values)
