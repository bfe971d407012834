"""The page of a comparison: every arm against its baseline in sentences, and all tables."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from efficient.compare.column import COLUMNS, PLOTTED
from efficient.compare.comparison import Comparison
from efficient.compare.decision import Decision
from efficient.compare.difference import baseline_of
from efficient.compare.evidence import proof
from efficient.compare.question import config_changes
from efficient.compare.summary import BASELINE, Row
from efficient.report import number, tradeoff
from efficient.report.layout import clocks, tables
from efficient.report.site.address import anchor, comparison_page, stem
from efficient.report.site.series import Series, method, series


@dataclass(frozen=True)
class Arm:
    """What is said of an arm: its verdict in a sentence, its proof, its runs by seed."""

    label: str
    anchor: str
    model: str
    series: Series
    word: str
    said: str
    proved: str
    runs: tuple[tuple[int, str], ...]
    changes: tuple[tuple[str, str, str], ...]


def page(found: Comparison, clock: str) -> dict[str, Any]:
    """What the template of a comparison shows."""
    rows, sentences = found.rows, found.sentences
    looks, words = series(rows), {one.arm: one for one in found.decisions}
    quality, *costs = tables(found, clock)
    by_point = tradeoff.tables(rows, PLOTTED) if tradeoff.points(rows) else []
    return {
        "workload": found.workload,
        "page": comparison_page(found.workload),
        "arms": [_arm(row, rows, looks, words.get(row.label), sentences) for row in rows],
        "tables": [dataclasses.replace(quality, footnotes=()), *costs],
        "points": by_point,
        "clocks": clocks(clock),
        "meanings": [(column.title, column.meaning) for column in COLUMNS],
    }


def _arm(
    row: Row,
    rows: Sequence[Row],
    looks: dict[str, Series],
    decision: Decision | None,
    sentences: dict[str, str],
) -> Arm:
    baseline = baseline_of(row, rows)
    said = sentences.get(row.label, "")
    prefix = f"{row.label} against {baseline.label if baseline else ''}: "
    changes = config_changes(baseline.config, row.config) if baseline else {}
    return Arm(
        label=row.label,
        anchor=anchor(row.label),
        model=row.model,
        series=looks[method(row.label)],
        word=decision.word if decision and decision.seeds > 1 else "",
        said=_capital(said.removeprefix(prefix)) or _reference(row),
        proved=proof(row, rows) or "",
        runs=tuple(zip(row.seeds, map(stem, row.run_ids), strict=True)),
        changes=tuple((name, _value(was), _value(now)) for name, (was, now) in changes.items()),
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _value(value: Any) -> str:
    return number.NONE if value is None else str(value)


def _reference(row: Row) -> str:
    what = "What the others are read against" if row.arm == BASELINE else "It has no baseline here"
    return f"{what}: {number.quality_title(row)} {number.quality_spread(row, row.quality)}."
