"""Lower precision of the contractions: operands in bfloat16, sums in float32.

Weights, optimizer and everything else stay float32 (Micikevicius et al. 2018, arXiv 1710.03740;
bfloat16 needs no loss scaling, Kalamkar et al. 2019, arXiv 1905.12322). Whether time falls depends
on the machine: see `Machine.cpu_features` in the record.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from flax import nnx

from efficient.models.layers import Storage, weighted_layers
from efficient.models.operand import Cast, wrap
from efficient.variants.variant import Variant, VariantError, matching, weight_table

KINDS = ("linear", "convolution", "embedding")


@dataclass(frozen=True)
class Precision(Variant):
    """dtype: bfloat16, or float32 for the baseline; weights: shell pattern over layer paths."""

    rank: ClassVar[int] = 0

    dtype: str = "bfloat16"
    weights: str = "*"

    def __post_init__(self) -> None:
        if self.dtype not in ("bfloat16", "float32"):
            raise VariantError(
                f"precision dtype {self.dtype!r} is unknown; choose bfloat16 or float32"
            )

    def rewrite(self, model: nnx.Module) -> nnx.Module:
        if self.dtype == "float32":
            return model
        chosen = {w.path for w in matching(weight_table(model), self.weights, KINDS)}
        for path, layer in weighted_layers(model).items():
            if path in chosen:
                wrap(layer, partial(Cast, dtype=self.dtype))
                layer.storage = Storage(self.dtype, 16)
        return model
