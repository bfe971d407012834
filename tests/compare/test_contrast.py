"""Costs of two arms: counted ones to the unit, measured ones by their seeds."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from fabrication import arm, records
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from efficient.compare.contrast import (
    CHEAPER,
    DEARER,
    EVEN,
    UNDECIDED,
    UNKNOWN,
    contrast,
    whole,
)
from efficient.compare.sequential import sequential
from efficient.compare.summary import rows

SEEDS = {0: 0.9, 1: 0.9, 2: 0.9}


def seconds(label, values, first=0):
    seeds = {first + i: 0.9 for i in range(len(values))}
    return arm(label, seeds, train_s=tuple(values))


def test_counted_costs_need_no_test_and_a_byte_is_no_difference():
    one, near, other = (arm(str(n), {0: 0.9}, stored_bytes=n) for n in (100_000, 100_001, 101_000))
    assert contrast(one, other, "stored_bytes").word == CHEAPER
    assert contrast(other, one, "stored_bytes").word == DEARER
    assert contrast(one, one, "stored_bytes").word == EVEN
    assert contrast(one, near, "stored_bytes").word == EVEN


def test_measured_costs_are_tested_by_seed_on_their_logarithms():
    mine, theirs = (8.0, 9.1, 10.0), (10.0, 11.0, 12.1)
    found = contrast(seconds("a", mine), seconds("b", theirs), "train_s")
    expected = stats.ttest_rel(np.log(mine), np.log(theirs)).pvalue
    assert found.p == pytest.approx(expected) and found.word == CHEAPER
    assert found.ratio == pytest.approx(np.mean(mine) / np.mean(theirs))


def test_other_seeds_are_tested_by_welch():
    mine, theirs = (8.0, 9.1, 10.0), (10.0, 11.0, 12.1)
    found = contrast(seconds("a", mine, first=7), seconds("b", theirs), "train_s")
    expected = stats.ttest_ind(np.log(mine), np.log(theirs), equal_var=False).pvalue
    assert found.p == pytest.approx(expected) and found.word == UNDECIDED


def test_looking_on_the_way_asks_for_more():
    one, other = seconds("a", (8.0, 9.1, 10.0)), seconds("b", (10.0, 11.0, 12.1))
    assert contrast(one, other, "train_s", sequential).p > contrast(one, other, "train_s").p


@given(st.lists(st.tuples(st.floats(1, 100), st.floats(1, 100)), min_size=2, max_size=6))
def test_exchanged_arms_have_exchanged_words(pairs):
    one, other = (seconds(str(i), values) for i, values in enumerate(zip(*pairs, strict=True)))
    there, back = contrast(one, other, "train_s"), contrast(other, one, "train_s")
    swapped = {CHEAPER: DEARER, DEARER: CHEAPER}
    assert back.word == swapped.get(there.word, there.word)
    assert back.p == pytest.approx(there.p, nan_ok=True)
    assert (there.word == CHEAPER) <= (np.mean([math.log(a / b) for a, b in pairs]) < 0)


def test_one_dear_run_turns_no_verdict_around():
    """By seed it is cheaper, p = 0.02, and in the mean dearer, because of one run of 13 s."""
    one = seconds("a", (0.5, 0.52, 0.48, 0.5, 0.51, 13.0))
    other = seconds("b", (1.0, 1.0, 1.0, 1.0, 1.0, 10.0))
    found, back = contrast(one, other, "train_s"), contrast(other, one, "train_s")
    assert found.p < 0.05 and found.ratio > 1
    assert found.word == back.word == UNDECIDED and "disagree" in found.reason


def test_one_seed_decides_no_seconds():
    found = contrast(seconds("a", (1.0,)), seconds("b", (99.0,)), "train_s")
    assert (found.word, found.reason) == (UNDECIDED, "one seed")


def test_seeds_that_do_not_vary_decide_nothing():
    assert contrast(seconds("a", (1.0, 1.0)), seconds("b", (2.0, 2.0)), "train_s").word == UNDECIDED


@pytest.mark.parametrize(
    ("key", "field", "reason"),
    [
        ("train_s", {"machines": ("another",)}, "different machines"),
        ("energy_j", {"energy_grades": ("D",)}, "readings of different grades"),
        ("memory_peak_bytes", {"memory_source": "another"}, "different sources"),
    ],
)
def test_what_was_measured_otherwise_is_not_compared(key, field, reason):
    one, other = (arm(label, SEEDS, **{key: (1.0, 1.1, 1.2)}) for label in "ab")
    found = contrast(one, dataclasses.replace(other, **field), key)
    assert (found.word, found.reason) == (UNKNOWN, reason)
    assert contrast(one, other, key).word == EVEN


def test_parents_are_charged_in_full():
    found = {row.label: row for row in rows(records()) if row.workload == "digits"}
    student, teacher = found["distilled"], found["teacher"]
    for key in ("flops_executed", "train_s", "total_s"):
        spent = student.cost(key) + teacher.cost(key)
        assert whole(student, key).mean == pytest.approx(spent)
    assert whole(student, "stored_bytes") == student.costs["stored_bytes"]
    own = contrast(student, found["baseline"], "flops_executed", lineage=False)
    full = contrast(student, found["baseline"], "flops_executed")
    assert full.ratio == pytest.approx(own.ratio + 10)


def test_a_missing_parent_makes_the_cost_unknown_and_not_cheap():
    alone = [r for r in records() if r.arm in ("baseline", "distilled") and r.workload == "digits"]
    baseline, orphan = rows(alone)
    found = contrast(orphan, baseline, "train_s")
    assert (found.word, found.reason) == (UNKNOWN, "a parent is not among these records")
    assert contrast(orphan, baseline, "stored_bytes").word == EVEN


def test_an_arm_that_cost_nothing_has_no_ratio():
    found = contrast(arm("a", SEEDS, train_s=0), arm("b", SEEDS, train_s=(1, 2, 3)), "train_s")
    assert found.word == UNKNOWN and "no ratio" in found.reason
