"""Paid back: by hand, and never where there is nothing to pay with."""

import dataclasses
import math

import pytest
from fabrication import record
from hypothesis import given
from hypothesis import strategies as st

from efficient.compare.breakeven import break_even, said
from efficient.compare.spread import spread
from efficient.compare.summary import rows

BASELINE = rows([record()])[0]


def arm(**costs):
    changed = {key: spread([value]) for key, value in costs.items() if value is not None}
    kept = {key: value for key, value in BASELINE.costs.items() if key not in costs}
    return dataclasses.replace(BASELINE, arm="arm", label="arm", costs=kept | changed)


DENSE = arm(flops_executed=1e12, flops_parents=0, flops_inference=1e6)


def test_a_student_pays_for_its_teacher():
    student = arm(flops_executed=0.5e12, flops_parents=2e12, flops_inference=0.25e6)
    assert break_even(student, DENSE) == pytest.approx(1.5e12 / 0.75e6)
    assert said(2e6) == "the extra training FLOPs are paid back after 2,000,000 predictions"


def test_a_mask_saves_nothing():
    masked = arm(flops_executed=1.2e12, flops_parents=0, flops_inference=1e6)
    assert break_even(masked, DENSE) == math.inf
    assert said(math.inf).endswith("never paid back")


def test_a_larger_network_is_not_said_to_predict_at_the_same_cost():
    teacher = arm(flops_executed=6e12, flops_parents=0, flops_inference=6e6)
    assert break_even(teacher, DENSE) == math.inf
    assert said(math.inf).startswith("its predictions are no cheaper")


def test_what_trains_as_cheaply_has_nothing_to_pay_back():
    assert break_even(DENSE, DENSE) is None
    small = arm(flops_executed=0.1e12, flops_parents=0, flops_inference=0.1e6)
    assert break_even(small, DENSE) is None


@pytest.mark.parametrize("name", ["flops_executed", "flops_parents", "flops_inference"])
def test_what_is_unknown_is_never_free(name):
    costs = {"flops_executed": 2e12, "flops_parents": 1e12, "flops_inference": 1e5}
    assert break_even(arm(**costs), DENSE) is not None
    assert break_even(arm(**costs | {name: None}), DENSE) is None


@given(st.integers(2, 100), st.integers(2, 100))
def test_after_that_many_predictions_both_have_cost_the_same(dearer, cheaper):
    student = arm(flops_executed=dearer * 1e12, flops_parents=0, flops_inference=1e6 / cheaper)
    number = break_even(student, DENSE)
    ours = dearer * 1e12 + number * 1e6 / cheaper
    assert ours == pytest.approx(1e12 + number * 1e6)
