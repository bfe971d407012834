"""What a run cost with all that it needed: its teachers, what it started from, and theirs.

Three views of one bill. *Marginal* is the run alone: the next student of a teacher that is there
anyway. *Full* adds every run that it needed, each once. *Amortised* over k runs adds a k-th of
them. Where a parent is not among the records, or what it cost is unknown, so is every view that
holds it: nothing is free because it is missing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from graphlib import CycleError, TopologicalSorter

from efficient.compare.error import CompareError
from efficient.ledger.record import FINISHED, Cost, Point, Record

#: Roles of parents whose training is part of what a run needed.
CHARGED = ("teacher", "start")


@dataclass(frozen=True)
class Bill:
    """A cost of a run and of its lineage, in the unit of the column; None where it is unknown.

    missing: ids of the runs that it needed and that are not among the records.
    """

    marginal: float | None
    parents: float | None
    missing: tuple[str, ...]

    @property
    def full(self) -> float | None:
        return self.amortised(1)

    def amortised(self, runs: int) -> float | None:
        """With the parents' part shared by so many runs; whole numbers stay exact.

        Raises:
            CompareError: fewer than one run.
        """
        if runs < 1:
            raise CompareError(f"a lineage cannot be shared by {runs} runs; give 1 or more")
        if self.marginal is None or self.parents is None:
            return None
        if isinstance(self.parents, int):
            share = Fraction(self.parents, runs)
            return self.marginal + (int(share) if share.denominator == 1 else float(share))
        return self.marginal + self.parents / runs


def bill(record: Record, by_id: Mapping[str, Record], key: str) -> Bill:
    """A field of `Cost` of a run and of all that it needed.

    Raises:
        CompareError: the run is its own ancestor.
    """
    needed = lineage(record, by_id)
    missing = tuple(run_id for run_id, parent in needed.items() if parent is None)
    return Bill(spent(record.cost, key), total(list(needed.values()), key), missing)


def candidates(records: Sequence[Record], workload: str) -> dict[str, Record]:
    """By id, the finished runs among which parents of a run on `workload` are looked for.

    Two folders that trained the same each have a run of one id: that of the workload comes first.
    """
    done = (record for record in records if record.status == FINISHED)
    return {r.run_id: r for r in sorted(done, key=lambda r: r.workload == workload)}


def lineage(record: Record, by_id: Mapping[str, Record]) -> dict[str, Record | None]:
    """Every run `record` needed, each once, by id; None for one that is not among the records.

    Raises:
        CompareError: a run is its own ancestor.
    """
    found: dict[str, Record | None] = {}
    graph: dict[str, list[str]] = {}
    waiting = [record]
    while waiting:
        child = waiting.pop()
        graph[child.run_id] = [p.run_id for p in child.parents if p.role in CHARGED]
        for run_id in graph[child.run_id]:
            if run_id not in found and run_id != record.run_id:
                known = found[run_id] = by_id.get(run_id)
                waiting += [known] if known else []
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        chain = " is needed by ".join(error.args[1])
        raise CompareError(f"a run cannot be its own ancestor: {chain}; remove a record") from None
    return found


def spent(cost: Cost | Point, key: str) -> float | None:
    """A field of it; None where it is unknown, also where a record has null for a number."""
    value = getattr(cost, key)
    return None if isinstance(value, float) and not math.isfinite(value) else value


def all_known(values: Sequence[float | None]) -> tuple[float, ...] | None:
    """The values; None where one of them is."""
    known = tuple(value for value in values if value is not None)
    return known if len(known) == len(values) else None


def total(parents: Sequence[Record | None], key: str) -> float | None:
    """Sum of a field of `Cost` over runs; None where one of it is absent or unknown."""
    values = all_known([parent and spent(parent.cost, key) for parent in parents])
    if values is None:
        return None
    return sum(values) if all(isinstance(value, int) for value in values) else math.fsum(values)
