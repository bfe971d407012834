"""A time of one machine as it would be on another, from the calibrations of both.

Each kind of time (matrix products, convolutions, memory, arithmetic, host) shrinks or grows as the
benchmarks of that kind do from the one machine to the other. How much the benchmarks of a kind
disagree about that is the error, with the spread of both calibrations.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from statistics import fmean, pstdev

from efficient.ledger.bill import Calibration, Range
from efficient.predict.estimate import EstimateError

#: Which benchmarks a kind of time follows.
TABLES = {
    "matmul": "matmul",
    "arithmetic": "matmul",
    "convolution": "convolution",
    "memory": "copy",
}


def normalise(
    seconds: float, source: Calibration, target: Calibration, mix: Mapping[str, float]
) -> Range:
    """`seconds` of the machine `source` on the machine `target`.

    mix: what the time goes into, as `Seconds.by_kind` has it; only the proportions count.

    Raises:
        EstimateError: `mix` is empty or has an unknown kind, or the calibrations share nothing.
    """
    total = sum(mix.values())
    unknown = set(mix) - set(TABLES) - {"host"}
    if unknown or total <= 0:
        wrong = sorted(unknown)[0] if unknown else "nothing"
        raise EstimateError(f"mix has {wrong!r}; give seconds of {', '.join([*TABLES, 'host'])}")
    noise = math.hypot(source.spread, target.spread)
    ends = {"low": 0.0, "central": 0.0, "high": 0.0}
    for kind, part in mix.items():
        if not part:
            continue
        logs = list(_ratios(kind, source, target))
        if not logs:
            raise EstimateError(f"the calibrations share no benchmark of {kind}; calibrate anew")
        share, middle, error = seconds * part / total, fmean(logs), pstdev(logs) + noise
        for end, away in (("low", -error), ("central", 0.0), ("high", error)):
            ends[end] += share * math.exp(middle + away)
    return Range(**ends)


def _ratios(kind: str, source: Calibration, target: Calibration) -> Iterator[float]:
    """Logarithms of seconds on `target` / seconds on `source`, of every benchmark of a kind."""
    if kind == "host":
        yield math.log(target.dispatch_s / source.dispatch_s)
        return
    old, new = getattr(source, TABLES[kind]), getattr(target, TABLES[kind])
    for name, rate in old.items():
        if name in new and (kind == "memory" or name.startswith("float32")):
            yield math.log(rate / new[name])
