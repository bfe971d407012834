"""Does an arm dominate its baseline: as good in quality and in every cost, and better in one?

A claim on all axes at once needs all of them shown, each at 5 %: then the claim itself is wrong at
most that often, and no adjustment for their number is due (Berger 1982, intersection-union tests).
What the seeds leave undecided is named, and is no domination; neither is it one where means alone
would say so. A cost that is unknown on a side is left out, and named too.
"""

from __future__ import annotations

from dataclasses import dataclass

from efficient.compare.contrast import (
    AXES,
    CHEAPER,
    DEARER,
    EVEN,
    UNDECIDED,
    UNKNOWN,
    Contrast,
    contrast,
)
from efficient.compare.decision import BETTER, WORSE, Decision
from efficient.compare.significance import Test, paired
from efficient.compare.summary import Row
from efficient.compare.verdict import INCONCLUSIVE

DOMINATES, DOMINATED, NEITHER = "dominates", "is dominated by", "neither"

#: What a word of an axis says, in the order of the fields of `Dominance`.
_MEANT = ((BETTER, CHEAPER), (WORSE, DEARER), (EVEN,), (INCONCLUSIVE, UNDECIDED), (UNKNOWN,))


@dataclass(frozen=True)
class Dominance:
    """An arm against its baseline on quality and on every cost of `contrast.AXES`.

    word     one of the three, all of it shown; never without a cost that is known of both
    quality  BETTER or WORSE, EVEN where all seeds have the very same score, else INCONCLUSIVE
    better, worse, even, undecided, unknown   the axes by what is shown; "quality" is one
    contrasts  the costs, parents included
    """

    workload: str
    arm: str
    baseline: str
    word: str
    quality: str
    better: tuple[str, ...]
    worse: tuple[str, ...]
    even: tuple[str, ...]
    undecided: tuple[str, ...]
    unknown: tuple[str, ...]
    contrasts: tuple[Contrast, ...]


def dominance(row: Row, baseline: Row, decision: Decision, test: Test = paired) -> Dominance:
    """Of one arm, given its verdict on quality. test: that of `decision.decide`."""
    contrasts = tuple(contrast(row, baseline, key, test) for key in AXES)
    quality = _quality(row, baseline, decision)
    words = {"quality": quality} | {one.key: one.word for one in contrasts}
    better, worse, even, undecided, unknown = (
        tuple(axis for axis, word in words.items() if word in meant) for meant in _MEANT
    )
    word = NEITHER
    if not undecided and len(unknown) < len(AXES):
        if better and not worse:
            word = DOMINATES
        if worse and not better:
            word = DOMINATED
    return Dominance(
        workload=row.workload,
        arm=row.label,
        baseline=baseline.label,
        word=word,
        quality=quality,
        better=better,
        worse=worse,
        even=even,
        undecided=undecided,
        unknown=unknown,
        contrasts=contrasts,
    )


def _quality(row: Row, baseline: Row, decision: Decision) -> str:
    """The same weights scored on the same examples are even, and no test could say so."""
    same = (row.seeds, row.quality.values) == (baseline.seeds, baseline.quality.values)
    return EVEN if same and row.n > 1 else decision.word
