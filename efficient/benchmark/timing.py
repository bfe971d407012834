"""Seconds of calls that wait for their result, taken in turns so that a busy minute hits all alike.

A call is a function without arguments that returns when its result is there. Compilation and the
first two calls of each (the warm-up) are before the clock starts.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from statistics import median, quantiles

from efficient.ledger.benchmark import Interval

Call = Callable[[], object]
Clock = Callable[[], float]

#: Calls before the clock starts; rounds of a comparison, and when one call takes a whole round.
WARMUP, ROUNDS, FEW_ROUNDS = 2, 11, 6
#: Single calls of a latency: at least, at most.
LEAST_CALLS, MOST_CALLS = 20, 20_000
PERCENTS = (1, 5, 10, 25, 50, 75, 90, 95, 99)
#: A percentile is told apart from the maximum by at least so many calls.
P99_CALLS = 100


def latencies(
    calls: Sequence[Call], seconds: float, clock: Clock = time.perf_counter
) -> list[list[float]]:
    """Seconds of single calls, one of each in turn, until each has had `seconds`."""
    _warm(calls, clock)
    found: list[list[float]] = [[] for _ in calls]
    spent = 0.0
    while len(found[0]) < MOST_CALLS and (len(found[0]) < LEAST_CALLS or spent < seconds):
        for number in _turns(len(calls), len(found[0])):
            found[number].append(_time(calls[number], 1, clock))
        spent = min(sum(times) for times in found)
    return found


def rounds(
    calls: Sequence[Call], seconds: float, clock: Clock = time.perf_counter
) -> list[list[float]]:
    """Seconds per call of each, by round; each gets about `seconds` in all."""
    warm = _warm(calls, clock)
    count = ROUNDS if max(warm) * ROUNDS <= seconds else FEW_ROUNDS
    repeats = [max(1, math.ceil(seconds / count / max(once, 1e-9))) for once in warm]
    found: list[list[float]] = [[] for _ in calls]
    for turn in range(count):
        for number in _turns(len(calls), turn):
            found[number].append(_time(calls[number], repeats[number], clock))
    return found


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """By name, `p50` and so on: p1 and p99 of at least 100 calls only."""
    cuts = quantiles(seconds, n=100, method="inclusive")
    known = [p for p in PERCENTS if 1 < p < 99 or len(seconds) >= P99_CALLS]
    return {f"p{percent}": cuts[percent - 1] for percent in known}


def interval(ratios: Sequence[float]) -> Interval:
    """Median of paired ratios and its interval by order statistics: at least 95 %, or of less than
    six pairs the whole range."""
    ordered, count = sorted(ratios), len(ratios)
    below, left_out = 0, 0
    while (below := below + math.comb(count, left_out)) <= 0.025 * 2**count:
        left_out += 1
    first = max(0, left_out - 1)
    return Interval(median(ordered), ordered[first], ordered[count - 1 - first], count)


def _turns(count: int, turn: int) -> Sequence[int]:
    """The order of a round; every second one goes backwards."""
    return range(count) if turn % 2 == 0 else range(count - 1, -1, -1)


def _warm(calls: Sequence[Call], clock: Clock) -> list[float]:
    """Seconds of the last call of the warm-up of each."""
    return [[_time(call, 1, clock) for _ in range(WARMUP)][-1] for call in calls]


def _time(call: Call, repeats: int, clock: Clock) -> float:
    begin = clock()
    for _ in range(repeats):
        call()
    return (clock() - begin) / repeats
