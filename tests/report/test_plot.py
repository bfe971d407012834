"""Plots draw what is known, the same way every time, and tell arms apart without colour."""

from __future__ import annotations

import dataclasses
import re
import xml.etree.ElementTree as ElementTree

import pytest
from fabrication import records

from efficient.compare.column import BY_KEY, PLOTTED
from efficient.compare.summary import rows
from efficient.report import plot, style
from efficient.report.scatter import limits, scatter

EVERYTHING = rows(records())
DIGITS = EVERYTHING[:5]
EXECUTED = BY_KEY["flops_executed"]


@pytest.fixture(scope="module")
def drawn():
    return plot.svg(DIGITS, EXECUTED)


def test_svg_is_the_same_bytes_every_time(drawn):
    assert plot.svg(DIGITS, EXECUTED) == drawn
    assert not re.search(r"\b20\d\d-\d\d-\d\d", drawn)


def test_svg_names_every_arm_in_its_colour(drawn):
    texts = {
        node.text: node.get("style")
        for node in ElementTree.fromstring(drawn).iter("{http://www.w3.org/2000/svg}text")
    }
    for label, look in style.looks(DIGITS).items():
        assert f"fill: {look.colour}" in texts[label]


def test_unknown_cost_draws_nothing():
    assert plot.svg(DIGITS, BY_KEY["memory_peak_bytes"]) is None


@pytest.mark.parametrize("column", PLOTTED, ids=lambda column: column.key)
def test_text_of_bits_and_single_arms_is_drawn(column):
    assert plot.svg(EVERYTHING[5:], column)
    assert plot.svg(EVERYTHING[5:6], column)


def test_looks_differ_by_colour_marker_and_letter():
    many = [dataclasses.replace(DIGITS[0], label=f"arm {i}") for i in range(6)]
    found = style.looks([DIGITS[0], *many])
    assert found["baseline"].colour == style.TEXT
    for field in ("colour", "marker", "letter"):
        assert len({getattr(look, field) for look in found.values()}) == 7


# -- terminal --------------------------------------------------------------------------------------


def test_scatter_places_letters_and_marks_the_front():
    lines = scatter(DIGITS, EXECUTED, width=60, height=10).splitlines()
    assert max(map(len, lines)) <= 60
    assert lines[0] == "test accuracy against executed training FLOPs (logarithmic)"
    grid = "\n".join(lines[1:11])
    assert [sum(letter in line.split("│")[1] for line in lines[1:11]) for letter in "ABCDE"] == [
        1
    ] * 5
    assert grid.index("E") < grid.index("B") < grid.index("A"), "the better stands higher"
    front = [line.split()[1] for line in lines if re.match(r" [A-E]\* ", line)]
    assert front == ["baseline", "distilled", "teacher"]


def test_scatter_lists_an_arm_whose_cost_is_unknown():
    blank = dataclasses.replace(DIGITS[1], costs={})
    text = scatter([DIGITS[0], blank], EXECUTED)
    assert re.search(r" B  distilled .* \N{EN DASH}$", text, re.MULTILINE)
    assert "│" not in scatter([blank], EXECUTED)


def test_limits_hold_the_values_with_air():
    low, high = limits([5.0])
    assert low < 5.0 < high and high / low >= 1.99
    low, high = limits([1.0, 1e6])
    assert low < 1.0 and high > 1e6
