"""A comparison for machines: plain JSON types of rows, differences, sentences and notes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from efficient.compare.column import COLUMNS
from efficient.compare.difference import baseline_of, difference
from efficient.compare.evidence import proof
from efficient.compare.sentence import sentence
from efficient.compare.summary import Row, notes
from efficient.ledger.codec import to_dict

#: Of the layout of this summary, not of the records.
SCHEMA = 1


def as_json(rows: Sequence[Row]) -> dict[str, Any]:
    """Everything a table shows, unrounded; fractions in [0, 1], unknown costs absent."""
    return {
        "schema": SCHEMA,
        "columns": {column.key: column.meaning for column in COLUMNS},
        "rows": [_row(row, rows) for row in rows],
        "notes": notes(rows),
    }


def _row(row: Row, rows: Sequence[Row]) -> dict[str, Any]:
    value = to_dict(row)
    baseline = baseline_of(row, rows)
    value["proof"] = proof(row, rows)
    value["difference"] = to_dict(difference(row, baseline)) if baseline else None
    value["sentence"] = sentence(row, baseline) if baseline else None
    return value
