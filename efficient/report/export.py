"""A comparison for machines: plain JSON types of rows, verdicts, fronts, sentences and notes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from efficient.compare.breakeven import break_even
from efficient.compare.column import COLUMNS
from efficient.compare.comparison import Comparison
from efficient.compare.difference import baseline_of, difference
from efficient.compare.evidence import proof
from efficient.compare.note import notes
from efficient.compare.summary import Row
from efficient.ledger.codec import to_dict

#: Of the layout of this summary, not of the records.
SCHEMA = 2


def as_json(comparisons: Sequence[Comparison]) -> dict[str, Any]:
    """Everything a table shows, unrounded; fractions in [0, 1], unknown costs absent.

    A verdict's numbers that cannot be said, with one seed say, are null, and so is
    `break_even_predictions` where nothing is to be paid back, or never is: the sentence says which.
    """
    return {
        "schema": SCHEMA,
        "columns": {column.key: column.meaning for column in COLUMNS},
        "rows": [_row(row, found) for found in comparisons for row in found.rows],
        "decisions": [to_dict(one) for found in comparisons for one in found.decisions],
        "gates": [to_dict(one) for found in comparisons for one in found.gates],
        "dominance": [to_dict(one) for found in comparisons for one in found.dominances],
        "agreements": [to_dict(one) for found in comparisons for one in found.agreements],
        "fronts": [to_dict(one) for found in comparisons for one in found.fronts],
        "readings": {found.workload: list(found.readings) for found in comparisons},
        "notes": notes([row for found in comparisons for row in found.rows]),
    }


def _row(row: Row, found: Comparison) -> dict[str, Any]:
    value = to_dict(row)
    baseline = baseline_of(row, found.rows)
    value["first_model"] = {key: outlay.first for key, outlay in row.outlays.items()}
    value["proof"] = proof(row, found.rows)
    value["difference"] = to_dict(difference(row, baseline)) if baseline else None
    value["sentence"] = found.sentences.get(row.label)
    value["break_even_predictions"] = to_dict(break_even(row, baseline)) if baseline else None
    return value
