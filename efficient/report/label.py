"""Names beside the marks of a plot, placed where they cover nothing and keep the marks' order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from efficient.report import style

#: Points to the right and up of a mark, and the alignment; the far ones get a leader.
PLACES = (
    (8, 0, "left", "center"),
    (-8, 0, "right", "center"),
    (7, 7, "left", "bottom"),
    (7, -7, "left", "top"),
    (-7, 7, "right", "bottom"),
    (-7, -7, "right", "top"),
    (14, 18, "left", "bottom"),
    (14, -18, "left", "top"),
    (-14, 18, "right", "bottom"),
    (-14, -18, "right", "top"),
    (16, 32, "left", "bottom"),
    (16, -32, "left", "top"),
    (16, 46, "left", "bottom"),
    (16, -46, "left", "top"),
)
LEADER = {"arrowstyle": "-", "color": style.TEXT, "alpha": 0.4, "linewidth": 0.6, "shrinkB": 4}


@dataclass(frozen=True)
class Mark:
    """A mean at (x, y) of the data with an error bar of `sd` up and down, and its name."""

    name: str
    x: float
    y: float
    sd: float
    colour: str


def place(figure: Any, axes: Any, marks: Sequence[Mark]) -> None:
    """Write every name beside its mark, from the highest mark down, and fix the layout.

    A place is judged by what it covers, by leaving the axes, and by standing above a name whose
    mark is above its own; the first of the best is taken.
    """
    from matplotlib.transforms import Bbox

    figure.canvas.draw()
    figure.set_layout_engine("none")
    spots = {mark: axes.transData.transform((mark.x, mark.y)) for mark in marks}
    covered = [Bbox.from_bounds(x - 5, y - 5, 10, 10) for x, y in spots.values()]
    for mark in marks:
        ends = [(mark.x, mark.y - mark.sd), (mark.x, mark.y + mark.sd)]
        covered.append(Bbox(axes.transData.transform(ends)).padded(2))
    frame = axes.get_window_extent()
    written: list[Any] = []
    for mark in sorted(marks, key=lambda mark: -spots[mark][1]):
        found = []
        for rank, where in enumerate(PLACES):
            text, box = _write(figure, axes, mark, where)
            outside = not (frame.contains(*box.min) and frame.contains(*box.max))
            swapped = any(_above(box, other) for other in written)
            harm = sum(box.overlaps(other) for other in covered) + 3 * outside + swapped
            found.append((harm, rank, text, box))
        _, _, text, box = min(found, key=lambda entry: entry[:2])
        axes.add_artist(text)
        covered.append(box)
        written.append(box)


def _write(figure: Any, axes: Any, mark: Mark, where: tuple[int, int, str, str]) -> Any:
    """The text at one place, not yet part of the plot, and its box without the leader."""
    from matplotlib.text import Text

    right, up, across, along = where
    text = axes.annotate(
        mark.name,
        (mark.x, mark.y),
        (right, up),
        textcoords="offset points",
        ha=across,
        va=along,
        color=mark.colour,
        arrowprops=LEADER if abs(up) > 9 else None,
        zorder=4,
    )
    text.update_positions(figure.canvas.get_renderer())
    box = Text.get_window_extent(text)
    text.remove()
    return text, box


def _above(box: Any, other: Any) -> bool:
    """Whether `box` stands above `other` within its columns."""
    beside = box.x0 < other.x1 and other.x0 < box.x1
    return beside and box.y0 + box.y1 > other.y0 + other.y1
