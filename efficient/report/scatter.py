"""Quality against one cost as plain text, for a terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence

from efficient.compare.column import Column
from efficient.compare.front import pareto
from efficient.compare.summary import Row
from efficient.ledger.printable import printable
from efficient.report import number, style


def scatter(rows: Sequence[Row], column: Column, width: int = 72, height: int = 12) -> str:
    """One workload's arms as letters over a logarithmic axis of cost, with a legend.

    An arm whose cost is unknown or 0 stands in the legend only. Arms of one place stand side by
    side. A star in the legend marks the front: no other arm is better in both.
    """
    placed = [(row, x) for row in rows if (x := row.cost(column.key))]
    looks, front = style.looks(rows), pareto(rows, column.key)
    lines = [f"{number.quality_title(rows[0])} against {column.title} (logarithmic)"]
    if placed:
        lines += _canvas(placed, looks, column, width, height)
    for row in rows:
        star = "*" if row.label in front else " "
        quality = number.quality_spread(row, row.quality)
        cost = number.cost(row, column)
        lines.append(
            f" {looks[row.label].letter}{star} {printable(row.label):<16} {quality:>18}  {cost:>14}"
        )
    return "\n".join(lines)


def limits(values: Sequence[float]) -> tuple[float, float]:
    """Ends of a logarithmic axis that holds `values` with some air, at least a factor of two."""
    low, high = math.log10(min(values)), math.log10(max(values))
    air = max(0.08 * (high - low), (math.log10(2) - (high - low)) / 2, 0.02)
    return 10 ** (low - air), 10 ** (high + air)


def _canvas(
    placed: Sequence[tuple[Row, float]],
    looks: dict[str, style.Look],
    column: Column,
    width: int,
    height: int,
) -> list[str]:
    low, high = limits([x for _, x in placed])
    bottom, top = min(r.quality.mean for r, _ in placed), max(r.quality.mean for r, _ in placed)
    shown = {
        i: number.quality(placed[0][0], top - (top - bottom) * i / (height - 1))
        for i in {0, (height - 1) // 2, height - 1}
    }
    margin = max(len(text) for text in shown.values())
    inner = width - margin - 3
    grid = [[" "] * inner for _ in range(height)]
    for row, x in placed:
        at = round(_share(x, low, high) * (inner - 1))
        drop = (top - row.quality.mean) / (top - bottom) if top > bottom else 0.0
        line = grid[round(drop * (height - 1))]
        free = sorted(range(inner), key=lambda i: (line[i] != " ", abs(i - at), i < at))
        line[free[0]] = looks[row.label].letter
    lines = [f"{shown.get(i, ''):>{margin}} │{''.join(line)}" for i, line in enumerate(grid)]
    return [*lines, *_axis(low, high, column, margin, inner)]


def _axis(low: float, high: float, column: Column, margin: int, inner: int) -> list[str]:
    rule, labels = ["─"] * inner, [" "] * (inner + 8)
    end = 0
    for tick in number.ticks(low, high, column.unit):
        at = round(_share(tick, low, high) * (inner - 1))
        text = number.tick(tick, column.unit)
        start = max(at - len(text) // 2, 0)
        rule[at] = "┴"
        if start >= end:
            labels[start : start + len(text)] = text
            end = start + len(text) + 2
    pad = " " * (margin + 1)
    return [f"{pad}└{''.join(rule)}", f"{pad} {''.join(labels)}".rstrip()]


def _share(x: float, low: float, high: float) -> float:
    return math.log(x / low) / math.log(high / low)
