"""A comparison for machines: plain JSON types of rows, differences, sentences and notes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from efficient.compare.breakeven import break_even
from efficient.compare.column import COLUMNS
from efficient.compare.decision import Test, decide
from efficient.compare.difference import baseline_of, difference
from efficient.compare.evidence import proof
from efficient.compare.gate import gates
from efficient.compare.note import notes
from efficient.compare.sentence import sentences
from efficient.compare.significance import paired
from efficient.compare.summary import Row
from efficient.ledger.codec import to_dict

#: Of the layout of this summary, not of the records.
SCHEMA = 1


def as_json(rows: Sequence[Row], test: Test = paired) -> dict[str, Any]:
    """Everything a table shows, unrounded; fractions in [0, 1], unknown costs absent.

    A verdict's numbers that cannot be said, with one seed say, are null, and so is
    `break_even_predictions` where nothing is to be paid back, or never is: the sentence says which.
    """
    said: dict[tuple[str, str], str] = {}
    for workload in dict.fromkeys(row.workload for row in rows):
        here = [row for row in rows if row.workload == workload]
        said |= {(workload, label): text for label, text in sentences(here, test).items()}
    return {
        "schema": SCHEMA,
        "columns": {column.key: column.meaning for column in COLUMNS},
        "rows": [_row(row, rows, said.get((row.workload, row.label))) for row in rows],
        "decisions": [to_dict(one) for one in decide(rows, test)],
        "gates": [to_dict(one) for one in gates(rows, test)],
        "notes": notes(rows),
    }


def _row(row: Row, rows: Sequence[Row], said: str | None) -> dict[str, Any]:
    value = to_dict(row)
    baseline = baseline_of(row, rows)
    value["first_model"] = {key: outlay.first for key, outlay in row.outlays.items()}
    value["proof"] = proof(row, rows)
    value["difference"] = to_dict(difference(row, baseline)) if baseline else None
    value["sentence"] = said
    value["break_even_predictions"] = to_dict(break_even(row, baseline)) if baseline else None
    return value
