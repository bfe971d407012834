"""A published clock is a choice of our laps: never more than all, and it says its bounds."""

from __future__ import annotations

import dataclasses

import pytest
from fabrication import record
from hypothesis import given
from hypothesis import strategies as st

from efficient.compare.clock import (
    ABOUT,
    AT_LEAST,
    AT_MOST,
    RULES,
    bounds,
    explain,
    mark,
    seconds,
)
from efficient.ledger.record import LAPS

LAP_SECONDS = st.fixed_dictionaries({}, optional=dict.fromkeys(LAPS, st.floats(0.0, 1e5)))
EACH_RULE = pytest.mark.parametrize("name", RULES)


def bill(laps):
    cost = record().cost
    return dataclasses.replace(cost, laps=laps, total_s=sum(laps.values()))


def names(text):
    return tuple(text.split())


@given(LAP_SECONDS)
def test_every_rule_lies_between_its_bounds_and_below_the_total(laps):
    cost = bill(laps)
    slack = 1e-9 * (1 + cost.total_s)
    for rule in RULES.values():
        low, high = bounds(cost, rule)
        assert -slack <= low <= seconds(cost, rule) + slack
        assert seconds(cost, rule) <= high + slack
        assert high <= cost.total_s + slack


@given(LAP_SECONDS)
def test_total_is_the_sum_of_the_laps_and_train_is_one(laps):
    cost = bill(laps)
    assert seconds(cost, RULES["total"]) == pytest.approx(cost.total_s)
    assert seconds(cost, RULES["train"]) == laps.get("train", 0.0)
    for name in ("total", "train"):
        low, high = bounds(cost, RULES[name])
        assert low == high == seconds(cost, RULES[name])


@EACH_RULE
def test_a_rule_is_a_choice_of_laps(name):
    """Each lap alone counts whole or not at all; what is free counts above its allowance."""
    rule = RULES[name]
    assert {*rule.laps, *rule.under, *rule.free} <= set(LAPS)
    assert set(rule.over) <= set(rule.laps) and not set(rule.laps) & {*rule.under, *rule.free}
    for lap in LAPS:
        expected = 7.0 if lap in rule.laps else 0.0
        assert seconds(bill({lap: 7.0}), rule) == expected
    assert bool(rule.unknowable) == bool(mark(rule)), "a mark is explained, and only then"


@pytest.mark.parametrize(
    ("name", "counted", "left_out"),
    [
        ("airbench", "train", "compile warmup data checkpoint deploy"),
        ("modded-nanogpt", "train", "compile warmup eval checkpoint"),
        ("algoperf", "compile train", "eval checkpoint write"),
        ("mlperf", "data train eval", "compile build warmup start deploy"),
    ],
)
def test_what_the_publishers_write(name, counted, left_out):
    rule = RULES[name]
    assert set(names(counted)) <= set(rule.laps)
    assert not set(names(left_out)) & set(rule.laps)


def test_mlperf_leaves_out_twenty_minutes_of_initialisation_and_no_more():
    short = bill({"start": 100.0, "compile": 1000.0, "train": 50.0})
    long = bill({"start": 100.0, "compile": 1400.0, "train": 50.0})
    assert seconds(short, RULES["mlperf"]) == 50.0
    assert seconds(long, RULES["mlperf"]) == 350.0


def test_airbench_may_have_counted_the_last_evaluation():
    cost = bill({"train": 10.0, "eval": 2.0, "compile": 5.0})
    assert seconds(cost, RULES["airbench"]) == 10.0
    assert bounds(cost, RULES["airbench"]) == (10.0, 12.0)
    assert bounds(cost, RULES["algoperf"]) == (10.0, 15.0)


def test_marks_say_on_which_side_the_publisher_would_be():
    assert {name: mark(rule) for name, rule in RULES.items()} == {
        "train": "",
        "airbench": AT_LEAST,
        "modded-nanogpt": AT_LEAST,
        "algoperf": ABOUT,
        "mlperf": ABOUT,
        "total": "",
    }
    only_over = dataclasses.replace(RULES["algoperf"], under=())
    assert mark(only_over) == AT_MOST


@EACH_RULE
def test_explanation_names_the_laps_the_source_and_what_is_missing(name):
    rule, text = RULES[name], explain(name)
    assert rule.title in text and rule.source in text and rule.unknowable in text
    assert all(lap in text for lap in rule.laps) or rule.laps == LAPS
    assert "\n" not in text
