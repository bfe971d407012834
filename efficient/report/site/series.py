"""How arms look on the site: a colour and a shape for each method, the same in plots and tables.

The settings of one method (`magnitude @ 4x`, `magnitude @ 8x`) share a look and a line; the
baseline is a circle in the colour of the text. Colours have the names of `report.style`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from efficient.compare.summary import BASELINE, Row
from efficient.ledger.notation import POINT
from efficient.report import style

Corners = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Series:
    """`colour` is a name of the palette or `text`; `shape` one of `SHAPES`."""

    name: str
    colour: str
    shape: str

    @property
    def path(self) -> str:
        """The outline as an SVG path."""
        corners = SHAPES[self.shape]
        if corners is None:
            return "M4.4,0A4.4,4.4 0 1 1 -4.4,0A4.4,4.4 0 1 1 4.4,0Z"
        return f"M{'L'.join(f'{x},{y}' for x, y in corners)}Z"


def method(label: str) -> str:
    """The arm without its setting."""
    return label.partition(POINT)[0]


def series(rows: Sequence[Row]) -> dict[str, Series]:
    """By method, in the order of the rows. Colours and shapes go round in different steps."""
    names = dict.fromkeys(method(row.label) for row in rows)
    found, others = {}, 0
    colours, shapes = list(style.PALETTE), list(SHAPES)[1:]
    for name in names:
        if name == BASELINE:
            found[name] = Series(name, "text", "circle")
            continue
        shape = shapes[(others + others // len(colours)) % len(shapes)]
        found[name] = Series(name, colours[others % len(colours)], shape)
        others += 1
    return found


def _ring(corners: int, radii: Sequence[float]) -> Corners:
    """Corners at alternating radii, the first one above."""
    return tuple(
        (round(r * math.sin(a), 2), round(-r * math.cos(a), 2))
        for i in range(corners)
        for r, a in [(radii[i % len(radii)], 2 * math.pi * i / corners)]
    )


def _cross(arm: float, half: float) -> Corners:
    quarter = ((half, -arm), (half, -half), (arm, -half))
    turned: list[Corners] = [quarter]
    for _ in range(3):
        turned.append(tuple((-y, x) for x, y in turned[-1]))
    return tuple(corner for part in turned for corner in part)


#: Corners of each shape around (0, 0), about 9 units wide; the circle has none.
SHAPES: dict[str, Corners | None] = {
    "circle": None,
    "square": ((-3.8, -3.8), (3.8, -3.8), (3.8, 3.8), (-3.8, 3.8)),
    "triangle": _ring(3, (5.6,)),
    "diamond": ((0, -5.8), (3.6, 0), (0, 5.8), (-3.6, 0)),
    "cross": _cross(5.0, 1.7),
    "star": _ring(10, (6.0, 2.4)),
    "hexagon": _ring(6, (4.9,)),
}
