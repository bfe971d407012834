"""Effective training FLOPs: the model's FLOPs as if absent weights cost nothing.

Each weight's contractions, forward and both gradients, are scaled by its density at that step. No
hardware here saves them: the number is what a sparse machine could, beside what was executed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from flax import traverse_util

from efficient.cost.flops import Layer


class Effective:
    """Sums over steps of how many entries of each pruned weight were present.

    layers: FLOPs of a step by layer path; names: pruned weights, in the order of `kept`.
    """

    def __init__(
        self, layers: dict[str, Layer], unpriced: Sequence[str], names: Sequence[str], params: Any
    ):
        flat: dict[str, Any] = traverse_util.flatten_dict(params, sep="/")
        self._layers, self._unpriced, self._names = layers, tuple(unpriced), tuple(names)
        self._sizes = [int(np.prod(flat[name].shape)) for name in names]
        self._sums = np.zeros(len(self._names) + 1, np.int64)

    def add(self, kept: np.ndarray) -> None:
        """kept: (steps, weights) int32."""
        self._sums[0] += len(kept)
        self._sums[1:] += kept.sum(axis=0, dtype=np.int64)

    def state(self) -> np.ndarray:
        """(1 + weights,) int64: steps, then the sums."""
        return self._sums.copy()

    def restore(self, state: np.ndarray) -> None:
        self._sums = np.array(state, np.int64)

    @property
    def total(self) -> int | None:
        """FLOPs of all steps; None where the model's FLOPs are unknown."""
        if self._unpriced:
            return None
        steps = int(self._sums[0])
        total = sum(layer.total for layer in self._layers.values()) * steps
        for name, size, kept in zip(self._names, self._sizes, self._sums[1:], strict=True):
            layer = self._layers.get(name.removesuffix("/kernel"))
            if layer is not None:
                absent = size * steps - int(kept)
                total -= layer.total * absent // size
        return total
