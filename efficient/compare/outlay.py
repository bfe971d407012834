"""What had to be spent until an arm had its first model: the run, its parents, and the search.

The next model of an arm costs its run alone. The first one also costs the training of its parents,
the trials from which its setting was chosen, and the attempts that came to nothing, of the arm and
of the arms of its parents. Other seeds serve statistics and are not charged.
"""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from efficient.compare.lineage import all_known, lineage, spent, total
from efficient.ledger.notation import tuned_for
from efficient.ledger.record import FINISHED, Record

#: Fields of `Cost` in which an outlay is known, and which a budget can be stated in.
AXES = ("flops_executed", "train_s", "total_s", "energy_j")
Arm = tuple[str, str, str]


@dataclass(frozen=True)
class Outlay:
    """In the unit of one field of `Cost`; None where it is unknown.

    run and parents: by seed; tuning: every trial, diverged ones included; failed: every attempt
    that has no model.
    """

    run: tuple[float, ...] | None
    parents: tuple[float, ...] | None
    tuning: float | None
    failed: float | None

    @property
    def full(self) -> tuple[float, ...] | None:
        """The run with all that it needed, by seed."""
        if self.run is None or self.parents is None:
            return None
        return tuple(a + b for a, b in zip(self.run, self.parents, strict=True))

    @property
    def first(self) -> float | None:
        """Until the first model, in the mean over the seeds."""
        if self.full is None or self.tuning is None or self.failed is None:
            return None
        return statistics.fmean(self.full) + self.tuning + self.failed


@dataclass(frozen=True)
class Search:
    """The attempts under the label of an arm that gave none of its models."""

    trials: list[Record] = field(default_factory=list)
    failed: list[Record] = field(default_factory=list)


def arm_of(record: Record) -> Arm:
    """What a record belongs to: workload, arm and model; a trial belongs to its arm."""
    return record.workload, tuned_for(record.arm) or record.arm, record.model


def labels(arms: Iterable[Arm]) -> dict[Arm, str]:
    """The name of an arm, with its model where the workload has the arm with several."""
    arms = list(arms)
    models = Counter((workload, name) for workload, name, _ in dict.fromkeys(arms))
    return {
        (workload, name, model): name if models[workload, name] == 1 else f"{name} {model}"
        for workload, name, model in arms
    }


def searches(records: Sequence[Record]) -> dict[Arm, Search]:
    """By arm; an arm whose every attempt is a model of it has none."""
    found: dict[Arm, Search] = defaultdict(Search)
    for record in records:
        if tuned_for(record.arm):
            found[arm_of(record)].trials.append(record)
        elif record.status != FINISHED:
            found[arm_of(record)].failed.append(record)
    return dict(found)


def outlays(
    runs: Sequence[Record], by_id: Mapping[str, Record], by_arm: Mapping[Arm, Search]
) -> dict[str, Outlay]:
    """By axis, of an arm whose models are `runs`.

    Raises:
        CompareError: a run is its own ancestor.
    """
    needed = [list(lineage(run, by_id).values()) for run in runs]
    arms = {arm_of(run) for run in (*runs, *(p for line in needed for p in line if p))}
    sought = [by_arm[arm] for arm in arms if arm in by_arm]
    trials = [record for search in sought for record in search.trials]
    failed = [record for search in sought for record in search.failed]
    return {
        key: Outlay(
            run=all_known([spent(run.cost, key) for run in runs]),
            parents=all_known([total(line, key) for line in needed]),
            tuning=total(trials, key),
            failed=total(failed, key),
        )
        for key in AXES
    }
