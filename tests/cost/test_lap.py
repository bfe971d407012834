"""Laps partition the time: whatever the nesting, each second is in exactly one of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from efficient.cost import clock as clocks
from efficient.cost.clock import Clock

TREES = st.recursive(
    st.tuples(st.sampled_from("abc"), st.integers(0, 9), st.just(())),
    lambda inner: st.tuples(
        st.sampled_from("abc"), st.integers(0, 9), st.lists(inner, max_size=3).map(tuple)
    ),
    max_leaves=8,
)


class Time:
    """Seconds that pass only when told to."""

    now = 0.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def time(monkeypatch):
    made = Time()
    monkeypatch.setattr(clocks, "time", made)
    monkeypatch.setattr(Clock, "_first", False)
    monkeypatch.setattr(Clock, "_elsewhere_s", 0.0)
    return made


def spend(clock, time, tree, own):
    """Live through a lap and those inside it; `own` collects the seconds between inner laps."""
    name, seconds, inner = tree
    with clock.lap(name):
        for child in inner:
            spend(clock, time, child, own)
            time.now += seconds
            own[name] = own.get(name, 0) + seconds


@given(tree=TREES)
def test_each_second_is_in_the_innermost_lap_and_in_no_other(tree):
    with pytest.MonkeyPatch.context() as patch:
        time, own = Time(), {}
        patch.setattr(clocks, "time", time)
        patch.setattr(Clock, "_first", False)
        clock = Clock()
        spend(clock, time, tree, own)
        laps = {name: seconds for name, seconds in clock.laps().items() if seconds}
        assert laps == {name: seconds for name, seconds in own.items() if seconds}
        assert clock.total_s() == time.now


def test_a_lap_that_raises_is_closed(time):
    clock = Clock()
    with pytest.raises(KeyError), clock.lap("train"):
        time.now += 2
        raise KeyError
    time.now += 3
    assert clock.laps() == {"train": 2, "write": 3}


def test_what_another_run_has_on_its_bill_is_left_out_of_the_start(time, monkeypatch):
    Clock.leave_out(9.0)  # this process has had its first clock
    monkeypatch.setattr(Clock, "_first", True)
    monkeypatch.setattr(clocks, "process_age_s", lambda: 1.5)
    Clock.leave_out(0.5)
    assert Clock().laps() == {"start": 1.0, "write": 0}


def test_the_first_clock_of_a_process_begins_with_the_process(time, monkeypatch):
    monkeypatch.setattr(Clock, "_first", True)
    monkeypatch.setattr(clocks, "process_age_s", lambda: 1.5)
    assert Clock().laps() == {"start": 1.5, "write": 0}
    assert Clock().laps() == {"write": 0}


def test_an_unknown_age_is_no_lap_of_zero_seconds(time, monkeypatch):
    monkeypatch.setattr(Clock, "_first", True)
    monkeypatch.setattr(clocks, "process_age_s", lambda: None)
    assert "start" not in Clock().laps()
