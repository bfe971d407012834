"""Everything that was spent beside what the reported runs spent.

The *final* runs are those a report shows: of every arm the latest finished run of each seed.
Whatever else was computed, failed, interrupted or repeated is *development*.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from efficient.compare.summary import rows
from efficient.ledger.bill import Process
from efficient.ledger.record import Record

MEANING = (
    "everything spent, failed, interrupted and repeated work included, over what the final runs "
    "spent (of every arm the latest finished run of each seed)"
)
_NO_RECORD = "killed or still running: only its journal is known"


@dataclass(frozen=True)
class Amount:
    """A sum over the runs that know it; None where none does. `reasons` are those of the others."""

    value: float | None
    known: int
    runs: int
    reasons: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        return self.value is not None and self.known == self.runs


#: What is added up: a name, and how a record says it.
_AMOUNTS: dict[str, Callable[[Record], float | None]] = {
    "train_s": lambda r: r.cost.train_s,
    "total_s": lambda r: r.cost.total_s,
    "device_s": lambda r: r.cost.total_s * r.machine.devices,
    "flops_executed": lambda r: r.cost.flops_executed,
    "flops_model": lambda r: r.cost.flops_model,
    "flops_teacher": lambda r: r.cost.flops_teacher,
    "flops_scoring": lambda r: r.cost.flops_scoring,
    "flops_eval": lambda r: r.cost.flops_eval,
    "energy_j": lambda r: r.cost.energy_j,
    "energy_facility_kwh": lambda r: r.cost.energy_facility_kwh,
    "carbon_gco2e": lambda r: r.cost.carbon_gco2e,
    "cost_usd": lambda r: r.cost.cost_usd,
}
#: Of these an attempt without a record has its share in its journal.
_JOURNALED: dict[str, Callable[[Process], float | None]] = {
    "train_s": lambda p: p.laps.get("train", 0.0),
    "total_s": lambda p: p.total_s,
    "flops_executed": lambda p: p.flops_executed,
    "flops_scoring": lambda p: p.flops_scoring,
    "flops_eval": lambda p: p.flops_eval,
    "energy_j": lambda p: _total([part.joules for part in p.energy if part.joules is not None]),
}


def spent(
    records: Sequence[Record], attempts: Sequence[Sequence[Process]] = ()
) -> dict[str, Amount]:
    """By name, the sums over all runs; `attempts` are those that left a journal but no record."""
    found = {}
    for key, read in _AMOUNTS.items():
        values = [read(record) for record in records]
        reasons = [r.cost.unknown.get(key, "not measured") for r in records if read(r) is None]
        for processes in attempts:
            values.append(_journaled(key, processes))
            reasons += [_NO_RECORD] if values[-1] is None else []
        present = [value for value in values if value is not None]
        found[key] = Amount(
            _total(present), len(present), len(values), tuple(dict.fromkeys(reasons))
        )
    return found


def final(records: Sequence[Record]) -> list[Record]:
    """The runs that a report of these records shows.

    Raises:
        CompareError: a report would refuse them.
    """
    shown = {run_id for row in rows(records) for run_id in row.run_ids}
    return [record for record in records if record.run_id in shown]


def multipliers(everything: dict[str, Amount], reported: dict[str, Amount]) -> dict[str, float]:
    """By name, everything over what the final runs spent, where both are known of every run."""
    return {
        key: amount.value / whole
        for key, amount in everything.items()
        if amount.whole and reported[key].whole and (whole := reported[key].value) and amount.value
    }


def _journaled(key: str, processes: Sequence[Process]) -> float | None:
    values = [_JOURNALED[key](process) for process in processes] if key in _JOURNALED else [None]
    present = [value for value in values if value is not None]
    return _total(present) if len(present) == len(values) else None


def _total(values: Sequence[float]) -> float | None:
    """Integers stay integers: FLOPs are exact."""
    if not values:
        return None
    return sum(values) if all(isinstance(v, int) for v in values) else math.fsum(values)
