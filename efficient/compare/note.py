"""What a reader of a table must know before believing it."""

from __future__ import annotations

from collections.abc import Sequence

from efficient.compare.gate import budgets
from efficient.compare.summary import BASELINE, Row


def notes(rows: Sequence[Row]) -> list[str]:
    """Machines that differ, single or unpaired seeds, tuning, budgets, and each row's own."""
    found = []
    for workload in dict.fromkeys(row.workload for row in rows):
        here = [row for row in rows if row.workload == workload]
        machines = {machine for row in here for machine in row.machines}
        if len(machines) > 1:
            listed = "; ".join(sorted(machines))
            found.append(f"{workload}: seconds come from different machines ({listed})")
        if lonely := [row.label for row in here if row.n == 1]:
            found.append(f"{workload}: one seed, so the spread is unknown: {', '.join(lonely)}")
        if len({row.seeds for row in here if row.n > 1}) > 1:
            found.append(f"{workload}: the arms were not run with the same seeds")
        found += [f"{workload}: {text}" for text in _fairness(here)]
        found += [f"{workload}, {row.label}: {note}" for row in here for note in row.notes]
    return found


def _fairness(rows: Sequence[Row]) -> list[str]:
    """How an arm was tuned, and with how much of the baseline it was compared."""
    if len(rows) == 1:
        return []
    counts = {row.trials for row in rows}
    if counts == {0}:
        found = ["untuned: no arm's setting was searched for (--trials)"]
    elif len(counts) == 1:
        (count,) = counts
        trials = f"{count} trial{'s' * (count > 1)}"
        found = [f"tuned: {trials} of each arm, which its first model is charged"]
    else:
        each = ", ".join(f"{row.label} {row.trials or 'untuned'}" for row in rows)
        found = [f"tuned unequally, trials of each arm: {each}"]
    against = [row for row in rows if row.arm != BASELINE and not row.at_budget]
    if lacking := [row.label for row in against if not budgets(row, rows)]:
        which = "every arm" if len(lacking) == len(against) else ", ".join(lacking)
        found.append(
            f"compared with one point of the baseline, not with its curve (--budgets): {which}"
        )
    return found
