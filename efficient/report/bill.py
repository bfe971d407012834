"""The whole bill of one run in words: every number, how it was obtained, and how sure it is."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass

from efficient.compare.column import BY_KEY
from efficient.compare.provenance import outdated, provenance
from efficient.ledger.bill import GRADES, Calibration, Cost, EnergyPart, Estimate
from efficient.ledger.record import Record
from efficient.report import number

#: XLA's count over ours, where both count right: it also prices what is no contraction.
XLA_AGREES = (0.999, 1.10)
BOUNDS = {
    "compute": "arithmetic: the chip's multipliers are the limit",
    "memory": "memory: moving operands is the limit",
    "host": "the host: dispatch and the feed are the limit",
}
_FLOPS = (
    "flops_executed",
    "flops_effective",
    "flops_model",
    "flops_teacher",
    "flops_scoring",
    "flops_eval",
    "flops_inference",
    "bit_operations",
)
_MEMORY = (
    "memory_weights_bytes",
    "memory_optimizer_bytes",
    "memory_activation_bytes",
    "memory_static_bytes",
    "memory_peak_bytes",
)
_SIZE = ("params_total", "params_nonzero", "stored_bytes", "stored_weight_bytes")
#: Fields of an estimate with their columns; those of plain numbers have no range.
_PREDICTED = ("train_s", "total_s", "energy_j", "carbon_gco2e", "cost_usd")


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it, as names and values."""

    title: str
    pairs: tuple[tuple[str, str], ...]


def sections(record: Record) -> list[Section]:
    """The parts of the bill that have something to say; laps and processes are tables elsewhere."""
    cost = record.cost
    made = (
        Section("cost in FLOPs", tuple(_flops(cost))),
        Section("size and memory", tuple(_size(cost))),
        Section("energy, carbon, money", tuple(_energy(cost))),
        Section("speed", tuple(_speed(record))),
        Section("estimate against measured", tuple(_estimate(cost))),
        Section("warnings", tuple(("old", text) for text in outdated(record))),
    )
    return [section for section in made if section.pairs]


def _flops(cost: Cost) -> Iterable[tuple[str, str]]:
    for key in _FLOPS:
        yield _column(cost, key)
    yield from _split("executed, by type of operand", cost.flops_by_dtype)
    yield from _split("executed, by phase", cost.flops_by_phase)
    ratio = cost.xla_flops_ratio
    if ratio is not None:
        low, high = XLA_AGREES
        verdict = "agrees" if low <= ratio <= high else f"is outside of {low:g} to {high:g}"
        yield "check against XLA", f"one step by XLA / by us: {ratio:.4f}, which {verdict}"
    else:
        yield "check against XLA", _unknown(cost, "xla_flops_ratio")


def _size(cost: Cost) -> Iterable[tuple[str, str]]:
    for key in (*_SIZE, *_MEMORY):
        yield _column(cost, key)
    yield "peak memory by", cost.memory_source
    seen = f"{cost.examples_seen:,} seen, {cost.examples_unique:,} unique"
    yield "examples", f"{seen}, {cost.labels_used:,} labels used"


def _energy(cost: Cost) -> Iterable[tuple[str, str]]:
    for part in cost.energy:
        yield f"{part.part} energy", _part(part)
    name, text = _column(cost, "energy_j")
    grade = cost.energy_grade
    yield name, f"{text}, grade {grade} ({GRADES.get(grade, grade)})" if grade else text
    kwh = cost.energy_facility_kwh
    if kwh is not None and cost.pue is not None:
        shown = number.energy(kwh * 3.6e6)
        yield "energy with the building", f"{shown}, PUE {cost.pue:g} ({cost.pue_source})"
    sources = provenance(cost)
    for key in ("carbon_gco2e", "cost_usd"):
        name, text = _column(cost, key)
        yield name, f"{text}, {sources[key]}" if key in sources else text
    if cost.budget:
        yield "budget", cost.budget


def _part(part: EnergyPart) -> str:
    if part.joules is None:
        return f"{number.NONE}  {part.reason or 'not measured'}"
    idle = "" if part.idle_w is None else f", idle {part.idle_w:.3g} W before"
    text = f"{number.energy(part.joules)} by {part.source}, grade {part.grade} over "
    note = f"; {part.reason}" if part.reason else ""
    return f"{text}{number.seconds(part.window_s)}{idle}{note}"


def _speed(record: Record) -> Iterable[tuple[str, str]]:
    cost = record.cost
    peak = provenance(cost).get("mfu", "")
    for key in ("mfu", "hfu"):
        name, text = _column(cost, key)
        yield name, f"{text} of {peak}" if peak and getattr(cost, key) is not None else text
    if cost.chip:
        yield "chip", cost.chip
    if cost.calibration is not None:
        yield "this machine reached", _reached(cost.calibration)
    yield "a step is bound by", BOUNDS.get(cost.bound, cost.bound) or _unknown(cost, "bound")
    if cost.dispatch_floor_s is None:
        yield "dispatch floor", _unknown(cost, "dispatch_floor_s")
        return
    floor = f"{1e3 * cost.dispatch_floor_s:.3g} ms for a chunk that does nothing"
    if chunks := [point.chunk_s for point in record.points if point.chunk_s]:
        median = statistics.median(chunks)
        share = number.quantity(cost.dispatch_floor_s / median, "fraction")
        floor += f", {share} of the median chunk ({number.seconds(median)})"
    yield "dispatch floor", floor


def _reached(calibration: Calibration) -> str:
    """The best of each micro-benchmark, and how far their repeats lay apart."""
    found = (
        ("matmul", calibration.matmul, "FLOP/s"),
        ("convolution", calibration.convolution, "FLOP/s"),
        ("copy", calibration.copy, "B/s"),
    )
    rates = [f"{name} {number.scaled(max(r.values()), unit)}" for name, r, unit in found if r]
    spread = number.quantity(calibration.spread, "fraction")
    return f"{', '.join(rates)}, within {spread}, on {calibration.measured_utc[:10]}"


def _estimate(cost: Cost) -> Iterable[tuple[str, str]]:
    estimate = cost.estimate
    if estimate is None:
        return
    yield "made", f"{estimate.made_utc}, for {estimate.steps:,} steps"
    if estimate.flops_executed is not None:
        yield _scored(estimate, "flops_executed", f"{estimate.flops_executed:,} FLOP")
    if estimate.memory_bytes is not None:
        yield _scored(estimate, "memory_bytes", number.scaled(estimate.memory_bytes, "B"))
    for key in _PREDICTED:
        guess = getattr(estimate, key)
        if guess is None:
            yield BY_KEY[key].title, f"{number.NONE}  {estimate.unknown.get(key, 'not predicted')}"
            continue
        unit, actual = BY_KEY[key].unit, getattr(cost, key)
        low, central, high = (
            number.quantity(value, unit) for value in (guess.low, guess.central, guess.high)
        )
        was = "unknown" if actual is None else number.quantity(actual, unit)
        yield _scored(estimate, key, f"{central} ({low} to {high}), was {was}")
    for name, text in estimate.assumptions.items():
        yield f"assumed {name}", text


def _scored(estimate: Estimate, key: str, text: str) -> tuple[str, str]:
    title = BY_KEY[key].title if key in BY_KEY else "memory"
    error = estimate.errors.get(key)
    return title, text if error is None else f"{text}, off by {100 * error:+.1f} %"


def _column(cost: Cost, key: str) -> tuple[str, str]:
    """A column's title, and its value with the exact integer, or a dash and why it is unknown."""
    column, value = BY_KEY[key], getattr(cost, key)
    if value is None:
        return column.title, _unknown(cost, key)
    text = number.quantity(value, column.unit)
    return column.title, f"{text}  ({value:,})" if column.unit in ("flop", "bitop") else text


def _split(name: str, counts: dict[str, int]) -> Iterable[tuple[str, str]]:
    if counts:
        total = sum(counts.values()) or 1
        parts = (f"{key} {n:,} ({100 * n / total:.1f} %)" for key, n in counts.items())
        yield name, "\n".join(parts)


def _unknown(cost: Cost, key: str) -> str:
    return f"{number.NONE}  {cost.unknown.get(key, 'not measured')}"
