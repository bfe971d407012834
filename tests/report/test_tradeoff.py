"""Operating points: a line for each method, read against the baseline."""

from __future__ import annotations

import dataclasses
import xml.etree.ElementTree as ET

import pytest
from fabrication import record

from efficient.compare.column import BY_KEY
from efficient.compare.difference import times
from efficient.compare.spread import spread
from efficient.compare.summary import rows
from efficient.report import tradeoff

LABELS = {"pruned": "magnitude @ 2x", "quantized": "magnitude @ 4x", "distilled": "random @ 4x"}


@pytest.fixture(scope="module")
def here():
    made = [record(arm=arm, seed=seed) for arm in ("baseline", *LABELS) for seed in (0, 1)]
    made.append(record(arm="teacher"))
    return rows([dataclasses.replace(r, arm=LABELS.get(r.arm, r.arm)) for r in made])


def by_method(table):
    found = {row[0].text: row for row in table.rows}
    return found["baseline"], found["magnitude"], found["random"]


def test_points_are_read_from_the_labels(here):
    found = tradeoff.points(here)
    assert {m: [*p] for m, p in found.items()} == {"magnitude": ["2x", "4x"], "random": ["4x"]}
    assert found["random"]["4x"].label == "random @ 4x"


def test_a_table_has_methods_down_and_points_across(here):
    quality, stored = tradeoff.tables(here, [BY_KEY["stored_bytes"], BY_KEY["energy_j"]])
    assert quality.columns == ("method", "itself", "2x", "4x")
    baseline, magnitude, random = by_method(quality)
    assert baseline[0].text == "baseline" and baseline[1].text and not baseline[2].text
    assert magnitude[2].text and magnitude[3].text
    assert not random[2].text and random[3].text
    baseline, magnitude, _ = by_method(stored)
    assert baseline[1].text == "1.07 MB"
    assert magnitude[2].text == times(0.2)  # 214,900 of 1,067,400 bytes


def written(rows, column):
    root = ET.fromstring(tradeoff.svg(rows, column))
    return {"".join(node.itertext()).strip() for node in root.iter() if node.tag.endswith("text")}


def test_a_plot_has_a_line_for_each_method(here):
    words = written(here, BY_KEY["stored_bytes"])
    assert {"magnitude", "random", "baseline"} <= words and "0" not in words
    assert tradeoff.svg(here, BY_KEY["energy_j"]) is None


def test_what_costs_nothing_is_in_the_plot(here):
    """An arm that takes no step, and a baseline without parents."""
    free = [
        dataclasses.replace(row, costs=row.costs | {"train_s": spread([0.0])})
        if row.label == "random @ 4x"
        else row
        for row in here
    ]
    assert {"random", "0"} <= written(free, BY_KEY["train_s"])
    words = written(here, BY_KEY["flops_parents"])
    assert {"magnitude", "random", "baseline", "0"} <= words
    nothing = [row for row in here if not row.cost("flops_parents")]
    assert tradeoff.svg(nothing, BY_KEY["flops_parents"]) is None
