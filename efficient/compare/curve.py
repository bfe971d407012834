"""Where an arm stands to the baseline's curve: quality by cost, at several budgets of training.

The curve goes through the budgets, by seed, as a monotone cubic in the logarithm of the cost
(Fritsch and Butland 1984), which nowhere passes the quality of both its neighbours. Chords lie
below a curve of diminishing returns, and would find the baseline itself efficient. An arm is
EFFICIENT where it is better than the curve at its own cost *and* than each cheaper budget: a
baseline that overtrains is no excuse for paying more. All of these must hold, so each is tested at
the full level (Berger 1982). NOT_EFFICIENT: any of them is better than the arm, by Bonferroni.
Nothing is extrapolated. Words are asked in the order of `WORDS`, so that no arm has two.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from efficient.compare.decision import Test
from efficient.compare.difference import times
from efficient.compare.significance import LEVEL, paired
from efficient.compare.summary import spread
from efficient.compare.verdict import INCONCLUSIVE

EFFICIENT, NOT_EFFICIENT, OUTSIDE = "EFFICIENT", "NOT_EFFICIENT", "OUTSIDE"
WORDS = (EFFICIENT, NOT_EFFICIENT, OUTSIDE, INCONCLUSIVE)
#: By seed, a cost and a quality, more being better.
Points = Mapping[int, tuple[float, float]]


@dataclass(frozen=True)
class Standing:
    """Before other arms are thought of. beats and beaten: p of being better than all rivals, and
    worse than any; deviation: over the seeds, of the gain over the hardest rival."""

    inside: bool
    cost: float = math.nan
    gain: float = math.nan
    low: float = math.nan
    high: float = math.nan
    beats: float = math.nan
    beaten: float = math.nan
    deviation: float = math.nan
    seeds: int = 0
    reason: str = ""

    @property
    def p(self) -> float:
        """Two-sided; not a number where nothing was tested."""
        return min(2 * min(self.beats, self.beaten), 1.0)


def stand(mine: Points, curve: Sequence[Points], test: Test = paired) -> Standing:
    """An arm and the budgets of its baseline, the baseline itself first; by seeds that all have."""
    seeds = [seed for seed in mine if all(seed in points for points in curve)]
    if len(seeds) < 2:
        count = f"{len(seeds)} seed{'s' * (len(seeds) != 1)}"
        return Standing(True, reason=f"{count} in common with the baseline's budgets")
    costs = {seed: [points[seed][0] for points in curve] for seed in seeds}
    inside = all(min(costs[seed]) <= mine[seed][0] <= max(costs[seed]) for seed in seeds)
    own, *others = (math.fsum(points[seed][0] for seed in seeds) for points in (mine, *curve))
    cost = own / others[0]
    rivals = [
        [mine[seed][1] - points[seed][1] for seed in seeds]
        for points, other in zip(curve, others, strict=True)
        if other < own
    ]
    if inside:
        at = {seed: _at(mine[seed][0], [points[seed] for points in curve]) for seed in seeds}
        rivals.append([mine[seed][1] - at[seed] for seed in seeds])
    span = f"{times(min(others) / others[0])} to {times(max(others) / others[0])}"
    reason = "" if inside else f"the budgets cost {span}"
    if not rivals:
        return Standing(False, cost, seeds=len(seeds), reason=reason)
    over = [test(gains) for gains in rivals]
    hardest, gains = min(zip(over, rivals, strict=True), key=lambda pair: pair[0].effect)
    beats = max(_sure(found.p) for found in over) if inside else 1.0
    beaten = min(1.0, len(rivals) * min(_sure(test([-g for g in gains]).p) for gains in rivals))
    ends = (hardest.effect, hardest.low, hardest.high)
    deviation = spread(gains).sd or 0.0
    return Standing(inside, cost, *ends, beats, beaten, deviation, len(seeds), reason)


def word(found: Standing, p: float) -> str:
    """The first of `WORDS` that holds. p: of `found`, adjusted where other arms were tested too."""
    if p < LEVEL and found.beats < found.beaten:
        return EFFICIENT
    if p < LEVEL:
        return NOT_EFFICIENT
    return INCONCLUSIVE if found.inside else OUTSIDE


def _at(cost: float, points: Sequence[tuple[float, float]]) -> float:
    """Quality of the curve at a cost between the cheapest and the dearest point."""
    from scipy.interpolate import PchipInterpolator

    best: dict[float, float] = {}
    for x, quality in sorted(points):
        best[math.log(x)] = quality  # the better one of two that cost the same comes last
    if len(best) == 1:
        return next(iter(best.values()))
    return float(PchipInterpolator(list(best), list(best.values()))(math.log(cost)))


def _sure(p: float) -> float:
    """Pairs that do not vary have no test and show nothing."""
    return 1.0 if math.isnan(p) else p
