"""Training FLOPs by the forward rule, and effective ones: as if absent weights cost nothing.

Each weight's contractions, forward and both gradients, are scaled by its density at that step. No
hardware here saves them: the number is what a sparse machine could, beside what was executed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from flax import traverse_util

from efficient.cost.flops import TrainingCount


class Effective:
    """Sums over steps of how many entries of each pruned weight were present.

    A network that changes between two phases begins a new sum; what it came to is added up.
    """

    def __init__(self, counts: TrainingCount, names: Sequence[str], params: Any):
        self._behind: list[int | None] = [0, 0]
        self._dense_behind = 0
        self._begin(counts, names, params)

    def add(self, kept: np.ndarray) -> None:
        """kept: (steps, weights) int32."""
        self._steps += len(kept)
        self._kept += kept.sum(axis=0, dtype=np.int64)

    def move(
        self, counts: TrainingCount, names: Sequence[str], params: Any, dense_gradients: int = 0
    ) -> None:
        """From now on another network, or other pruned weights.

        counts: of a step; names: pruned weights, in the order of `kept`; dense_gradients: steps so
        far in which the gradients of absent weights were read too.
        """
        self._behind = [self.model, self.total(dense_gradients)]
        self._dense_behind = dense_gradients
        self._begin(counts, names, params)

    def state(self) -> np.ndarray:
        """Everything that was added, as the bytes of a JSON text: (bytes,) uint8."""
        text = json.dumps([self._behind, self._dense_behind, self._steps, self._kept.tolist()])
        return np.frombuffer(text.encode(), np.uint8).copy()

    def restore(self, state: np.ndarray) -> None:
        """Of the same network as when `state` was taken."""
        self._behind, self._dense_behind, self._steps, kept = json.loads(state.tobytes())
        self._kept = np.array(kept, np.int64)

    @property
    def model(self) -> int | None:
        """FLOPs of all steps by the forward rule; None where they are unknown."""
        return self._plus(0, self._counts.priced * self._steps)

    def total(self, dense_gradients: int = 0) -> int | None:
        """The same with every weight's contractions scaled by its density.

        dense_gradients: steps so far in which the gradients of absent weights were read too.
        """
        absent, dense = 0, dense_gradients - self._dense_behind
        for name, size, kept in zip(self._names, self._sizes, self._kept.tolist(), strict=True):
            layer = self._counts.layers.get(name.removesuffix("/kernel"))
            if layer is not None and self._steps:
                saved = layer.total * self._steps - layer.gradient_weights * dense
                absent += saved * (size * self._steps - kept) // (size * self._steps)
        whole = sum(layer.total for layer in self._counts.layers.values())
        return self._plus(1, whole * self._steps - absent)

    def _begin(self, counts: TrainingCount, names: Sequence[str], params: Any) -> None:
        flat: dict[str, Any] = traverse_util.flatten_dict(params, sep="/")
        self._counts, self._names = counts, tuple(names)
        self._sizes = [int(np.prod(flat[name].shape)) for name in names]
        self._steps, self._kept = 0, np.zeros(len(self._names), np.int64)

    def _plus(self, column: int, flops: int) -> int | None:
        behind = self._behind[column]
        if behind is None or (self._counts.unpriced and self._steps):
            return None
        return behind + flops
