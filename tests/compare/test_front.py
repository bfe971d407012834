"""Fronts hold what nothing beats; how firmly, and over which area, the seeds say."""

from __future__ import annotations

import dataclasses

import pytest
from fabrication import arm, records
from hypothesis import given
from hypothesis import strategies as st

from efficient.compare.error import CompareError
from efficient.compare.front import pareto
from efficient.compare.summary import rows


def test_front_holds_what_nothing_beats():
    found = [
        arm("baseline", {0: 0.9}, train_s=10),
        arm("cheap", {0: 0.8}, train_s=5),
        arm("beaten", {0: 0.7}, train_s=6),
        arm("tied", {0: 0.9}, train_s=12),
        arm("unknown", {0: 0.99}),
    ]
    assert pareto(found, "train_s") == {"baseline", "cheap"}
    bits = [dataclasses.replace(row, quality_name="bits/token") for row in found]
    assert pareto(bits, "train_s") == {"cheap", "beaten"}
    assert pareto([], "train_s") == set()


def test_front_of_two_workloads_is_refused():
    with pytest.raises(CompareError, match="digits, shakespeare"):
        pareto(rows(records()), "train_s")


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 5)), min_size=1, max_size=8))
def test_every_arm_is_on_the_front_or_beaten_by_one_that_is(points):
    found = [arm(str(i), {0: q / 10}, train_s=c) for i, (q, c) in enumerate(points)]
    front = pareto(found, "train_s")
    for i, (q, c) in enumerate(points):
        beaten = any(
            points[int(j)] != (q, c) and points[int(j)][0] >= q and points[int(j)][1] <= c
            for j in front
        )
        assert (str(i) in front) != beaten
