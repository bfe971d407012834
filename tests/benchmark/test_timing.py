"""Order, number and arithmetic of what is timed, by a clock that stands still between calls."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from efficient.benchmark.timing import (
    FEW_ROUNDS,
    LEAST_CALLS,
    MOST_CALLS,
    ROUNDS,
    WARMUP,
    interval,
    latencies,
    percentiles,
    rounds,
)


class Bench:
    """Calls that take a known time on a clock of their own."""

    def __init__(self, *durations):
        self.now, self.order = 0.0, []
        self.calls = [self._call(number, d) for number, d in enumerate(durations)]

    def _call(self, number, duration):
        def call():
            self.now += duration
            self.order.append(number)

        return call

    def clock(self):
        return self.now


def test_single_calls_in_turns():
    bench = Bench(0.25, 0.5)
    first, second = latencies(bench.calls, 10.0, bench.clock)
    assert set(first) == {0.25} and set(second) == {0.5}
    assert len(first) == len(second) == 40  # the quicker one has had its ten seconds
    assert bench.order[: 2 * WARMUP] == [0, 0, 1, 1]
    assert bench.order[2 * WARMUP :][:8] == [0, 1, 1, 0, 0, 1, 1, 0]


@pytest.mark.parametrize("duration, seconds, calls", [(1.0, 0.1, LEAST_CALLS), (0, 1, MOST_CALLS)])
def test_enough_calls_and_an_end(duration, seconds, calls):
    bench = Bench(duration)
    assert len(latencies(bench.calls, seconds, bench.clock)[0]) == calls


def test_rounds_give_all_the_same_seconds():
    bench = Bench(0.125, 0.5)
    first, second = rounds(bench.calls, 11.0, bench.clock)
    assert first == [0.125] * ROUNDS and second == [0.5] * ROUNDS
    assert bench.order.count(0) == WARMUP + 8 * ROUNDS
    assert bench.order.count(1) == WARMUP + 2 * ROUNDS


def test_long_calls_have_fewer_rounds():
    bench = Bench(4.0, 0.5)
    first, second = rounds(bench.calls, 10.0, bench.clock)
    assert len(first) == len(second) == FEW_ROUNDS
    assert bench.order.count(0) == WARMUP + FEW_ROUNDS
    assert bench.order.count(1) == WARMUP + 4 * FEW_ROUNDS


def test_percentiles():
    assert percentiles(list(range(101)))["p99"] == 99
    assert percentiles(list(range(101)))["p50"] == 50
    assert {"p1", "p99"}.isdisjoint(percentiles([1.0, 2.0, 3.0]))


@given(st.lists(st.floats(0.1, 10), min_size=1, max_size=60))
def test_the_interval_holds_its_median(ratios):
    found = interval(ratios)
    assert min(ratios) <= found.low <= found.median <= found.high <= max(ratios)
    assert found.median == np.median(ratios) and found.pairs == len(ratios)


@pytest.mark.parametrize("count, first", [(1, 0), (5, 0), (6, 0), (8, 0), (9, 1), (11, 1), (12, 2)])
def test_the_interval_is_that_of_the_sign_test(count, first):
    found = interval([float(number) for number in range(count)])
    assert (found.low, found.high) == (first, count - 1 - first)


def test_the_interval_holds_the_median_in_19_of_20():
    rng = np.random.default_rng(0)
    found = [interval(list(rng.normal(size=41))) for _ in range(2000)]
    inside = np.mean([one.low <= 0 <= one.high for one in found])
    assert 0.95 < inside < 0.98
