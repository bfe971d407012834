"""Where the energy, the carbon, the money and the peak of a bill are from, and how old that is."""

from __future__ import annotations

import datetime

from efficient.ledger.bill import GRADES, Cost, Grid, Price
from efficient.ledger.record import Record

#: A price is a fact of a day: providers differ by a factor of three, and change within months.
PRICE_DAYS = 180
#: Intensities of a year are published one or two years later.
GRID_YEARS = 3
BASES = {"location": "the grid's mix", "market": "the contracts' mix"}


def provenance(cost: Cost) -> dict[str, str]:
    """In words, by name of a field of `Cost`, for those that are known."""
    found = {}
    if cost.energy_j is not None:
        found["energy_j"] = energy(cost)
    if cost.carbon_gco2e is not None and cost.grid:
        pue = f", building's overhead (PUE) {cost.pue:g}, {cost.pue_source}" if cost.pue else ""
        found["carbon_gco2e"] = f"{intensity(cost.grid)}{pue}"
    if cost.cost_usd is not None and cost.price:
        found["cost_usd"] = price(cost.price)
    if cost.mfu is not None and cost.peak:
        rate = f"{cost.peak.flops_per_s / 1e12:.3g} TFLOP/s in {cost.peak.dtype}"
        found["mfu"] = f"peak {rate} ({cost.peak.source})"
    return found


def energy(cost: Cost) -> str:
    """Which parts of the machine the sum covers, and which it lacks."""
    whole = [p for p in cost.energy if p.part == "machine" and p.grade]  # holds all other parts
    parts = whole or cost.energy
    known = [f"{p.part} by {p.source} (grade {p.grade})" for p in parts if p.grade]
    lacking = [f"{p.part} ({p.reason})" for p in parts if not p.grade]
    text = ", ".join(known) or f"grade {cost.energy_grade}, {GRADES.get(cost.energy_grade, '')}"
    return f"{text}; without {', '.join(lacking)}" if lacking else text


def intensity(grid: Grid) -> str:
    """`56 g/kWh (FRA 2023, the grid's mix; SOURCE)`."""
    where = f"{grid.region} {grid.year or ''}".strip()
    words = ", ".join(filter(None, (where, BASES.get(grid.basis, grid.basis))))
    return f"{grid.g_per_kwh:g} g/kWh ({words}; {grid.source})"


def price(price: Price) -> str:
    """`$0.2 per chip-hour (aws, 2025-02-01; SOURCE)`."""
    who = ", ".join(filter(None, (price.provider.removeprefix("user"), price.date)))
    words = "; ".join(filter(None, (who, price.source)))
    return f"${price.usd_per_chip_hour:g} per chip-hour ({words})"


def outdated(record: Record) -> list[str]:
    """One line for each row of a table that was old on the day of the run."""
    day, found = _day(record.started_utc), []
    price, grid = record.cost.price, record.cost.grid
    dated = _day(price.date) if price else None
    if day and price and dated and (days := (day - dated).days) > PRICE_DAYS:
        found.append(
            f"the price of {price.provider} is of {price.date}, {days} days before the run: "
            "give today's with --usd-per-chip-hour"
        )
    if day and grid and grid.year and (years := day.year - grid.year) > GRID_YEARS:
        found.append(
            f"the carbon intensity of {grid.region} is of {grid.year}, {years} years before the "
            "run: give a newer one with --gco2e-per-kwh"
        )
    return found


def _day(text: str) -> datetime.date | None:
    """The first day of an ISO year, month, day or time; None where it is no date."""
    try:
        return datetime.date.fromisoformat((text + "-01-01")[:10])
    except ValueError:
        return None
