"""n-gram language models of bytes or characters: what counting alone predicts.

Interpolated Witten-Bell smoothing (Witten and Bell 1991, IEEE Transactions on Information Theory
37(4), method C; in the interpolated form of Chen and Goodman 1998, Harvard TR-10-98): with `c` the
counts of the training text and `t(h)` the number of different tokens seen after the history `h`,

    p_n(w | h) = (c(h w) + t(h) p_{n-1}(w | shorter h)) / (c(h) + t(h)),    p_0(w) = 1 / classes,

and a history never seen leaves `p_{n-1}` as it is. The probabilities of all tokens add up to one,
and no setting is tuned on any text.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np

from efficient.data import Dataset
from efficient.workloads import LanguageModel


class ControlError(ValueError):
    """A control that cannot be made: one line with the value and the remedy."""


@dataclass(frozen=True)
class Table:
    """Counts of the n-grams of one length, each n-gram and each history a number in base `classes`.

    grams: (g,) int64, ascending, seen `counts` times; histories: (h,) int64, ascending, followed
    `totals` times by `kinds` different tokens.
    """

    grams: np.ndarray
    counts: np.ndarray
    histories: np.ndarray
    totals: np.ndarray
    kinds: np.ndarray

    @classmethod
    def of(cls, codes: np.ndarray, classes: int) -> Table:
        """Count n-grams that are already numbers."""
        grams, counts = np.unique(codes, return_counts=True)
        histories, first, kinds = np.unique(grams // classes, return_index=True, return_counts=True)
        return cls(grams, counts, histories, np.add.reduceat(counts, first), kinds)

    def probability(self, codes: np.ndarray, classes: int, shorter: np.ndarray) -> np.ndarray:
        """Of the last token of each n-gram, given that by the shorter history."""
        seen = _find(self.grams, self.counts, codes)
        total = _find(self.histories, self.totals, codes // classes)
        kinds = _find(self.histories, self.kinds, codes // classes)
        return np.where(total > 0, (seen + kinds * shorter) / np.maximum(total + kinds, 1), shorter)


@dataclass(frozen=True)
class NGram:
    """Models of every order up to the number of `tables`."""

    classes: int
    tables: tuple[Table, ...]

    @classmethod
    def fit(cls, train: np.ndarray, order: int, classes: int) -> NGram:
        """Count `train`: (tokens,), each below `classes`.

        Raises:
            ControlError: the order is below 1, the text shorter than it, or its n-grams do not fit
            into 63 bits.
        """
        if not 1 <= order <= len(train):
            raise ControlError(f"order {order} is not between 1 and the {len(train)} tokens")
        if classes**order >= 2**63:
            raise ControlError(
                f"order {order} of {classes} classes is too long; choose a lower one"
            )
        rows = train[None]
        lengths = range(1, order + 1)
        return cls(classes, tuple(Table.of(_codes(rows, n, classes)[0], classes) for n in lengths))

    def bits(self, rows: np.ndarray) -> np.ndarray:
        """-log2 of each token's probability, (orders, rows, length) float64.

        rows: (rows, length) of texts that know nothing of each other. A token near the beginning
        of its row has a shorter history there, whatever the order.
        """
        probability = np.full(rows.shape, 1 / self.classes)
        found = []
        for length, table in enumerate(self.tables, 1):
            tail, codes = probability[:, length - 1 :], _codes(rows, length, self.classes)
            probability = probability.copy()
            probability[:, length - 1 :] = table.probability(codes, self.classes, tail)
            found.append(-np.log2(probability))
        return np.stack(found)


def bits_per_token(train: np.ndarray, test: np.ndarray, order: int, classes: int) -> float:
    """Mean bits of every token of `test`, a contiguous text, under the model of `train`."""
    return float(NGram.fit(train, order, classes).bits(test[None])[-1].mean())


def window_bits(model: NGram, workload: LanguageModel, dataset: Dataset, split: str) -> np.ndarray:
    """Mean bits of each order, (orders,), on exactly the targets that a network is scored on.

    A history does not reach beyond the left edge of its window, as a network's does not: the
    first target of a window is predicted from one token.
    """
    index = jnp.arange(workload.examples(dataset, split), dtype=jnp.int32)
    batch = workload.window(workload.arrays(dataset, split), index)
    rows = np.concatenate([np.asarray(batch.inputs)[:, :1], np.asarray(batch.targets)], axis=1)
    return model.bits(rows)[:, :, 1:].mean(axis=(1, 2))


def _codes(rows: np.ndarray, length: int, classes: int) -> np.ndarray:
    """The n-gram that ends at each token from `length` on, as a number: its last token lowest."""
    width = max(0, rows.shape[1] - length + 1)
    codes = np.zeros((len(rows), width), np.int64)
    for start in range(length):
        codes = codes * classes + rows[:, start : start + width]
    return codes


def _find(keys: np.ndarray, values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The value of each wanted key; 0 where there is none. `keys` ascend."""
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[place] == wanted, values[place], 0)
