"""Times of one machine on another: each kind follows its own benchmarks, and says how surely."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st
from machine import calibration

from efficient.predict.estimate import EstimateError
from efficient.predict.normalisation import normalise

HERE = calibration()
MIX = {"matmul": 3.0, "convolution": 0.0, "memory": 1.0, "arithmetic": 0.5, "host": 0.5}


def test_the_same_machine_takes_the_same_time():
    found = normalise(10.0, HERE, HERE, MIX)
    assert (found.low, found.central, found.high) == pytest.approx((10.0, 10.0, 10.0))


@given(st.floats(0.1, 10.0), st.floats(0.1, 100.0))
def test_a_machine_faster_in_everything_takes_that_much_less(speed, seconds):
    found = normalise(seconds, HERE, calibration(speed), MIX)
    assert found.central == pytest.approx(seconds / speed)
    assert found.low == pytest.approx(found.high)


@pytest.mark.parametrize(
    ("field", "kind", "part"), [("copy", "memory", 1.0), ("matmul", "matmul", 3.5)]
)
def test_a_kind_follows_its_own_benchmarks(field, kind, part):
    twice = {name: 2 * rate for name, rate in getattr(HERE, field).items()}
    there = dataclasses.replace(HERE, **{field: twice})
    assert normalise(5.0, HERE, there, MIX).central == pytest.approx(5.0 - part / 2)
    assert MIX[kind] <= part


def test_benchmarks_that_disagree_and_spread_widen_the_range():
    uneven = {
        name: rate * (1 + number % 3) for number, (name, rate) in enumerate(HERE.matmul.items())
    }
    there = dataclasses.replace(HERE, matmul=uneven)
    found = normalise(5.0, HERE, there, MIX)
    assert found.low < found.central < found.high
    noisy = normalise(5.0, dataclasses.replace(HERE, spread=0.1), there, MIX)
    assert noisy.low < found.low and found.high < noisy.high
    assert noisy.central == found.central


@pytest.mark.parametrize("mix", [{}, {"memory": 0.0}, {"memory": 1.0, "luck": 1.0}])
def test_a_mix_that_says_nothing_is_refused(mix):
    with pytest.raises(EstimateError, match="mix has"):
        normalise(1.0, HERE, HERE, mix)


def test_calibrations_that_share_nothing_are_refused():
    with pytest.raises(EstimateError, match="share no benchmark of memory"):
        normalise(1.0, HERE, dataclasses.replace(HERE, copy={}), MIX)
