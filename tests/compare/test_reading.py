"""Readings say what holds of all arms together, and are silent otherwise."""

from __future__ import annotations

import dataclasses

from fabrication import arm, records
from scipy import stats
from test_returns import runs

from efficient.compare.comparison import compare
from efficient.compare.reading import readings
from efficient.compare.summary import rows

STEADY = {0: 0.9, 1: 0.901, 2: 0.899}


def read(*arms, **options):
    (found,) = compare(arms, **options)
    return list(found.readings)


def timed(label, seconds, values=STEADY, **costs):
    by_seed = (seconds, 1.01 * seconds, 0.99 * seconds + 0.001)
    return arm(label, values, train_s=by_seed, **costs)


def test_costs_that_put_different_arms_first_are_told_with_the_worst_tau():
    found = [
        timed("masked", 10, params_nonzero=1, stored_bytes=1),
        timed("narrow", 2, params_nonzero=5, stored_bytes=3),
        timed("baseline", 11, params_nonzero=9, stored_bytes=9),
    ]
    tau = stats.kendalltau([1, 5, 9], [10, 2, 11]).statistic
    assert (
        "The costs disagree: nonzero parameters put masked first, train seconds put narrow first "
        f"(Kendall's tau of their orders of 3 arms is {tau:.2f})."
    ) in read(*found)


def test_seconds_that_only_seem_to_differ_are_no_disagreement():
    noisy = (8.0, 12.0, 10.5)
    found = [
        arm("masked", STEADY, train_s=noisy, params_nonzero=1),
        arm("narrow", STEADY, train_s=(12.0, 8.0, 10.0), params_nonzero=5),
        arm("baseline", STEADY, train_s=(90.0, 91.0, 92.0), params_nonzero=9),
    ]
    assert not [text for text in read(*found) if "disagree" in text]


def test_a_cost_that_one_arm_does_not_know_orders_nothing():
    found = [
        timed("masked", 10, params_nonzero=1),
        dataclasses.replace(timed("narrow", 2), costs={}),
    ]
    assert read(*found) == []


def test_dominance_in_words():
    poor = {0: 0.8, 1: 0.812, 2: 0.82}
    base = timed("baseline", 10, poor, stored_bytes=9)
    others = [timed(label, 5, STEADY, stored_bytes=4) for label in ("wide", "deep")]
    (text, *_) = read(base, *others)
    assert text == (
        "wide and deep dominate baseline on quality and every known cost (train seconds and stored "
        "bytes; executed training FLOPs, total seconds, energy, inference FLOPs and peak memory "
        "unknown)."
    )
    (text, *_) = read(
        dataclasses.replace(others[0], arm="baseline", label="baseline"), base_as(base)
    )
    assert text.startswith("other is dominated by baseline on quality")


def base_as(row):
    return dataclasses.replace(row, arm="other", label="other")


def test_returns_and_open_places_along_the_front():
    front = [
        timed("small", 1, {0: 0.90, 1: 0.901, 2: 0.902}),
        timed("middle", 4, {0: 0.98, 1: 0.981, 2: 0.982}),
        timed("large", 10, {0: 0.990, 1: 0.981, 2: 0.981}),
        timed("rival", 9.9, {0: 0.982, 1: 0.984, 2: 0.984}),
    ]
    said = read(*front)
    assert any(
        text.startswith("Along the front, the last 60 % of the train seconds of large brought 0.3 ")
        and text.endswith("a gain that 3 seeds do not show among 4 arms.")
        for text in said
    )
    (loose,) = [text for text in said if "draws" in text]
    assert loose.startswith("Against train seconds, ") and "large (" in loose


def test_a_shown_gain_is_what_the_cost_took():
    front = [
        timed("small", 1, {0: 0.90, 1: 0.90, 2: 0.901}),
        timed("middle", 4, {0: 0.98, 1: 0.981, 2: 0.982}),
        timed("large", 10, {0: 0.985, 1: 0.986, 2: 0.9870001}),
    ]
    assert (
        "Along the front, the last 0.5 points of accuracy (98.10 % of middle to 98.60 % of large) "
        "took 60 % of the train seconds of large."
    ) in read(*front)


def test_the_curve_of_the_baseline_itself():
    made = runs((0.80, 0.95, 0.96, 0.97), (0.80, 0.951, 0.961, 0.9711))
    here = [row for row in rows(made) if row.arm == "baseline"]
    assert (
        "Along the curve of baseline itself, the last 2 points of validation accuracy (95.05 % to "
        "97.06 %) took 50 % of the train seconds."
    ) in readings(here, records=made)
    assert readings(here) == []


def test_invented_records_say_each_thing_once():
    for found in compare(rows(records()), records()):
        assert len(set(found.readings)) == len(found.readings) <= 6
        assert all(text.endswith(".") and "\n" not in text for text in found.readings)
        assert found.readings == compare(found.rows, records())[0].readings


def test_one_arm_says_nothing():
    assert read(timed("baseline", 3)) == []
    assert compare([]) == []
