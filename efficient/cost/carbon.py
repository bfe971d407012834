"""From energy to carbon: how many grams a kilowatt-hour of a country's grid stands for."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from efficient.cost.site import Site
from efficient.cost.table import rows
from efficient.ledger.bill import Grid

NO_REGION = "no region given: --region CODE or EFFICIENT_REGION"
JOULES_PER_KWH = 3.6e6


class CarbonError(ValueError):
    """A region that is not known: one line naming it and the nearest that is."""


@dataclass(frozen=True)
class Region:
    """Location-based intensity of one country in one year, or of the world."""

    code: str
    names: tuple[str, ...]
    year: int
    gco2e_per_kwh: float
    source: str
    status: str


def regions() -> tuple[Region, ...]:
    """All rows of the table; a country may stand there with several years."""
    return rows("grid", Region)


def grid(site: Site) -> tuple[Grid | None, str]:
    """The intensity at a site, or None and why.

    The user's own number wins. Else `site.region` is an ISO code of three or two letters or a
    country's English name, which means its latest year; "USA@2020" is that year.

    Raises:
        CarbonError: the region, or the year of it, is not in the table.
    """
    if site.gco2e_per_kwh is not None:
        own = Grid(site.gco2e_per_kwh, site.region, None, site.basis, "given by the user")
        return own, ""
    if not site.region:
        return None, NO_REGION
    found = region(site.region)
    if site.basis == "market":
        return None, f"no market-based intensity of {found.code} is known: --gco2e-per-kwh"
    source = f"{found.source} ({found.status})"
    return Grid(found.gco2e_per_kwh, found.code, found.year, "location", source), ""


def region(text: str) -> Region:
    """The row that `text` names, see `grid`.

    Raises:
        CarbonError: there is none.
    """
    name, _, year = text.partition("@")
    spelled = [row for row in regions() if _normal(name) in map(_normal, (row.code, *row.names))]
    if not spelled:
        raise CarbonError(f"region {name!r} is not known: {_nearest(name)}, or --gco2e-per-kwh")
    if not year:
        return max(spelled, key=lambda row: row.year)
    for row in spelled:
        if year == str(row.year):
            return row
    years = ", ".join(str(row.year) for row in spelled)
    raise CarbonError(f"region {name!r} is not known for the year {year!r}: its years are {years}")


def facility_kwh(energy_j: float, pue: float) -> float:
    """Kilowatt-hours of the building for `energy_j` joules of its computers."""
    return energy_j / JOULES_PER_KWH * pue


def carbon_gco2e(energy_facility_kwh: float, grid: Grid) -> float:
    """Operational grams of CO2 equivalent; making the hardware is not in it."""
    return energy_facility_kwh * grid.g_per_kwh


def _nearest(name: str) -> str:
    codes = {_normal(word): row.code for row in regions() for word in (row.code, *row.names)}
    near = difflib.get_close_matches(_normal(name), codes, n=1, cutoff=0.0)[0]
    return f"the nearest is {codes[near]}"


def _normal(text: str) -> str:
    return " ".join(text.split()).casefold()
