"""What it took to reach a target on validation: a table a workload, and a profile over all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from efficient.compare.column import BY_KEY
from efficient.compare.difference import baseline_of, times
from efficient.compare.outlay import AXES
from efficient.compare.profile import Profile, profiles
from efficient.compare.significance import LEVEL, holm
from efficient.compare.target import Reach, cheaper
from efficient.report import number
from efficient.report.layout import SHORT, Cell, Table

#: Whose seeds are tested for who was sooner.
TESTED = "train_s"


def table(workload: str, found: Sequence[Reach]) -> Table:
    """An arm a row: the step, its costs there with all parents, and whether it was sooner."""
    words = verdicts(found)
    known = [key for key in AXES if any(key in one.costs for one in found)]
    rows = []
    for one in found:
        base = baseline_of(one, found)
        rows.append((Cell(one.label), Cell(_step(one)), *(_cost(one, base, key) for key in known)))
    notes = [str(one) for one in found if one.short]
    if words:
        rows = [(*row, Cell(*words.get(row[0].text, ("",)))) for row in rows]
        notes.append(
            f"train seconds to the target, by Gehan's test and Holm's over {len(words)} arms"
        )
    columns = ("arm", "at step", *(SHORT[key] for key in known), *["verdict"] * bool(words))
    title = f"{workload}: cost to {found[0].target:g} on validation, parents included"
    return Table(title, columns, tuple(rows), tuple(notes))


def verdicts(found: Sequence[Reach]) -> dict[str, tuple[str, str]]:
    """By label, whether an arm reached the target in fewer train seconds than its baseline, and its
    p: Gehan's test, by Holm over the arms.

    An arm has none without a baseline, with one seed, and where its seconds are unknown: it was not
    looked at on the way, or a parent is missing.
    """
    tested: dict[str, tuple[float, str]] = {}
    for one in found:
        base = baseline_of(one, found)
        if base is None or not all(_known(r, TESTED) and len(r.seeds) > 1 for r in (one, base)):
            continue
        both = cheaper(one, base, TESTED).p, cheaper(base, one, TESTED).p
        tested[one.label] = (min(1.0, 2 * min(both)), "sooner" if both[0] < both[1] else "later")
    adjusted = holm([p for p, _ in tested.values()])
    return {
        label: (word if p < LEVEL else "undecided", f"p = {p:.2g}")
        for (label, (_, word)), p in zip(tested.items(), adjusted, strict=True)
    }


def profile(found: Mapping[str, Sequence[Reach]], key: str = TESTED) -> list[Profile]:
    """Over the workloads, of the arms whose cost, or that they missed it, is known on all of them;
    empty for one workload."""
    if len(found) < 2:
        return []
    here = [{one.label: one for one in of_work if _known(one, key)} for of_work in found.values()]
    shared = [label for label in here[0] if all(label in by_label for by_label in here)]
    return profiles(
        {
            label: {
                work: spread.mean if (spread := by_label[label].costs.get(key)) else None
                for work, by_label in zip(found, here, strict=True)
            }
            for label in shared
        }
    )


def _known(one: Reach, key: str) -> bool:
    """Whether it can be said what the target cost, or that it was missed."""
    return one.looked > 0 and (one.step is None or key in one.costs)


def _step(one: Reach) -> str:
    if not one.looked:
        return number.NONE
    return "never" if one.step is None else f"{one.step:,}"


def _cost(one: Reach, base: Reach | None, key: str) -> Cell:
    if key not in one.costs:
        return Cell(number.NONE)
    mine = one.costs[key].mean
    whole = base.costs[key].mean if base and key in base.costs else 0.0
    return Cell(number.quantity(mine, BY_KEY[key].unit), times(mine / whole) if whole else "")
