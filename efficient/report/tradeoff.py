"""Operating points: a method at several settings, as one line of a table and of a plot.

An arm `magnitude @ 4x` is the method `magnitude` at the point `4x`; an arm without `@` is a
reference that all methods are read against.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from efficient.compare.column import Column
from efficient.compare.difference import baseline_of, times
from efficient.compare.summary import Row
from efficient.ledger.notation import POINT
from efficient.report import number, plot, style
from efficient.report.layout import Cell, Table


def points(rows: Sequence[Row]) -> dict[str, dict[str, Row]]:
    """Rows by method and point, by the first number of a point; references are left out."""
    found: dict[str, dict[str, Row]] = {}
    for row in rows:
        method, mark, point = row.label.partition(POINT)
        if mark:
            found.setdefault(method, {})[point] = row
    return {
        method: dict(sorted(line.items(), key=lambda item: _first_number(item[0])))
        for method, line in found.items()
    }


def tables(rows: Sequence[Row], columns: Sequence[Column]) -> list[Table]:
    """Quality, then each cost as a factor of the baseline's; methods down, points across.

    rows: of one workload. A cost that is unknown is a dash.
    """
    made = [_table(f"{number.quality_title(rows[0])}", rows, _quality)]
    for column in columns:
        if any(column.key in row.costs for row in rows):
            made.append(_table(column.title, rows, lambda row, c=column: _factor(row, rows, c)))
    return made


def svg(rows: Sequence[Row], column: Column) -> str | None:
    """Quality against a cost, a line for each method; `None` where none is known above 0.

    What costs nothing stands at the left edge, where a tick says 0.
    """
    lines = {method: _placed(found.values(), column) for method, found in points(rows).items()}
    lines = {method: line for method, line in lines.items() if line}
    references = _placed([row for row in rows if POINT not in row.label], column)
    placed = [(row, x) for line in (*lines.values(), references) for x, row in line]
    if not any(x for _, x in placed):
        return None
    return plot.render(placed, column, lambda axes: _draw(axes, lines, placed))


def _placed(rows: Iterable[Row], column: Column) -> list[tuple[float, Row]]:
    """Rows whose cost is known, by rising cost."""
    known = [(x, row) for row in rows if (x := row.cost(column.key)) is not None]
    return sorted(known, key=lambda point: point[0])


def _draw(axes: Any, lines: dict[str, Any], placed: Sequence[tuple[Row, float]]) -> None:
    left = axes.get_xlim()[0]
    if not all(x for _, x in placed):
        shown = [tick.get_text() for tick in axes.get_xticklabels()]
        axes.set_xticks([left, *axes.get_xticks()], ["0", *shown])
    colours = list(style.PALETTE.values())
    for place, (method, line) in enumerate(lines.items()):
        xs, ys = [x or left for x, _ in line], [row.quality.mean for _, row in line]
        axes.errorbar(
            xs,
            ys,
            yerr=[row.quality.sd or 0.0 for _, row in line],
            color=colours[place % len(colours)],
            marker=style.MARKERS[place % len(style.MARKERS)],
            markersize=5,
            linewidth=1.2,
            elinewidth=0.9,
            capsize=2,
            label=method,
            zorder=2,
        )
    for row, x in placed:
        if POINT not in row.label:
            axes.scatter([x or left], [row.quality.mean], color=style.TEXT, s=30, zorder=3)
            axes.annotate(
                row.label, (x or left, row.quality.mean), (4, 5), textcoords="offset points"
            )
    axes.legend(frameon=False, fontsize=8)


def _table(title: str, rows: Sequence[Row], cell: Any) -> Table:
    methods = points(rows)
    every = dict.fromkeys(point for found in methods.values() for point in found)
    names = tuple(sorted(every, key=_first_number))
    references = [row for row in rows if POINT not in row.label]
    made = [(Cell(row.label), cell(row), *[Cell("")] * len(names)) for row in references]
    for method, found in methods.items():
        cells = (cell(found[name]) if name in found else Cell("") for name in names)
        made.append((Cell(method), Cell(""), *cells))
    return Table(title, ("method", "itself", *names), tuple(made))


def _quality(row: Row) -> Cell:
    return Cell(number.quality_spread(row, row.quality))


def _factor(row: Row, rows: Sequence[Row], column: Column) -> Cell:
    mine, baseline = row.cost(column.key), baseline_of(row, rows)
    if mine is None:
        return Cell(number.NONE)
    whole = baseline.cost(column.key) if baseline else None
    return Cell(times(mine / whole) if whole else number.quantity(mine, column.unit))


def _first_number(point: str) -> float:
    found = re.search(r"[0-9.]*[0-9]", point)
    return float(found.group()) if found else float("inf")
