"""From FLOPs to hours, energy, carbon and money: one product of stated assumptions.

chip-hours = FLOPs / (peak x MFU x goodput), kWh = chip-hours x W x PUE / 1000, then grams by the
grid and dollars by the price. `low` takes every assumption at its favourable end and `high` at the
other, so a range is what the assumptions allow and no confidence interval. Assembly is in
`predict.assumption`; here are numbers only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from efficient.ledger.bill import Range


class EstimateError(ValueError):
    """Something that cannot be estimated: one line with the value and the remedy."""


@dataclass(frozen=True)
class Quantity:
    """A number of at least 0, how far it may be off, and its source. No range: unknown, and why."""

    range: Range | None
    unit: str
    source: str

    def __post_init__(self) -> None:
        ends = self.range
        if ends and not 0 <= ends.low <= ends.central <= ends.high < math.inf:
            raise EstimateError(f"{ends} does not rise from 0 or more; give finite numbers")


@dataclass(frozen=True)
class Assumptions:
    """Everything that a forecast rests on, each with its source.

    flops       of training, FLOP, by the model's mathematics: no rematerialisation
    peak        dense FLOP/s of one chip for the operands that are multiplied
    chips       that share the work without loss
    mfu         share of the peak that the model's FLOPs reach in productive hours
    goodput     share of the hours that are productive
    power_w     of one chip, averaged over the job
    pue         energy of the building / energy of the computers
    g_per_kwh   grams of CO2 equivalent per kWh of the grid
    usd_per_chip_hour
    """

    flops: Quantity
    peak: Quantity
    chips: Quantity
    mfu: Quantity
    goodput: Quantity
    power_w: Quantity
    pue: Quantity
    g_per_kwh: Quantity
    usd_per_chip_hour: Quantity


@dataclass(frozen=True)
class Forecast:
    """What a job will take. None: `unknown` says why under the field's name."""

    flops: Range | None
    chip_hours: Range | None
    days: Range | None
    energy_kwh: Range | None
    carbon_kgco2e: Range | None
    cost_usd: Range | None
    assumptions: dict[str, Quantity]
    unknown: dict[str, str]


def exactly(value: float, unit: str, source: str) -> Quantity:
    """One number, taken as it is."""
    return Quantity(Range(value, value, value), unit, source)


def between(low: float, high: float, unit: str, source: str) -> Quantity:
    """A range whose centre is the geometric mean: as many times too low as too high."""
    centre = min(max(math.sqrt(low * high), low), high)
    return Quantity(Range(low, centre, high), unit, source)


def unknown(unit: str, reason: str) -> Quantity:
    return Quantity(None, unit, reason)


def forecast(given: Assumptions) -> Forecast:
    """Multiply out. What rests on something unknown is None, with the reason of the first."""
    speed = product("FLOP/s", given.peak, given.mfu, given.goodput)
    chip_hours = _quotient("h", given.flops, speed, 3600)
    energy = product("kWh", chip_hours, given.power_w, given.pue, scale=1e-3)
    found = {
        "flops": given.flops,
        "chip_hours": chip_hours,
        "days": _quotient("d", chip_hours, given.chips, 24),
        "energy_kwh": energy,
        "carbon_kgco2e": product("kg", energy, given.g_per_kwh, scale=1e-3),
        "cost_usd": product("USD", chip_hours, given.usd_per_chip_hour),
    }
    return Forecast(
        **{name: quantity.range for name, quantity in found.items()},
        assumptions={f.name: getattr(given, f.name) for f in fields(given)},
        unknown={name: q.source for name, q in found.items() if q.range is None},
    )


def product(unit: str, *factors: Quantity, scale: float = 1.0) -> Quantity:
    """End by end; unknown as soon as a factor is, with the reason of the first."""
    ranges = [factor.range for factor in factors]
    reasons = [factor.source for factor in factors if factor.range is None]
    known = [r for r in ranges if r]
    if reasons:
        return unknown(unit, reasons[0])
    ends = (math.prod(getattr(r, end) for r in known) for end in ("low", "central", "high"))
    return Quantity(Range(*(scale * end for end in ends)), unit, "product")


def _quotient(unit: str, whole: Quantity, part: Quantity, parts: float) -> Quantity:
    """whole / (part x parts): lowest where the divisor is largest."""
    if whole.range is None or part.range is None:
        return unknown(unit, (whole if whole.range is None else part).source)
    a, b = whole.range, part.range
    if not b.low:
        raise EstimateError(f"{b} {part.unit} divides the work; give a number above 0")
    ends = (a.low / b.high, a.central / b.central, a.high / b.low)
    return Quantity(Range(*(end / parts for end in ends)), unit, "quotient")
