"""Is an arm better than the baseline would have been at the same cost?

Whoever trains for longer, or with a teacher, must beat the baseline that was given as much, with a
schedule that has fully decayed there (Kaddour et al. 2023, "No Train No Gain", arXiv 2307.06440),
and on every cost that is known, because costs rank methods differently (Dehghani et al. 2021, "The
Efficiency Misnomer", arXiv 2110.12894).

`compare.curve` has the curve, the test and the words.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from efficient.compare.contrast import apart_by
from efficient.compare.curve import OUTSIDE, Points, Standing, stand, word
from efficient.compare.difference import baseline_of, times
from efficient.compare.outlay import AXES
from efficient.compare.sequential import edge_of
from efficient.compare.significance import LEVEL, Test, detectable, holm, paired
from efficient.compare.summary import Row
from efficient.compare.verdict import INCONCLUSIVE

#: What a cost is called in a sentence.
NAMES = {
    "flops_executed": "executed FLOPs",
    "train_s": "train seconds",
    "total_s": "total seconds",
    "energy_j": "joules",
}


@dataclass(frozen=True)
class Gate:
    """An arm against the curve of its baseline, on one axis of cost, its parents charged.

    cost: in means of the baseline's own; gain: over the hardest rival (the curve at this cost, or a
    cheaper budget), in points of accuracy or bits per unit, more being better, with its 95 %
    interval; p: two-sided, and Holm's over `family` arms of the workload; detectable: the gain that
    so many seeds would have found with 80 %, infinite where so few can find none; reason: why there
    is no test, or which budget to add; alone: the word where parents are not charged, "" where it
    is the same.
    """

    workload: str
    arm: str
    axis: str
    word: str
    cost: float
    gain: float
    low: float
    high: float
    p: float
    detectable: float
    unit: str
    seeds: int
    family: int
    reason: str = ""
    alone: str = ""

    @property
    def said(self) -> str:
        """In words, without the name of the arm."""
        return _said(self, NAMES[self.axis])


def gates(rows: Sequence[Row], test: Test = paired) -> list[Gate]:
    """Of every arm whose baseline was trained at several budgets, on every axis that both know."""
    found = []
    for workload in dict.fromkeys(row.workload for row in rows):
        here = [row for row in rows if row.workload == workload]
        sides = [(row, curve) for row in here if (curve := budgets(row, here))]
        for axis in AXES:
            known = [side for side in sides if _known(side, axis)]
            charged = _judged(known, axis, test, parents=True)
            if not any(_has_parents(one, axis) for row, curve in known for one in (row, *curve)):
                found += charged
                continue
            for gate, alone in zip(charged, _judged(known, axis, test, parents=False), strict=True):
                found.append(replace(gate, alone=alone.word if alone.word != gate.word else ""))
    return found


def against(judged: Sequence[Gate]) -> str:
    """Of one arm on every axis, in words; what has no number and the same reason is said once."""
    alike: dict[tuple[str, ...], list[Gate]] = {}
    for one in judged:
        same = (one.axis,) if math.isfinite(one.cost) else (one.word, one.reason, one.alone)
        alike.setdefault(same, []).append(one)
    names = [", ".join(NAMES[one.axis] for one in group) for group in alike.values()]
    pairs = zip(alike.values(), names, strict=True)
    return ", ".join(_said(group[0], costs) for group, costs in pairs)


def budgets(row: Row, rows: Sequence[Row]) -> list[Row]:
    """The baseline of a row and that baseline at other budgets; empty where there are none."""
    base = baseline_of(row, rows)
    if base is None or row.at_budget:
        return []
    others = [r for r in rows if r.at_budget and r.workload == base.workload]
    others = [r for r in others if r.model == base.model]
    return [base, *others] if others else []


def _said(gate: Gate, costs: str) -> str:
    at = f" at {times(gate.cost)}" if math.isfinite(gate.cost) else ""
    said = f"{gate.word} by {costs}{at}"
    if math.isfinite(gate.p) and gate.word != OUTSIDE:
        least = f"; {gate.seeds} seeds could have seen {gate.detectable:.2g}"
        if math.isinf(gate.detectable):
            least = f"; {gate.seeds} seeds can decide nothing where each is looked at"
        least *= gate.word == INCONCLUSIVE
        said += f" ({gate.gain:+.2g} {gate.unit}, p = {gate.p:.2g}{least})"
    said += f" ({gate.reason})" if gate.reason else ""
    return said + (f" and {gate.alone} without its parents" if gate.alone else "")


def _known(side: tuple[Row, list[Row]], axis: str) -> bool:
    """Whether all of them know what they themselves cost, and more than nothing."""
    costs = (one.outlays[axis].run for one in (side[0], *side[1]))
    return all(cost is not None and min(cost) > 0 for cost in costs)


def _has_parents(row: Row, axis: str) -> bool:
    parents = row.outlays[axis].parents
    return parents is None or any(parents)


def _judged(
    sides: Sequence[tuple[Row, list[Row]]], axis: str, test: Test, parents: bool
) -> list[Gate]:
    """A word for each arm, after Holm over those that have a test."""
    found = [_standing(row, curve, axis, test, parents) for row, curve in sides]
    tested = [one.p for one in found if not math.isnan(one.p)]
    adjusted = iter(holm(tested))
    made = []
    for (row, _), one in zip(sides, found, strict=True):
        p = math.nan if math.isnan(one.p) else next(adjusted)
        said = word(one, p)
        made.append(
            Gate(
                workload=row.workload,
                arm=row.label,
                axis=axis,
                word=said,
                cost=one.cost,
                gain=one.gain,
                low=one.low,
                high=one.high,
                p=p,
                detectable=_detectable(one, max(1, len(tested)), test),
                unit=row.gain_unit,
                seeds=one.seeds,
                family=max(1, len(tested)),
                reason=_reason(one, said, axis),
            )
        )
    return made


def _detectable(found: Standing, family: int, test: Test) -> float:
    if math.isnan(found.deviation):
        return math.nan
    return detectable(found.deviation, found.seeds, LEVEL / 2 / family, edge=edge_of(test))


def _reason(found: Standing, said: str, axis: str) -> str:
    """Why there is no test or, outside, which budget would give one."""
    if said != OUTSIDE:
        return found.reason if said == INCONCLUSIVE else ""
    step = math.ceil if found.cost > 1 else math.floor
    other = "a larger one" if found.cost > 1 else "a smaller one"
    if axis == "flops_executed":  # in proportion to the length, as seconds with a start are not
        other = f"--budgets {2.0 ** step(math.log2(found.cost)):g}"
    return f"{found.reason}: train the baseline with {other} as well"


def _standing(row: Row, curve: list[Row], axis: str, test: Test, parents: bool) -> Standing:
    if reason := _unfit(row, curve, axis, parents):
        return Standing(True, reason=reason)
    mine, *points = (_points(one, axis, parents) for one in (row, *curve))
    return stand(mine, points, test)


def _unfit(row: Row, curve: list[Row], axis: str, parents: bool) -> str:
    """Why costs of these may not be set beside each other; "" where they may."""
    if parents and any(one.outlays[axis].full is None for one in (row, *curve)):
        return "what its parents cost is unknown"
    return next(filter(None, (apart_by(row, one, axis) for one in curve)), "")


def _points(row: Row, axis: str, parents: bool) -> Points:
    """Cost and quality by seed; quality in points or negative bits, so that more is better."""
    outlay = row.outlays[axis]
    costs = (outlay.full if parents else outlay.run) or ()
    pairs = ((cost, row.scale * q) for cost, q in zip(costs, row.quality.values, strict=True))
    return dict(zip(row.seeds, pairs, strict=True))
