"""Quality against one cost as SVG: a mean with its spread for each arm, a small point a seed.

The same rows give the same bytes: ids are hashed from their content and no date is written.
matplotlib is imported only when a plot is drawn.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any

from efficient.compare.column import Column
from efficient.compare.front import pareto
from efficient.compare.summary import Row
from efficient.report import label, number, style
from efficient.report.scatter import limits

SIZE_INCHES = (5.0, 3.3)
FONT = "Helvetica, Arial, sans-serif"

_SETTINGS: dict[Any, Any] = {
    "svg.hashsalt": "efficient",
    "svg.fonttype": "none",
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "text.color": style.TEXT,
    "axes.labelcolor": style.TEXT,
    "axes.edgecolor": style.LINE,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": False,
    "xtick.color": style.LINE,
    "ytick.color": style.LINE,
    "xtick.labelcolor": style.TEXT,
    "ytick.labelcolor": style.TEXT,
    "path.simplify": False,
}


def svg(rows: Sequence[Row], column: Column) -> str | None:
    """A whole SVG file on white ground, for a README; `None` where no arm's cost is known."""
    drawn = _draw(rows, column)
    return drawn and _haloed(drawn)


def render(
    placed: Sequence[tuple[Row, float]], column: Column, draw: Callable[[Any], None]
) -> str | None:
    """An SVG file of quality against one cost: the axes for these rows, and what `draw` adds."""
    drawn = _figure(placed, column, lambda figure, axes: draw(axes))
    return drawn and _haloed(drawn)


def _haloed(drawn: str) -> str:
    """Text with a white halo in the reader's own font: for a file on white ground."""
    halo = "text{paint-order: stroke; stroke: #fff; stroke-width: 2.5px}</style>"
    return drawn.replace("'DejaVu Sans'", FONT).replace("</style>", halo, 1)


def _draw(rows: Sequence[Row], column: Column) -> str | None:
    placed = [(row, x) for row in rows if (x := row.cost(column.key))]
    looks = style.looks(rows)

    def draw(figure: Any, axes: Any) -> None:
        _front(axes, placed, column)
        for row, x in placed:
            _arm(axes, row, x, column, looks[row.label])
        marks = [_mark(row, x, looks[row.label]) for row, x in placed]
        label.place(figure, axes, marks)

    return _figure(placed, column, draw)


def _figure(
    placed: Sequence[tuple[Row, float]],
    column: Column,
    draw: Callable[[Any, Any], None],
) -> str | None:
    if not placed:
        return None
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_SETTINGS):
        figure = Figure(figsize=SIZE_INCHES, dpi=72, facecolor="white", layout="constrained")
        FigureCanvasAgg(figure)  # measures text; the file itself is SVG
        axes = figure.add_subplot(facecolor="none")
        _axes(axes, placed, column)
        draw(figure, axes)
        text = io.StringIO()
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(text, format="svg", metadata=nothing)
    return text.getvalue()


def _axes(axes: Any, placed: Sequence[tuple[Row, float]], column: Column) -> None:
    """A logarithmic axis of cost, an axis of quality with air, quiet grid lines."""
    first = placed[0][0]
    low, high = limits([x for row, _ in placed for x in row.costs[column.key].values if x > 0])
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    ticks = number.ticks(low, high, column.unit)
    axes.set_xticks(ticks, [number.tick(tick, column.unit) for tick in ticks])
    axes.set_xticks([], minor=True)
    values = [value for row, _ in placed for value in row.quality.values]
    air = max(0.14 * (max(values) - min(values)), 0.001)
    axes.set_ylim(min(values) - air, max(values) + air)
    axes.locator_params(axis="y", nbins=6)
    axes.yaxis.set_major_formatter(lambda value, _: number.quality_tick(first, value))
    unit = " (FLOP)" if column.unit == "flop" else ""
    axes.set_xlabel(f"{column.title}{unit}")
    better = "more" if first.more_is_better else "less"
    axes.set_ylabel(f"{number.quality_title(first)}, {better} is better")
    axes.grid(color=style.LINE, linewidth=0.5, alpha=0.6)
    axes.set_axisbelow(True)


def _front(axes: Any, placed: Sequence[tuple[Row, float]], column: Column) -> None:
    """The stairs of the arms that no other arm beats in both."""
    labels = pareto([row for row, _ in placed], column.key)
    steps = sorted((x, row.quality.mean) for row, x in placed if row.label in labels)
    xs, ys = zip(*steps, strict=True)
    axes.plot(
        xs, ys, drawstyle="steps-post", color=style.TEXT, linewidth=0.9, alpha=0.35, zorder=1.5
    )


def _arm(axes: Any, row: Row, x: float, column: Column, look: style.Look) -> None:
    axes.scatter(
        row.costs[column.key].values,
        row.quality.values,
        s=10,
        color=look.colour,
        alpha=0.6,
        linewidths=0,
        zorder=2,
    )
    axes.errorbar(
        x,
        row.quality.mean,
        yerr=row.quality.sd,
        xerr=row.costs[column.key].sd or None,
        marker=look.marker,
        markersize=7,
        color=look.colour,
        elinewidth=1.3,
        capsize=2.5,
        zorder=3,
    )


def _mark(row: Row, x: float, look: style.Look) -> label.Mark:
    return label.Mark(row.label, x, row.quality.mean, row.quality.sd or 0.0, look.colour)
