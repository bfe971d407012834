"""The runs that a run needed: its teachers and what it started from, and theirs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from efficient.ledger.record import Record

#: Roles of parents whose training is part of what a run needed.
CHARGED = ("teacher", "start")


def lineage(record: Record, by_id: Mapping[str, Record]) -> list[Record | None]:
    """Every run `record` needed, each once; `None` for one that is not among the records."""
    found: dict[str, Record | None] = {}
    waiting = [record]
    while waiting:
        for parent in waiting.pop().parents:
            if parent.role in CHARGED and parent.run_id not in found:
                known = found[parent.run_id] = by_id.get(parent.run_id)
                waiting += [known] if known else []
    return list(found.values())


def total(lineage: Sequence[Record | None], key: str) -> float | None:
    """Sum of a field of `Cost` over a lineage; `None` where one of it is absent or unknown."""
    values = [getattr(parent.cost, key) for parent in lineage if parent is not None]
    return None if len(values) < len(lineage) or None in values else math.fsum(values)
