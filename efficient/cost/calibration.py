"""What this machine reaches on the micro-benchmarks, kept for as long as the machine stays itself.

Repeats are interleaved: every round runs every benchmark once, so a busy minute of the machine
touches all of them and not one. A value is the median over the rounds, and `spread` the largest
relative half-width (half the distance between the quartiles, over the median) of any of them.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from statistics import median, quantiles

import jax

from efficient.cost.machine import machine
from efficient.cost.microbenchmark import Timer, benchmarks, dispatch
from efficient.ledger.bill import Calibration

#: Seconds of one repeat of one benchmark, of all of them together, and the fewest rounds.
SLICE_S, BUDGET_S, ROUNDS = 0.015, 20.0, 5


def calibrate(progress: Callable[[str], None] | None = None) -> Calibration:
    """Run the three micro-benchmarks: about 20 seconds. No training step of anything is run."""
    begin, tell = time.perf_counter(), progress or (lambda line: None)
    timers = []
    for number, benchmark in enumerate(found := benchmarks()):
        tell(f"calibration: compiling {number + 1}/{len(found)} {benchmark.name}")
        timers.append(Timer(benchmark, SLICE_S))
    rounds: list[list[float]] = [[] for _ in timers]
    calls: list[float] = []
    while len(calls) < ROUNDS or time.perf_counter() - begin < BUDGET_S:
        tell(f"calibration: round {len(calls) + 1}")
        for timer, seconds in zip(timers, rounds, strict=True):
            seconds.append(timer.measure())
        calls.append(median(dispatch()))
    rates: dict[str, dict[str, float]] = {"matmul": {}, "convolution": {}, "copy": {}}
    for timer, seconds in zip(timers, rounds, strict=True):
        made = timer.benchmark
        rates[made.kind][made.name] = made.work / median(seconds)
    return Calibration(
        machine=description(),
        measured_utc=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        seconds=time.perf_counter() - begin,
        dispatch_s=median(calls),
        spread=max(map(_half_width, [*rounds, calls])),
        **rates,
    )


def description() -> str:
    """The machine in words: whatever changes them makes a calibration worthless."""
    here = machine()
    features = " ".join(here.cpu_features) or "no features known"
    return (
        f"{here.devices} x {here.device_kind} ({here.platform}), {here.cpu}, {here.cores} cores, "
        f"{features}, allocator: {here.allocator}, jax {jax.__version__}"
    )


def machine_key(words: str) -> str:
    """The name under which the calibration of a machine is kept."""
    return hashlib.sha256(words.encode()).hexdigest()[:16]


def save(calibration: Calibration, folder: Path) -> Path:
    """Write the calibration below `folder`, whole or not at all."""
    path = _path(folder, machine_key(calibration.machine))
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}")
    partial.write_text(json.dumps(asdict(calibration), indent=1, allow_nan=False) + "\n")
    partial.replace(path)
    return path


def load(folder: Path, key: str) -> Calibration | None:
    """The calibration of a machine; None when there is none, or none that can be read."""
    try:
        return Calibration(**json.loads(_path(folder, key).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def current(folder: Path, max_age_s: float) -> Calibration | None:
    """This machine's calibration, if it is not older than `max_age_s`."""
    found = load(folder, machine_key(description()))
    if found is None:
        return None
    made = datetime.datetime.fromisoformat(found.measured_utc)
    age = datetime.datetime.now(datetime.UTC) - made
    return found if age.total_seconds() <= max_age_s else None


def _path(folder: Path, key: str) -> Path:
    return folder / "calibration" / f"{key}.json"


def _half_width(seconds: list[float]) -> float:
    low, middle, high = quantiles(seconds, n=4)
    return (high - low) / 2 / middle
