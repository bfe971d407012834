"""Diminishing returns: what did the last half or more of a cost buy?

The line that is walked is the front of a workload, or one arm's own curve on validation. It is cut
where at most half of the cost of its last point was spent, and is told of only where what came
after brought less than half of the whole gain. Whether that was a gain is asked of the seeds.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from efficient.compare.contrast import whole
from efficient.compare.decision import estimate
from efficient.compare.front import Front
from efficient.compare.significance import LEVEL, Test, paired, two_sided
from efficient.compare.summary import Row, quality_name, scale
from efficient.compare.target import curve
from efficient.ledger.record import Point, Record


@dataclass(frozen=True)
class Returns:
    """The last part of a line.

    start, end  quality at the cut and at the end: a fraction for accuracy, else bits per unit
    source, to  the arms there; the same for one arm's own curve
    share       of the cost of the end that was spent after the cut
    shown       whether the seeds show that it was a gain, among so many `tests`
    """

    cost: str
    quality_name: str
    start: float
    end: float
    source: str
    to: str
    share: float
    shown: bool
    seeds: int
    tests: int = 1

    @property
    def gain(self) -> float:
        """In points of accuracy or in bits."""
        return scale(self.quality_name) * (self.end - self.start)


def along_front(rows: Sequence[Row], front: Front, test: Test = paired) -> Returns | None:
    """From the cheapest arm of a front to its dearest; None where nothing diminishes.

    The dearest is the best of many by choice, so that its gain must show among as many tests.
    """
    by_label = {row.label: row for row in rows}
    line = [by_label[label] for label in front.members]
    costs = [spent.mean for row in line if (spent := whole(row, front.cost))]
    cut = _cut(costs, [row.scale * row.quality.mean for row in line])
    if cut is None:
        return None
    before, last = line[cut], line[-1]
    tests = len(front.shares) - 1
    return Returns(
        cost=front.cost,
        quality_name=last.quality_name,
        start=before.quality.mean,
        end=last.quality.mean,
        source=before.label,
        to=last.label,
        share=1 - costs[cut] / costs[-1],
        shown=estimate(last, before, test).p * tests < LEVEL,
        seeds=min(before.n, last.n),
        tests=tests,
    )


def along_curve(
    runs: Sequence[Record], costs: Sequence[str], test: Test = paired
) -> Returns | None:
    """Of one arm's runs, at the evaluation steps that all have, to the last of these.

    costs: fields of `Point`, of which the first that every point knows is taken.
    """
    if not runs:
        return None
    name = quality_name(runs[0])
    curves = [curve(run, name) for run in runs]
    steps = sorted(set.intersection(*map(set, curves)))
    spent = _spent([[c[step][0] for c in curves] for step in steps], costs)
    if spent is None:
        return None
    cost, amounts = spent
    scores = [[c[step][1] for c in curves] for step in steps]
    means = [statistics.fmean(values) for values in scores]
    cut = _cut(amounts, [scale(name) * mean for mean in means])
    if cut is None:
        return None
    differences = [b - a for a, b in zip(scores[cut], scores[-1], strict=True)]
    return Returns(
        cost=cost,
        quality_name=name,
        start=means[cut],
        end=means[-1],
        source=runs[0].arm,
        to=runs[0].arm,
        share=1 - amounts[cut] / amounts[-1],
        shown=len(runs) > 1 and two_sided(test, differences).p < LEVEL,
        seeds=len(runs),
    )


def _cut(costs: Sequence[float], qualities: Sequence[float]) -> int | None:
    """The last point that cost at most half of the end, if less than half of the gain is after it.

    qualities: more being better. None also where there is no such point, or no gain from it to the
    end.
    """
    cut = max((i for i, cost in enumerate(costs) if cost <= costs[-1] / 2), default=None)
    if not cut:
        return None
    after, all_of_it = qualities[-1] - qualities[cut], qualities[-1] - qualities[0]
    return cut if 0 < after < all_of_it / 2 else None


def _spent(
    points: Sequence[Sequence[Point]], costs: Sequence[str]
) -> tuple[str, list[float]] | None:
    """The first of these costs that every point knows, and its mean at each step."""
    for key in costs if points else ():
        values = [[getattr(point, key) for point in at_step] for at_step in points]
        if not any(value is None for at_step in values for value in at_step):
            return key, [statistics.fmean(at_step) for at_step in values]
    return None
