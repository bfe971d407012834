"""Lower precision of the contractions of a step; weights and optimizer stay float32.

- bfloat16: operands of 16 bits, sums in float32 (Micikevicius et al. 2018, arXiv 1710.03740;
  bfloat16 needs no loss scaling, Kalamkar et al. 2019, arXiv 1905.12322).
- int8: see `integer.py`. float8: see `float8.py`.

Whether time falls depends on the machine: see `Machine.cpu_features` in the record.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial, reduce
from typing import Any, ClassVar

import jax
import numpy as np
from flax import nnx

from efficient.models.layers import Storage, make_noise, weighted_layers
from efficient.models.operand import Cast, wrap
from efficient.variants.precision.float8 import Float8Training, require_float8
from efficient.variants.precision.integer import BITS, ROUNDING, IntegerTraining
from efficient.variants.variant import Variant, VariantError, matching, weight_table

#: The layers that each type computes. Lookups gain nothing from 8 bits, and the gradients of a
#: convolution have no fast form in them on a CPU or a GPU: those stay float32.
KINDS = {
    "bfloat16": ("linear", "convolution", "embedding"),
    "int8": ("linear",),
    "float8": ("linear",),
}
BASELINE = "float32"


@dataclass(frozen=True)
class Precision(Variant):
    """Compute contractions in fewer bits, forward and backward.

    dtype: bfloat16, int8, float8, or float32 for the baseline; weights: shell pattern over layer
    paths; rounding: of int8 gradients, stochastic or nearest (the control).
    """

    rank: ClassVar[int] = 0
    family: ClassVar[str] = "precision"

    dtype: str = "bfloat16"
    weights: str = "*"
    rounding: str = "stochastic"

    def __post_init__(self) -> None:
        if self.dtype not in (*KINDS, BASELINE):
            choices = ", ".join(KINDS)
            raise VariantError(
                f"precision dtype {self.dtype!r} is unknown; choose {choices} or {BASELINE}"
            )
        if self.rounding not in ("stochastic", "nearest"):
            raise VariantError(
                f"precision rounding {self.rounding!r} is unknown; choose stochastic or nearest"
            )

    def rewrite(self, model: nnx.Module) -> nnx.Module:
        if self.dtype == BASELINE:
            return model
        if self.dtype == "float8":
            require_float8(jax.devices()[0])
        chosen = {w.path for w in matching(weight_table(model), self.weights, KINDS[self.dtype])}
        layers = weighted_layers(model)
        rngs = nnx.Rngs(_seed(layers.values()))
        for path, layer in layers.items():
            if path in chosen:
                self._lower(layer, rngs)
        return model

    def _lower(self, layer: Any, rngs: nnx.Rngs) -> None:
        """Wrap the contraction of a layer; what ships is what the forward product has read."""
        if self.dtype == "int8":
            if self.rounding == "stochastic":
                layer.slots[ROUNDING] = make_noise(rngs)
            wrap(layer, IntegerTraining)
            layer.storage = Storage("int8", BITS, layer.output_axis, BITS)
        else:
            wrapper = Float8Training if self.dtype == "float8" else partial(Cast, dtype=self.dtype)
            wrap(layer, wrapper)
            layer.storage = Storage("bfloat16", 16)


def _seed(layers: Iterable[Any]) -> int:
    """The fresh weights stand for the seed of the run, which a variant is not told; 0 on paper."""
    kernels = [layer.kernel.get_value() for layer in layers]
    if not all(isinstance(kernel, jax.Array) for kernel in kernels):
        return 0
    return reduce(lambda seed, k: zlib.crc32(np.asarray(k).tobytes(), seed), kernels, 0)
