"""One cost of two arms: is the first cheaper, and could these seeds have told?

A cost of training is compared with what an arm's parents cost, each charged in full, so that a
teacher or a starting point is never free. Counted costs need no test: what differs by more than
`difference.SAME` differs. Measured ones vary from run to run: their verdict is Student's on the
differences of their logarithms by seed, Welch's where not all seeds are shared, two-sided at 5 %. A
few dear runs can turn the ratio of the means around: where it disagrees with the test, neither side
is said to be cheaper.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from efficient.compare.column import OF_PARENTS
from efficient.compare.difference import SAME
from efficient.compare.significance import LEVEL, Estimate, Test, apart, paired, two_sided
from efficient.compare.spread import Spread, spread
from efficient.compare.summary import Row

#: Costs on which arms are set beside each other, and which of them a machine measures.
AXES = (
    "flops_executed",
    "train_s",
    "total_s",
    "energy_j",
    "stored_bytes",
    "flops_inference",
    "memory_peak_bytes",
)
MEASURED = ("train_s", "total_s", "energy_j", "memory_peak_bytes")

CHEAPER, DEARER, EVEN = "cheaper", "dearer", "even"
#: The seeds show no difference; a cost is not known, or not in a way that can be compared.
UNDECIDED, UNKNOWN = "undecided", "unknown"


@dataclass(frozen=True)
class Contrast:
    """A cost of an arm against that of another.

    ratio: of the means; p: of the test, not a number where the cost is counted or has no test;
    reason: why it is unknown, or undecided by no fault of the p.
    """

    key: str
    word: str
    ratio: float = math.nan
    p: float = math.nan
    reason: str = ""


def contrast(
    row: Row, other: Row, key: str, test: Test = paired, lineage: bool = True, level: float = LEVEL
) -> Contrast:
    """Compare one of `AXES` of two arms of a workload.

    test: that of `decision.decide`. lineage: whether the parents' cost is part of it.
    """
    mine, theirs = (_cost(side, key, lineage) for side in (row, other))
    if mine is None or theirs is None:
        return Contrast(key, UNKNOWN, reason=_why(row, key) or _why(other, key) or "not known")
    if reason := apart_by(row, other, key):
        return Contrast(key, UNKNOWN, reason=reason)
    ratio = mine.mean / theirs.mean if theirs.mean else math.nan
    if mine.mean == theirs.mean:
        return Contrast(key, EVEN, 1.0)
    if key not in MEASURED:
        if abs(ratio - 1) <= SAME:
            return Contrast(key, EVEN, ratio)
        return Contrast(key, CHEAPER if mine.mean < theirs.mean else DEARER, ratio)
    if min(*mine.values, *theirs.values) <= 0:
        return Contrast(key, UNKNOWN, reason="a run of no cost has no ratio")
    if min(row.n, other.n) < 2:
        return Contrast(key, UNDECIDED, ratio, reason="one seed")
    found = _ratio(row, mine, other, theirs, test)
    if not found.p < level:
        return Contrast(key, UNDECIDED, ratio, found.p)
    if found.direction != (ratio > 1) - (ratio < 1):
        return Contrast(key, UNDECIDED, ratio, found.p, "the mean and the seeds disagree")
    return Contrast(key, CHEAPER if found.direction < 0 else DEARER, ratio, found.p)


def whole(row: Row, key: str) -> Spread | None:
    """A cost by seed with that of the parents, each in full; None where either is unknown."""
    own = row.costs.get(key)
    if own is None or key not in OF_PARENTS:
        return own
    parents = row.costs.get(OF_PARENTS[key])
    if parents is None:
        return None
    return spread(a + b for a, b in zip(own.values, parents.values, strict=True))


def apart_by(row: Row, other: Row, key: str) -> str:
    """Why a measured cost of two arms may not be compared; empty where it may."""
    if key not in MEASURED:
        return ""
    if row.machines != other.machines:
        return "different machines"
    if key == "energy_j" and row.energy_grades != other.energy_grades:
        return "readings of different grades"
    if key == "memory_peak_bytes" and row.memory_source != other.memory_source:
        return "different sources"
    return ""


def _cost(row: Row, key: str, lineage: bool) -> Spread | None:
    return whole(row, key) if lineage else row.costs.get(key)


def _why(row: Row, key: str) -> str:
    return row.unknown.get(key) or row.unknown.get(OF_PARENTS.get(key, ""), "")


def _ratio(row: Row, mine: Spread, other: Row, theirs: Spread, test: Test) -> Estimate:
    """Of the logarithms: by common seeds, else in the order of the seeds or by Welch's test."""
    a = dict(zip(row.seeds, map(math.log, mine.values), strict=True))
    b = dict(zip(other.seeds, map(math.log, theirs.values), strict=True))
    shared = [seed for seed in a if seed in b]
    if len(shared) == min(len(a), len(b)):
        return two_sided(test, [a[seed] - b[seed] for seed in shared])
    if test is paired:
        return apart(list(a.values()), list(b.values()))
    return two_sided(test, [x - y for x, y in zip(a.values(), b.values(), strict=False)])
