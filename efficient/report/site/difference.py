"""What the page of differences reads of a run: its fields and its costs, as text and as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from efficient.compare.column import COLUMNS
from efficient.ledger.record import Record
from efficient.report import number
from efficient.report.site.address import stem
from efficient.report.site.outline import Field, dotted


def run(record: Record, config: Sequence[Field]) -> dict[str, Any]:
    """One run: `fields` by dotted name; `scores` and `costs` as a text and a number, which is None
    where the text says why there is none. config: its lines by `outline.outline`."""
    cost = record.cost
    scores = {
        f"{split} {name}": [text, value]
        for split, score in record.scores.items()
        for name, value, text in (
            ("accuracy", score.accuracy, f"{100 * score.accuracy:.2f} %"),
            ("loss", score.loss, f"{score.loss:.5f}"),
        )
        if value == value
    }
    values = ((column, getattr(cost, column.key, None)) for column in COLUMNS)
    costs = {
        column.title: [number.quantity(value, column.unit), value]
        if value is not None and value == value
        else [cost.unknown.get(column.key, "not measured"), None]
        for column, value in values
        if hasattr(cost, column.key)
    }
    return {
        "id": record.run_id,
        "arm": record.arm,
        "about": {
            "arm": record.arm,
            "workload": record.workload,
            "model": record.model,
            "status": record.status,
            "seed": str(record.seed),
            "code": f"{record.source.version} {record.source.digest[:12]}",
            "device": record.machine.cpu
            if record.machine.platform == "cpu"
            else record.machine.device_kind,
            **{f"version of {name}": text for name, text in record.versions.items()},
        },
        "fields": dotted(config),
        "scores": scores,
        "costs": costs,
    }


def listed(record: Record) -> list[str]:
    """A run in the list to choose from: the name of its file, and words to find it by."""
    return [stem(record.run_id), record.run_id, record.arm, f"seed {record.seed}"]
