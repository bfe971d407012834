"""What a user adds to records afterwards: where they ran, and at which price.

A record keeps what it was told when it was made. A region, an overhead or a price that comes later
fills in what is unknown, never what is known, and every line that it makes says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from efficient.ledger.bill import MODELLED, Cost, EnergyPart, Grid, Price
from efficient.ledger.record import Record

J_PER_KWH = 3.6e6
#: An overhead that nobody gave: its source begins with this word, and a later one takes its place.
DEFAULT = "default"


@dataclass(frozen=True)
class Terms:
    """None: nothing to add.

    grid     carbon intensity of where the runs were made
    pue      energy of the building over that of the computers in it
    price    of an hour of one chip
    power_w  average of one chip, measured elsewhere
    devices_per_chip  devices that jax shows of one chip, for price and power
    """

    grid: Grid | None = None
    pue: float | None = None
    price: Price | None = None
    power_w: float | None = None
    devices_per_chip: int = 1


def apply(records: Sequence[Record], terms: Terms) -> tuple[list[Record], list[str]]:
    """The records with what was unknown and can be computed now, and a line for each addition."""
    made = [replace(record, cost=_filled(record, terms)) for record in records]
    pairs = [(a.cost, b.cost) for a, b in zip(records, made, strict=True)]
    notes = []
    for key, given, words in (
        ("energy_j", terms.power_w, "the energy, of the power given now"),
        ("pue", terms.pue, "the building's overhead (PUE) given now"),
        ("grid", terms.grid, "the carbon intensity given now"),
        ("price", terms.price, "the price given now"),
    ):
        count = sum(getattr(a, key) != getattr(b, key) for a, b in pairs)
        if given is not None and (count or any(getattr(b, key) != given for _, b in pairs)):
            kept = len(made) - count
            own = f"; {kept} kept what they were told when they ran" if kept else ""
            notes.append(f"{words} counts for {count} of {len(made)} runs{own}")
    return made, notes


def _filled(record: Record, terms: Terms) -> Cost:
    cost, chips = record.cost, record.machine.devices / terms.devices_per_chip
    if cost.energy_j is None and terms.power_w is not None:
        joules = terms.power_w * chips * cost.total_s
        part = EnergyPart("machine", joules, "user", MODELLED, cost.total_s)
        cost = replace(cost, energy=(part, *cost.energy), energy_j=joules, energy_grade=MODELLED)
    if terms.pue is not None and (cost.pue is None or cost.pue_source.startswith(DEFAULT)):
        cost = replace(cost, pue=terms.pue, pue_source="given", energy_facility_kwh=None)
    if cost.grid is None and terms.grid is not None:
        cost = replace(cost, grid=terms.grid)
    if cost.energy_facility_kwh is None and cost.energy_j is not None and cost.pue is not None:
        kwh = cost.energy_j / J_PER_KWH * cost.pue
        cost = replace(cost, energy_facility_kwh=kwh, carbon_gco2e=None)
    if cost.carbon_gco2e is None and cost.energy_facility_kwh is not None and cost.grid:
        cost = replace(cost, carbon_gco2e=cost.energy_facility_kwh * cost.grid.g_per_kwh)
    if cost.cost_usd is None and terms.price is not None:
        usd = cost.total_s / 3600 * chips * terms.price.usd_per_chip_hour
        cost = replace(cost, cost_usd=usd, price=terms.price)
    return cost
