"""Against what quality is drawn: cost columns, the same with parents, and latency where timed."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from efficient.compare.column import BY_KEY, OF_PARENTS, Column
from efficient.compare.contrast import whole
from efficient.compare.significance import LEVEL
from efficient.compare.summary import Row, Spread, spread

WHOLE = "_whole"

AXES = (
    BY_KEY["flops_executed"],
    Column(
        "flops_executed" + WHOLE,
        "executed training FLOPs with parents",
        "flop",
        "Executed training FLOPs of the run and of all runs that it needed.",
    ),
    BY_KEY["flops_effective"],
    BY_KEY["train_s"],
    Column(
        "train_s" + WHOLE,
        "train seconds with parents",
        "s",
        "Train seconds of the run and of all runs that it needed.",
    ),
    BY_KEY["total_s"],
    BY_KEY["energy_j"],
    BY_KEY["carbon_gco2e"],
    BY_KEY["cost_usd"],
    BY_KEY["stored_bytes"],
    BY_KEY["params_total"],
    BY_KEY["params_nonzero"],
    BY_KEY["flops_inference"],
    Column(
        "latency_s",
        "latency at batch 1",
        "s",
        "Median seconds of one call of the shipped model, where `efficient bench` timed it.",
    ),
)

#: Name of an arm's shipped model, or of one of its runs -> median seconds of a call.
Latencies = Mapping[str, float]


@dataclass(frozen=True)
class Value:
    """A cost of an arm on an axis: by seed, or why it is unknown."""

    spread: Spread | None
    reason: str = ""


def value(row: Row, axis: Column, latencies: Latencies) -> Value:
    """What an arm cost on one axis."""
    if axis.key == "latency_s":
        return _latency(row, latencies)
    if axis.key.endswith(WHOLE):
        return _whole(row, axis.key.removesuffix(WHOLE))
    found = row.costs.get(axis.key)
    return Value(found) if found else Value(None, row.unknown.get(axis.key, "not measured"))


def interval(found: Spread) -> tuple[float, float] | None:
    """Student's 95 % interval of the mean; None for one value and for values that do not vary."""
    if not found.sd or not math.isfinite(found.sd):
        return None
    half = _reach(len(found.values)) * found.sd / math.sqrt(len(found.values))
    return found.mean - half, found.mean + half


def _whole(row: Row, key: str) -> Value:
    reasons = (row.unknown[column] for column in (key, OF_PARENTS[key]) if column in row.unknown)
    return Value(whole(row, key), next(reasons, ""))


def _latency(row: Row, latencies: Latencies) -> Value:
    timed = [latencies[run] for run in row.run_ids if run in latencies]
    if len(timed) == row.n:
        return Value(spread(timed))
    if row.label in latencies:
        return Value(spread([latencies[row.label]]))
    return Value(None, "no benchmark.json of `efficient bench --json` here names it")


@functools.cache
def _reach(size: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(size - 1, 1 - LEVEL / 2))


def reasons(values: Sequence[tuple[str, Value]]) -> list[str]:
    """A line for each reason why arms have no place on an axis, with their names."""
    arms: dict[str, list[str]] = {}
    for label, found in values:
        if found.spread is None:
            arms.setdefault(found.reason, []).append(label)
    return [f"unknown of {', '.join(labels)}: {reason}" for reason, labels in arms.items()]
