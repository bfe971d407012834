"""The lineage of a run: the tree of runs it came from, and its bill with all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from efficient.compare.column import BY_KEY
from efficient.compare.error import CompareError
from efficient.compare.lineage import CHARGED, bill
from efficient.ledger.record import Record
from efficient.report import number
from efficient.report.site.address import run_page

KEYS = ("flops_executed", "train_s", "total_s", "energy_j", "carbon_gco2e", "cost_usd")
#: Runs that share the parents in the last of the views of a cost.
SHARED_BY = 10
#: Generations that are drawn; a longer chain goes on on the parent's own page.
DEEPEST = 6
_ROLES = {
    "teacher": "teacher, charged",
    "start": "started from it, charged",
    "reference": "only compared with, not charged",
}


@dataclass(frozen=True)
class Ancestor:
    """A run in the tree. `page` is empty for one that is not among the records."""

    role: str
    run_id: str
    page: str
    said: str
    parents: tuple[Ancestor, ...] = ()


@dataclass(frozen=True)
class View:
    """One cost in the views of `compare.lineage`, as text; `reason` says what is missing.

    amortised: where the parents serve `shared_by` runs.
    """

    title: str
    marginal: str
    parents: str
    full: str
    amortised: str
    reason: str
    shared_by: int = SHARED_BY


def tree(record: Record, by_id: Mapping[str, Record], depth: int = 0) -> tuple[Ancestor, ...]:
    """The parents of a run, with theirs."""
    if depth == DEEPEST:
        return ()
    return tuple(_ancestor(p.role, p.run_id, by_id, depth) for p in record.parents)


def views(record: Record, by_id: Mapping[str, Record]) -> tuple[View, ...]:
    """What the run cost alone and with its parents; none where nobody is charged."""
    if not any(parent.role in CHARGED for parent in record.parents):
        return ()
    return tuple(_view(record, by_id, key) for key in KEYS)


def _ancestor(role: str, run_id: str, by_id: Mapping[str, Record], depth: int) -> Ancestor:
    words, record = _ROLES.get(role, role), by_id.get(run_id)
    if record is None:
        return Ancestor(words, run_id, "", "not among these records: what it cost is unknown")
    cost = record.cost.flops_executed
    spent = "unknown FLOPs" if cost is None else number.quantity(cost, "flop")
    said = f"{record.arm}, seed {record.seed}: {spent}, {number.seconds(record.cost.train_s)}"
    return Ancestor(words, run_id, run_page(run_id), said, tree(record, by_id, depth + 1))


def _view(record: Record, by_id: Mapping[str, Record], key: str) -> View:
    column = BY_KEY[key]
    try:
        found = bill(record, by_id, key)
    except CompareError as error:
        return View(column.title, *[number.NONE] * 4, reason=str(error))
    texts = [
        number.NONE if value is None else number.quantity(value, column.unit)
        for value in (found.marginal, found.parents, found.full, found.amortised(SHARED_BY))
    ]
    reason = ""
    if found.missing:
        reason = f"not among these records: {', '.join(found.missing)}"
    elif found.full is None:
        reason = record.cost.unknown.get(key, "unknown of a parent")
    return View(column.title, *texts, reason=reason)
