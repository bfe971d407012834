"""A small plot as numbers for an SVG: ticks, lines and marks, placed. The template draws it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 640.0, 300.0
#: Room for the labels of the axes.
LEFT, RIGHT, TOP, BOTTOM = 62.0, 14.0, 26.0, 40.0
#: Share of the range that is left free at each end of an axis.
AIR = 0.06


@dataclass(frozen=True)
class Tick:
    at: float
    label: str


@dataclass(frozen=True)
class Line:
    """A path in a colour of the page."""

    path: str
    colour: str
    style: str = ""


@dataclass(frozen=True)
class Mark:
    """A shape at (x, y) with what it is; `low` and `high` are the ends of its interval."""

    x: float
    y: float
    shape: str
    colour: str
    title: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Chart:
    title: str
    x_title: str
    y_title: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    lines: tuple[Line, ...]
    marks: tuple[Mark, ...] = ()
    width: float = WIDTH
    height: float = HEIGHT
    left: float = LEFT
    right: float = WIDTH - RIGHT
    top: float = TOP
    bottom: float = HEIGHT - BOTTOM


@dataclass(frozen=True)
class Scale:
    """From values in [low, high] to places between `start` and `end`."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        low, high, value = (
            (math.log10(v) for v in (self.low, self.high, value))
            if self.log
            else (self.low, self.high, value)
        )
        return round(self.start + (value - low) / (high - low) * (self.end - self.start), 2)

    def ticks(self, label: Callable[[float], str], count: int = 6) -> tuple[Tick, ...]:
        """At round numbers of a linear scale."""
        return tuple(Tick(self(v), label(v)) for v in round_numbers(self.low, self.high, count))


def across(values: Sequence[float]) -> Scale:
    """The horizontal scale of a plot, linear, from end to end."""
    low, high = min(values), max(values)
    return Scale(low, high if high > low else low + 1, LEFT, WIDTH - RIGHT)


def upwards(values: Sequence[float]) -> Scale:
    """The vertical scale of a plot, linear, with air at both ends."""
    low, high = min(values), max(values)
    air = AIR * (high - low) or abs(high) * 0.01 or 1.0
    return Scale(low - air, high + air, HEIGHT - BOTTOM, TOP)


def polyline(points: Sequence[tuple[float, float]]) -> str:
    """The path through places."""
    return "M" + "L".join(f"{x},{y}" for x, y in points)


def stairs(points: Sequence[tuple[float, float]]) -> str:
    """The path that goes across first, then up or down."""
    first, *rest = points
    return f"M{first[0]},{first[1]}" + "".join(f"H{x}V{y}" for x, y in rest)


def round_numbers(low: float, high: float, count: int) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten from `low` to `high`, at most `count` + 1."""
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * m for m in (1, 2, 5, 10) if power * m >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [i * step for i in range(first, last + 1)]
