"""The arms that no other beats in quality and in a cost, and how sure the seeds are of that.

The front of the means may be an accident of the seeds. So the seeds are drawn again, with
replacement, the same for all arms that have the same seeds: the share of the draws in which an arm
stands on the front says how firmly it does, and the hypervolume, the area that the front dominates,
has a spread. An arm of one seed is drawn as it is. Draws of few seeds are narrower than the truth.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from efficient.compare.contrast import AXES, apart_by, whole
from efficient.compare.error import CompareError
from efficient.compare.significance import LEVEL
from efficient.compare.spread import Spread
from efficient.compare.summary import Row

if TYPE_CHECKING:
    import numpy as np

#: Draws of the seeds, and the seed of the draws.
DRAWS, DRAWN_BY = 1000, 0
#: Of the dearest cost, where the hypervolume ends.
BEYOND = 10


@dataclass(frozen=True)
class Front:
    """Quality against one cost, parents included, for the arms of one workload.

    members      labels on the front of the means, the cheapest first
    shares       by label, the share of draws in which an arm is on the front; of all arms that
                 have a place, members or not
    hypervolume  area between the front and the reference: points of accuracy, or bits per unit,
                 times factors of ten of the cost; low and high: the middle 95 % of the draws
    reference    the worst quality of any single run of these arms, and ten times the dearest cost
                 of any: no draw lies beyond it, and the dearest arm counts too
    fewest       seeds of the arm that has the fewest; single: labels of arms of one seed
    absent       labels of arms without a place: their cost is unknown, or 0
    """

    workload: str
    cost: str
    members: tuple[str, ...]
    shares: dict[str, float]
    hypervolume: float
    low: float
    high: float
    unit: str
    reference: tuple[float, float]
    fewest: int
    single: tuple[str, ...]
    absent: tuple[str, ...]
    draws: int = DRAWS


def fronts(rows: Sequence[Row]) -> list[Front]:
    """Of one workload, a front for each of `contrast.AXES` that two arms or more have a place on.

    A cost that is measured has none where the arms cannot be compared by it: different machines,
    or readings of different kinds.
    """
    found = (front(rows, key) for key in AXES)
    return [one for one in found if one is not None]


def front(rows: Sequence[Row], cost: str) -> Front | None:
    """The front of one workload's arms on one cost; None where it compares nothing.

    Raises:
        CompareError: the rows are of more than one workload.
    """
    _one_workload(rows)
    placed = [(row, spent) for row in rows if (spent := _place(row, cost))]
    if len(placed) < 2 or any(apart_by(placed[0][0], row, cost) for row, _ in placed):
        return None
    quality, spent = _drawn(placed)
    # The last line is of the means themselves.
    worst, dearest = _reference(placed)
    on, area = _on(quality, spent), _area(quality, spent, rows[0].scale * worst, dearest)
    labels = [row.label for row, _ in placed]
    edge = int(LEVEL / 2 * DRAWS)
    ordered = sorted(area[:-1].tolist())
    cheapest = sorted(range(len(placed)), key=lambda i: placed[i][1].mean)
    return Front(
        workload=rows[0].workload,
        cost=cost,
        members=tuple(labels[i] for i in cheapest if on[-1, i]),
        shares=dict(zip(labels, on[:-1].mean(axis=0).tolist(), strict=True)),
        hypervolume=float(area[-1]),
        low=ordered[edge],
        high=ordered[-1 - edge],
        unit=f"{rows[0].gain_unit} x factors of ten",
        reference=(worst, dearest),
        fewest=min(row.n for row, _ in placed),
        single=tuple(row.label for row, _ in placed if row.n == 1),
        absent=tuple(row.label for row in rows if row.label not in labels),
    )


def pareto(rows: Sequence[Row], cost: str) -> set[str]:
    """Labels of the arms that no other arm of these rows beats in quality and in mean `cost`.

    The cost is that of the column alone, without parents. An arm whose cost is unknown stands on no
    front.

    Raises:
        CompareError: the rows are of more than one workload.
    """
    import numpy as np

    _one_workload(rows)
    known = [row for row in rows if row.cost(cost) is not None and not math.isnan(row.quality.mean)]
    if not known:
        return set()
    quality = np.array([[row.scale * row.quality.mean for row in known]])
    on = _on(quality, np.array([[row.cost(cost) for row in known]]))
    return {row.label for row, member in zip(known, on[0], strict=True) if member}


def _place(row: Row, cost: str) -> Spread | None:
    """Its cost with parents, where that has a place on a logarithmic axis."""
    spent = whole(row, cost)
    if spent is None or min(spent.values) <= 0 or math.isnan(row.quality.mean):
        return None
    return spent


def _drawn(placed: Sequence[tuple[Row, Spread]]) -> tuple[np.ndarray, np.ndarray]:
    """Quality, more being better, and cost: (draws + 1, arms); the means of the seeds are last."""
    import numpy as np

    picks: dict[tuple[int, ...], np.ndarray] = {}
    rng = np.random.default_rng(DRAWN_BY)
    qualities, costs = [], []
    for row, spent in placed:
        if row.seeds not in picks:
            picks[row.seeds] = rng.integers(row.n, size=(DRAWS, row.n))
        pick = picks[row.seeds]
        values = np.array([row.scale * value for value in row.quality.values])
        qualities.append(np.append(values[pick].mean(axis=1), row.scale * row.quality.mean))
        costs.append(np.append(np.array(spent.values)[pick].mean(axis=1), spent.mean))
    return np.stack(qualities, axis=1), np.stack(costs, axis=1)


def _on(quality: np.ndarray, cost: np.ndarray) -> np.ndarray:
    """Whether each arm is on the front of its line; both are (lines, arms), and so is the answer.

    From the cheapest arm on, one stands on the front if it is better than all before it; of the
    same cost, the best; and all that are the same in both.
    """
    import numpy as np

    order = np.lexsort((-quality, cost), axis=1)
    best, spent = (np.take_along_axis(values, order, axis=1) for values in (quality, cost))
    top = np.maximum.accumulate(best, axis=1)
    first = np.ones_like(top, dtype=bool)
    first[:, 1:] = best[:, 1:] > top[:, :-1]
    reached = np.maximum.accumulate(np.where(first, spent, -np.inf), axis=1)
    on = np.empty_like(first)
    np.put_along_axis(on, order, (best == top) & (spent == reached), axis=1)
    return on


def _area(quality: np.ndarray, cost: np.ndarray, worst: float, dearest: float) -> np.ndarray:
    """The hypervolume of each line, (lines,), down to the worst quality and the dearest cost."""
    import numpy as np

    order = np.argsort(cost, axis=1)
    top = np.maximum.accumulate(np.take_along_axis(quality, order, axis=1), axis=1)
    spent = np.log10(np.take_along_axis(cost, order, axis=1))
    width = np.diff(spent, axis=1, append=np.full((len(spent), 1), np.log10(dearest)))
    return ((top - worst) * width).sum(axis=1)


def _reference(placed: Sequence[tuple[Row, Spread]]) -> tuple[float, float]:
    row = placed[0][0]
    values = [value for row, _ in placed for value in row.quality.values]
    worst = min(values) if row.more_is_better else max(values)
    return worst, BEYOND * max(value for _, spent in placed for value in spent.values)


def _one_workload(rows: Sequence[Row]) -> None:
    if len(workloads := {row.workload for row in rows}) > 1:
        raise CompareError(f"one front over several workloads: {', '.join(sorted(workloads))}")
