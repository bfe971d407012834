"""A plot that is there without scripts: quality against the first cost that is known."""

from __future__ import annotations

from collections.abc import Sequence

from efficient.compare.column import Column
from efficient.compare.summary import Row
from efficient.report import number
from efficient.report.scatter import limits
from efficient.report.site import chart
from efficient.report.site.axis import AXES, Value, interval
from efficient.report.site.series import Series, method

#: An arm and what it cost.
Placed = tuple[Row, float]


def picture(
    rows: Sequence[Row], values: Sequence[dict[str, Value]], looks: dict[str, Series]
) -> chart.Chart | None:
    """None where no cost of these arms is known. values: by key of an axis, for each row."""
    for axis in AXES:
        pairs = zip(rows, values, strict=True)
        found = [(row, own[axis.key].spread) for row, own in pairs]
        placed = [(row, cost.mean) for row, cost in found if cost and cost.mean > 0]
        if placed:
            return _drawn(placed, axis, looks)
    return None


def _drawn(placed: Sequence[Placed], axis: Column, looks: dict[str, Series]) -> chart.Chart:
    first = placed[0][0]
    title, better = number.quality_title(first), "more" if first.more_is_better else "less"
    ends = limits([cost for _, cost in placed])
    across = chart.Scale(*ends, chart.LEFT, chart.WIDTH - chart.RIGHT, log=True)
    up = chart.upwards([row.quality.mean for row, _ in placed])
    ticks = (
        chart.Tick(across(v), number.tick(v, axis.unit)) for v in number.ticks(*ends, axis.unit)
    )
    return chart.Chart(
        title=f"{first.workload}: {title} against {axis.title}",
        x_title=f"{axis.title}, logarithmic",
        y_title=f"{title}, {better} is better",
        x_ticks=tuple(ticks),
        y_ticks=up.ticks(lambda value: number.quality_tick(first, value)),
        lines=(_front(placed, across, up),),
        marks=tuple(_mark(row, cost, axis, across, up, looks) for row, cost in placed),
    )


def _front(placed: Sequence[Placed], across: chart.Scale, up: chart.Scale) -> chart.Line:
    """The stairs of the arms that no other arm beats in both."""
    sign = 1 if placed[0][0].more_is_better else -1
    steps: list[tuple[float, float]] = []
    for row, cost in sorted(placed, key=lambda one: (one[1], -sign * one[0].quality.mean)):
        if not steps or sign * row.quality.mean > sign * steps[-1][1]:
            steps.append((cost, row.quality.mean))
    path = chart.stairs([(across(cost), up(quality)) for cost, quality in steps])
    return chart.Line(path, "text", "front")


def _mark(
    row: Row,
    cost: float,
    axis: Column,
    across: chart.Scale,
    up: chart.Scale,
    looks: dict[str, Series],
) -> chart.Mark:
    look, ends = looks[method(row.label)], interval(row.quality)
    low, high = (up(min(max(v, up.low), up.high)) for v in ends) if ends else (None, None)
    quality = number.quality_spread(row, row.quality)
    said = f"{row.label}: {quality}, {number.quantity(cost, axis.unit)}"
    return chart.Mark(across(cost), up(row.quality.mean), look.path, look.colour, said, low, high)
