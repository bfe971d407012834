"""n-gram language models of bytes or characters: what counting alone predicts.

Interpolated modified Kneser-Ney smoothing (Chen and Goodman 1998, Harvard TR-10-98, section 3):
with `c` the counts of the longest n-grams in the training text, and of a shorter one the number of
different tokens that it follows there,

    p_n(w | h) = (c(h w) - D(c(h w))) / c(h) + g(h) p_{n-1}(w | shorter h),    p_0(w) = 1 / classes,

where `g` gives back what the discounts have taken, and a history never seen leaves `p_{n-1}` as it
is. D(1), D(2) and D(3 or more) are set for each length by how many n-grams were counted once to
four times, and so on no other text; where these do not decide, they are KenLM's 0.5, 1 and 1.5.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar

import numpy as np

from efficient.controls.fitted import Arrays, ControlError, Fitted, Predict, logarithm, positive

COUNTS = "not a FLOP count: n-grams are counted with integers and looked up"
#: Discounts of counts 1, 2 and more where a text does not decide them (KenLM, discount_fallback).
FALLBACK = (0.5, 1.0, 1.5)


@dataclass(frozen=True)
class NGram:
    """Counted n-grams, Kneser-Ney smoothing: the token that followed the last order - 1 tokens."""

    order: int = 5

    kind: ClassVar[str] = "text"
    library: ClassVar[str] = "numpy"

    def __post_init__(self) -> None:
        positive(self, "order")

    @property
    def title(self) -> str:
        return {1: "unigram", 2: "bigram", 3: "trigram"}.get(self.order, f"{self.order}-gram")

    def fit(self, data: Arrays, classes: int, seed: int, threads: int) -> Fitted:
        """Count `tokens` of the data: (tokens,), each below `classes`. One thread.

        Raises:
            ControlError: the text is shorter than the order, or its n-grams need more than 63 bits.
        """
        tokens = data["tokens"]
        if self.order > len(tokens):
            raise ControlError(f"order {self.order} is longer than a text of {len(tokens)} tokens")
        if classes**self.order >= 2**63:
            raise ControlError(
                f"order {self.order} of {classes} classes is too long; choose a lower one"
            )
        arrays = {"classes": np.array([classes])}
        codes, counts = np.unique(_codes(tokens[None], self.order, classes), return_counts=True)
        for length in range(self.order, 0, -1):
            made = Table.of(codes, counts, classes)
            arrays |= {
                f"{length}.{field.name}": getattr(made, field.name) for field in fields(made)
            }
            codes, counts = np.unique(codes % classes ** (length - 1), return_counts=True)
        grams = sum(len(arrays[f"{length}.tokens"]) for length in range(1, self.order + 1))
        return Fitted(
            predict=self.predictor(arrays, threads),
            arrays=arrays,
            params=grams,
            flops_executed=None,
            flops_inference=None,
            evidence={"ngrams": grams},
            unknown=dict.fromkeys(("flops_executed", "flops_inference"), COUNTS),
        )

    def predictor(self, arrays: Arrays, threads: int) -> Predict:
        """Of every token of (rows, time) inputs, what follows. (rows, time, classes) float32.

        Rows know nothing of each other: near its beginning a row has a shorter history, whatever
        the order.
        """
        classes = int(arrays["classes"][0])
        names = [field.name for field in fields(Table)]
        lengths = range(1, self.order + 1)
        tables = [Table(**{n: arrays[f"{length}.{n}"] for n in names}) for length in lengths]
        shares = [table.shares() for table in tables]

        def predict(rows: np.ndarray) -> np.ndarray:
            found = np.full((*rows.shape, classes), 1 / classes)
            for length, (table, share) in enumerate(zip(tables, shares, strict=True)):
                _mix(found, _codes(rows, length, classes), table, share)
            return logarithm(found).astype(np.float32)

        return predict


@dataclass(frozen=True)
class Table:
    """Counts of the n-grams of one length, grouped by their history, a number in base `classes`.

    histories: (h,) int64, ascending; kinds: (h,), how many different tokens followed each; tokens
    and counts: (g,), these, history by history; discounts: (4,) float64, by count up to 3.
    """

    histories: np.ndarray
    kinds: np.ndarray
    tokens: np.ndarray
    counts: np.ndarray
    discounts: np.ndarray

    @classmethod
    def of(cls, codes: np.ndarray, counts: np.ndarray, classes: int) -> Table:
        """Of n-grams as ascending numbers, their last token lowest, in the smallest integers."""
        histories, kinds = np.unique(codes // classes, return_counts=True)
        kinds, tokens, small = (_smallest(n) for n in (kinds, codes % classes, counts))
        return cls(histories, kinds, tokens, small, discounts(counts))

    def shares(self) -> Shares:
        taken = self.discounts[np.minimum(self.counts, 3)]
        kinds = self.kinds.astype(np.int64)
        starts = np.cumsum(kinds) - kinds
        totals = np.add.reduceat(self.counts.astype(np.int64), starts)
        own = (self.counts - taken) / np.repeat(totals, kinds)
        return Shares(starts, own, np.add.reduceat(taken, starts) / totals)


@dataclass(frozen=True)
class Shares:
    """Probabilities of a table: `own` (g,) of each n-gram given its history, `given` (h,) back to
    shorter ones; n-grams of a history begin at `starts` (h,)."""

    starts: np.ndarray
    own: np.ndarray
    given: np.ndarray


def discounts(counts: np.ndarray) -> np.ndarray:
    """What is taken from counts of 0, 1, 2, and 3 or more. (4,) float64."""
    n = np.bincount(np.minimum(counts, 5), minlength=6).astype(float)
    if n[1:5].all():
        share = n[1] / (n[1] + 2 * n[2])
        found = [i - (i + 1) * share * n[i + 1] / n[i] for i in (1, 2, 3)]
        if min(found) > 0:
            return np.array([0.0, *found])
    return np.array([0.0, *FALLBACK])


def _mix(found: np.ndarray, codes: np.ndarray, table: Table, shares: Shares) -> None:
    """Put a longer history into the probabilities `found`: (rows, time, classes).

    codes: (rows, width), of the histories that end at the last `width` tokens of each row.
    """
    rows, time, _ = found.shape
    wanted = codes.ravel()
    place = np.minimum(np.searchsorted(table.histories, wanted), len(table.histories) - 1)
    seen = np.flatnonzero(table.histories[place] == wanted)
    place = place[seen]
    width = codes.shape[1]
    where = seen // width * time + time - width + seen % width
    flat = found.reshape(rows * time, -1)
    flat[where] *= shares.given[place, None]
    kinds = table.kinds[place].astype(np.int64)
    begins = np.cumsum(kinds) - kinds
    grams = np.arange(kinds.sum()) + np.repeat(shares.starts[place] - begins, kinds)
    flat[np.repeat(where, kinds), table.tokens[grams]] += shares.own[grams]


def _codes(rows: np.ndarray, length: int, classes: int) -> np.ndarray:
    """The tokens that end at each place from `length` on, as a number: the last one lowest."""
    width = rows.shape[1] - max(length, 1) + 1
    codes = np.zeros((len(rows), max(0, width)), np.int64)
    for start in range(length):
        codes = codes * classes + rows[:, start : start + codes.shape[1]]
    return codes


def _smallest(values: np.ndarray) -> np.ndarray:
    return values.astype(np.min_scalar_type(values.max()))
