"""One score over several workloads: how often an arm is near the fastest, and how near.

Performance profiles (Dolan and More 2002) as AlgoPerf scores training algorithms (Dahl et al. 2023,
arXiv 2306.07179). The cost to reach the target is divided by that of the best arm of the workload.
A profile is the share of workloads on which this ratio is at most tau; the score is the profile's
mean over tau from 1 to 4. An arm that misses a target has an infinite ratio there. Ratios above 4
count like a miss, so that one slow workload cannot outweigh the others.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from efficient.compare.error import CompareError

#: Where the profile ends.
MOST = 4.0


@dataclass(frozen=True)
class Profile:
    """ratios: by workload, the cost over that of the best arm, infinite for a miss.

    score: in [0, 1]; 1 is the best on every workload, 0 never within 4 times the best.
    """

    arm: str
    ratios: dict[str, float]
    score: float


def profiles(costs: Mapping[str, Mapping[str, float | None]], most: float = MOST) -> list[Profile]:
    """The best score first.

    costs: by arm, by workload, the cost of reaching the target; None for a miss. Which workload
    counts is decided beforehand: every arm must have all of them, and one that nobody reached is a
    miss of all.

    Raises:
        CompareError: an arm lacks a workload, a cost is not above 0, or `most` is not above 1.
    """
    if most <= 1:
        raise CompareError(f"a profile up to {most} times the best is empty; give more than 1")
    names = tuple(dict.fromkeys(name for of_arm in costs.values() for name in of_arm))
    for arm, of_arm in costs.items():
        if lacking := [name for name in names if name not in of_arm]:
            raise CompareError(f"{arm} was not run on {lacking[0]}: run it, or leave one out")
        for name, cost in of_arm.items():
            if cost is not None and not 0 < cost < math.inf:
                raise CompareError(f"{arm} on {name} cost {cost}: give a number above 0, or None")
    if not names:
        return []
    best = {
        name: min((cost for of_arm in costs.values() if (cost := of_arm[name])), default=math.inf)
        for name in names
    }
    made = []
    for arm, of_arm in costs.items():
        ratios = {name: cost / best[name] if (cost := of_arm[name]) else math.inf for name in names}
        made.append(Profile(arm, ratios, _score(ratios.values(), most)))
    return sorted(made, key=lambda one: -one.score)


def _score(ratios: Iterable[float], most: float) -> float:
    """The profile's integral over tau in closed form: each workload adds from its ratio on."""
    reached = [max(0.0, most - ratio) for ratio in ratios]
    return math.fsum(reached) / (len(reached) * (most - 1))
