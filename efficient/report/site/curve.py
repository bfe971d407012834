"""The curve of a run as a small plot: loss of training and of validation by step."""

from __future__ import annotations

import math

from efficient.ledger.record import Point, Record
from efficient.report import number
from efficient.report.site import chart

#: Points of a line; of more, every so many are drawn, and always the last.
MOST = 400


def curve(record: Record) -> chart.Chart | None:
    """None where a record has fewer than two points with a finite loss."""
    points = _thinned([p for p in record.points if math.isfinite(p.train_loss)])
    if len(points) < 2:
        return None
    scored = [(p.step, p.validation.loss) for p in points if p.validation]
    scored = [(step, loss) for step, loss in scored if math.isfinite(loss)]
    trained = [(p.step, p.train_loss) for p in points]
    x = chart.across([0, *(p.step for p in points)])
    y = chart.upwards([loss for _, loss in (*trained, *scored)])
    lines = [chart.Line(_path(trained, x, y), "quiet-ink", "training")]
    if len(scored) > 1:
        lines.append(chart.Line(_path(scored, x, y), "blue", "validation"))
    marks = [
        chart.Mark(x(step), y(loss), "M2.6,0A2.6,2.6 0 1 1 -2.6,0A2.6,2.6 0 1 1 2.6,0Z", "blue",
                   f"validation loss {loss:.4f} at step {step:,}")
        for step, loss in scored[-60:]
    ]  # fmt: skip
    return chart.Chart(
        title="Loss by step",
        x_title="step",
        y_title="loss, nats per unit",
        x_ticks=x.ticks(lambda v: f"{v:,.0f}"),
        y_ticks=y.ticks(lambda v: f"{v:.3g}"),
        lines=tuple(lines),
        marks=tuple(marks),
    )


def rows(record: Record) -> list[tuple[str, ...]]:
    """The points as a table: step, phase, losses, accuracy, train time."""
    return [
        (
            f"{p.step:,}",
            p.phase,
            f"{p.train_loss:.4f}",
            f"{p.validation.loss:.4f}" if p.validation else "",
            f"{100 * p.validation.accuracy:.2f} %" if p.validation else "",
            number.seconds(p.train_s),
        )
        for p in record.points
    ]


def _path(points: list[tuple[int, float]], x: chart.Scale, y: chart.Scale) -> str:
    return chart.polyline([(x(step), y(loss)) for step, loss in points])


def _thinned(points: list[Point]) -> list[Point]:
    every = math.ceil(len(points) / MOST) or 1
    return [*points[:-1:every], *points[-1:]]
