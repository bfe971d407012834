"""Is an arm better than its baseline, and could these seeds have told? A verdict for each arm."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from efficient.compare.difference import baseline_of, gains, share_seeds
from efficient.compare.sequential import edge_of
from efficient.compare.significance import (
    LEVEL,
    Estimate,
    Test,
    apart,
    detectable,
    holm,
    paired,
    two_sided,
)
from efficient.compare.spread import spread
from efficient.compare.summary import Row
from efficient.compare.verdict import INCONCLUSIVE

BETTER, WORSE = "BETTER", "WORSE"


@dataclass(frozen=True)
class Decision:
    """An arm against its baseline on test.

    gain: in quality, in points of accuracy or bits per unit of text, more being better, with its
    95 % interval; p: two-sided, and Holm's over `family` arms of the workload, so that an interval
    without 0 may be inconclusive beside many others; detectable: the gain that so many seeds would
    have found with 80 %, infinite where so few can find none; paired: whether both sides have the
    same seeds. With one seed nothing but the gain is a number.
    """

    workload: str
    arm: str
    baseline: str
    word: str
    gain: float
    low: float
    high: float
    p: float
    detectable: float
    unit: str
    seeds: int
    paired: bool
    family: int

    def __str__(self) -> str:
        return f"{self.arm} against {self.baseline}: {self.said}"

    @property
    def said(self) -> str:
        """The verdict without the names."""
        how = (
            f"{self.seeds} {'paired ' if self.paired else ''}seeds" if self.seeds > 1 else "1 seed"
        )
        said = f"{self.word}, {self.gain:+.3g} {self.unit}"
        if math.isnan(self.p):
            return f"{said} (no test: {how}{', which do not vary' * (self.seeds > 1)})"
        among = f" among {self.family} arms" if self.family > 1 else ""
        said += f" [{self.low:.3g}, {self.high:.3g}], p = {self.p:.2g}{among}, {how}"
        if self.word != INCONCLUSIVE:
            return said
        if math.isinf(self.detectable):
            return f"{said}; so few can decide nothing where each is looked at"
        least = f"{self.detectable:.2g} {self.unit}"
        return f"{said}; so many could only have seen {least} or more"


def decide(rows: Sequence[Row], test: Test = paired) -> list[Decision]:
    """Of every arm that has a baseline, in the order of the rows.

    The baseline at another budget is a point to read others against: it claims nothing, and takes
    nothing from the level of the others.

    test: `paired` where the number of seeds was planned, `sequential` where each new one is
    looked at. Where not all seeds of the shorter side are shared, the sides are paired by their
    order for a sequential test, which costs nothing but power, and take Welch's for a planned one.
    """
    found = []
    for workload in dict.fromkeys(row.workload for row in rows):
        here = [row for row in rows if row.workload == workload]
        claims = [row for row in here if not row.at_budget]
        sides = [(row, base) for row in claims if (base := baseline_of(row, here))]
        both = [estimate(*side, test) for side in sides]
        tested = [one.p for one in both if not math.isnan(one.p)]
        adjusted = iter(holm(tested))
        for side, one in zip(sides, both, strict=True):
            p = math.nan if math.isnan(one.p) else next(adjusted)
            found.append(_decision(*side, one, p, max(1, len(tested)), test))
    return found


def estimate(row: Row, base: Row, test: Test = paired) -> Estimate:
    """By how much the quality of one arm is more than that of another, two-sided, alone.

    In points of accuracy or bits per unit of text; with one seed only the effect is a number.
    """
    mine, theirs = _values(row), _values(base)
    if min(len(mine), len(theirs)) < 2:
        gain = spread(_differences(row, base)).mean
        return Estimate(gain, math.nan, math.nan, math.nan, 1)
    if test is paired and not share_seeds(row, base):
        return apart(mine, theirs)
    return two_sided(test, _differences(row, base))


def _decision(row: Row, base: Row, found: Estimate, p: float, family: int, test: Test) -> Decision:
    seeds = min(row.n, base.n)
    least = math.nan
    if seeds > 1:
        level = LEVEL / 2 / family
        least = detectable(_deviation(row, base), seeds, level, edge=edge_of(test))
    word = INCONCLUSIVE
    if p < LEVEL:
        word = {1: BETTER, -1: WORSE}.get(found.direction, INCONCLUSIVE)
    return Decision(
        workload=row.workload,
        arm=row.label,
        baseline=base.label,
        word=word,
        gain=found.effect,
        low=found.low,
        high=found.high,
        p=p,
        detectable=least,
        unit=row.gain_unit,
        seeds=seeds,
        paired=share_seeds(row, base),
        family=family,
    )


def _differences(row: Row, base: Row) -> Sequence[float]:
    """By common seeds, or in the order of the seeds where they are not the same."""
    if share_seeds(row, base):
        return gains(row, base)
    return [a - b for a, b in zip(_values(row), _values(base), strict=False)]


def _deviation(row: Row, base: Row) -> float:
    """Of a difference between two seeds: of the pairs, or of both sides together."""
    if share_seeds(row, base):
        return spread(_differences(row, base)).sd or 0.0
    return math.hypot(*(spread(_values(side)).sd or 0.0 for side in (row, base)))


def _values(row: Row) -> list[float]:
    """Quality by seed, more being better: points, or negative bits."""
    return [row.scale * value for value in row.quality.values]
