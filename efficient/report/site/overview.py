"""The first page: for each workload a plot with a choice of axes, what it says, and a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from efficient.compare.column import BY_KEY, Column
from efficient.compare.comparison import Comparison
from efficient.compare.decision import Decision
from efficient.compare.difference import baseline_of, difference, times
from efficient.compare.summary import Row
from efficient.report import number
from efficient.report.site import chart, picture, plotted
from efficient.report.site.address import anchor, comparison_page, stem
from efficient.report.site.axis import AXES, Latencies, value
from efficient.report.site.series import Series, method, series

#: Lists of sentences with their titles.
Remarks = Sequence[tuple[str, Sequence[str]]]

#: Columns of the table, where an arm knows them.
LISTED = (
    "flops_executed",
    "flops_effective",
    "flops_parents",
    "train_s",
    "total_s",
    "energy_j",
    "cost_usd",
    "stored_bytes",
    "flops_inference",
)


@dataclass(frozen=True)
class Cell:
    """A number of the table: what it says, its ratio to the baseline, and what it is sorted by."""

    text: str
    aside: str
    order: float | None


@dataclass(frozen=True)
class Line:
    """An arm in the table. runs: seed and name of the run."""

    row: Row
    series: Series
    anchor: str
    runs: tuple[tuple[int, str], ...]
    quality: Cell
    change: Cell
    word: str
    costs: tuple[Cell, ...]


@dataclass(frozen=True)
class Section:
    """A workload of the overview; `data` is what the script of the plot reads."""

    workload: str
    key: str
    page: str
    facts: str
    series: tuple[Series, ...]
    models: tuple[str, ...]
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    chart: chart.Chart | None
    data: dict[str, Any]
    counts: str
    spoken: tuple[str, ...]
    remarks: Remarks


def section(found: Comparison, remarks: Remarks, facts: str, latencies: Latencies) -> Section:
    """The part of one workload."""
    rows, workload, decisions = found.rows, found.workload, found.decisions
    looks = series(rows)
    values = [{axis.key: value(row, axis, latencies) for axis in AXES} for row in rows]
    listed = [BY_KEY[key] for key in LISTED if any(row.cost(key) for row in rows)]
    words = {one.arm: one for one in decisions}
    return Section(
        workload=workload,
        key=stem(workload),
        page=comparison_page(workload),
        facts=facts,
        series=tuple(looks.values()),
        models=tuple(dict.fromkeys(row.model for row in rows)),
        columns=tuple(listed),
        lines=tuple(_line(row, rows, looks, words.get(row.label), listed) for row in rows),
        chart=picture.picture(rows, values, looks),
        data=plotted.data(rows, values, looks, words),
        counts=_counts(decisions),
        spoken=tuple(found.sentences.values()),
        remarks=remarks,
    )


def _counts(decisions: Sequence[Decision]) -> str:
    """`Verdicts: 1 better, 4 worse, 30 inconclusive`."""
    words = Counter(_word(one) for one in decisions)
    return f"Verdicts: {', '.join(f'{count} {word}' for word, count in words.items())}"


def _word(decision: Decision) -> str:
    return decision.word.lower() if decision.seeds > 1 else "one seed"


def _line(
    row: Row,
    rows: Sequence[Row],
    looks: dict[str, Series],
    decision: Decision | None,
    columns: Sequence[Column],
) -> Line:
    baseline = baseline_of(row, rows)
    gap = difference(row, baseline) if baseline else None
    change = number.quality_change(row, gap.quality) if gap else ""
    word = _word(decision) if decision else ""
    ratios = gap.ratios if gap else {}
    return Line(
        row=row,
        series=looks[method(row.label)],
        anchor=anchor(row.label),
        runs=tuple(zip(row.seeds, map(stem, row.run_ids), strict=True)),
        quality=Cell(number.quality_spread(row, row.quality), "", row.quality.mean),
        change=Cell(change, word, gap.quality if gap else None),
        word=word,
        costs=tuple(
            Cell(
                number.cost(row, column),
                times(ratios[column.key]) if column.key in ratios else "",
                row.cost(column.key),
            )
            for column in columns
        ),
    )
