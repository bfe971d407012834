"""What it took to reach a target on validation: a table a workload, and a profile over all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from efficient.compare.column import BY_KEY
from efficient.compare.difference import times
from efficient.compare.error import CompareError
from efficient.compare.profile import Profile, profiles
from efficient.compare.significance import LEVEL, holm
from efficient.compare.summary import BASELINE
from efficient.compare.target import Reach, cheaper
from efficient.report import number
from efficient.report.layout import Cell, Table

#: Whose seeds are tested for who was sooner.
TESTED = "train_s"
#: Columns, in their order; each with all that the parents of a run cost.
_SHORT = {
    "flops_executed": "executed",
    "train_s": "train",
    "total_s": "total",
    "energy_j": "energy",
}


def table(workload: str, found: Sequence[Reach]) -> Table:
    """An arm a row: the step, its costs there with all parents, and whether it was sooner."""
    base = next((one for one in found if one.arm == BASELINE), None)
    words = verdicts(found)
    known = [key for key in _SHORT if any(key in one.costs for one in found)]
    rows = []
    for one in found:
        step = f"{one.step:,}" if one.step is not None else "never"
        rows.append((Cell(one.arm), Cell(step), *(_cost(one, base, key) for key in known)))
    notes = [str(one) for one in found if one.short]
    if words:
        rows = [(*row, Cell(*words.get(row[0].text, ("",)))) for row in rows]
        notes.append(
            f"train seconds to the target, by Gehan's test and Holm's over {len(words)} arms"
        )
    columns = ("arm", "at step", *(_SHORT[key] for key in known), *["verdict"] * bool(words))
    title = f"{workload}: cost to {found[0].target:g} on validation, parents included"
    return Table(title, columns, tuple(rows), tuple(notes))


def verdicts(found: Sequence[Reach]) -> dict[str, tuple[str, str]]:
    """By arm, whether it reached the target in fewer train seconds than the baseline, and its p:
    Gehan's test, by Holm over the arms.

    Empty without a baseline; an arm whose seconds are unknown has none.
    """
    base = next((one for one in found if one.arm == BASELINE), None)
    if base is None:
        return {}
    tested: dict[str, tuple[float, str]] = {}
    for one in found:
        if one is base:
            continue
        try:
            both = cheaper(one, base, TESTED).p, cheaper(base, one, TESTED).p
        except CompareError:
            continue
        tested[one.arm] = (min(1.0, 2 * min(both)), "sooner" if both[0] < both[1] else "later")
    adjusted = holm([p for p, _ in tested.values()]) if tested else []
    return {
        arm: (word if p < LEVEL else "undecided", f"p = {p:.2g}")
        for (arm, (_, word)), p in zip(tested.items(), adjusted, strict=True)
    }


def profile(found: Mapping[str, Sequence[Reach]], key: str = TESTED) -> list[Profile]:
    """Over the workloads, of the arms that all of them have; empty for one workload."""
    if len(found) < 2:
        return []
    sets = [{one.arm for one in here} for here in found.values()]
    shared = [one.arm for one in next(iter(found.values())) if all(one.arm in s for s in sets)]
    costs = {
        arm: {
            work: spread.mean if (spread := one.costs.get(key)) else None
            for work, here in found.items()
            for one in here
            if one.arm == arm
        }
        for arm in shared
    }
    return profiles(costs)


def _cost(one: Reach, base: Reach | None, key: str) -> Cell:
    if key not in one.costs:
        return Cell(number.NONE)
    mine = one.costs[key].mean
    whole = base.costs[key].mean if base and base is not one and key in base.costs else 0.0
    return Cell(number.quantity(mine, BY_KEY[key].unit), times(mine / whole) if whole else "")
