"""How arms look everywhere: one letter, one marker and one colour each, in the order of the rows.

Colours are those of Okabe and Ito (2008), safe for colour-blind readers; the marker repeats what
the colour says. The baseline has the colour of the text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from efficient.compare.summary import BASELINE, Row

TEXT = "#1b1f24"
LINE = "#d5d9de"

#: Names as in `site.css`, which has these hues darker on light ground, for lines as thin as text.
PALETTE = {
    "blue": "#0072b2",
    "vermillion": "#d55e00",
    "green": "#009e73",
    "purple": "#cc79a7",
    "orange": "#e69f00",
    "sky": "#56b4e9",
}
MARKERS = ("s", "^", "D", "v", "P", "X", "p", "h", "<", ">")
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True)
class Look:
    """`colour` on light ground, `marker` in matplotlib's letters, `letter` in the terminal."""

    colour: str
    marker: str
    letter: str


def looks(rows: Sequence[Row]) -> dict[str, Look]:
    """By label; the same order of labels gives the same looks."""
    found, colours = {}, list(PALETTE.values())
    others = 0
    for i, label in enumerate(dict.fromkeys(row.label for row in rows)):
        letter = LETTERS[i % len(LETTERS)]
        if label == BASELINE:
            found[label] = Look(TEXT, "o", letter)
            continue
        colour = colours[others % len(colours)]
        found[label] = Look(colour, MARKERS[others % len(MARKERS)], letter)
        others += 1
    return found
