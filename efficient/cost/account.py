"""The account of a job: joules of the parts to kilowatt-hours, grams and dollars, or why not.

A sum is of what is known, and says what it leaves out; a part that is unknown in one process of a
job is unknown in the job, because the joules that were missed cannot be had again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from efficient.cost import carbon, money
from efficient.cost.chip import Chip
from efficient.cost.site import Site
from efficient.ledger.bill import EnergyPart, Grid, Price

PUE_DEFAULT = (1.0, "default: the energy of the computer alone")
#: A reading of the whole machine holds all other parts.
MACHINE = "machine"


@dataclass(frozen=True)
class Account:
    """The fields of `ledger.bill.Cost` that energy, place and price decide.

    unknown: why a field is None, by its name; `energy` is there when `energy_j` leaves parts out.
    """

    energy: tuple[EnergyPart, ...]
    energy_j: float | None
    energy_grade: str
    energy_facility_kwh: float | None
    pue: float
    pue_source: str
    grid: Grid | None
    carbon_gco2e: float | None
    price: Price | None
    cost_usd: float | None
    unknown: dict[str, str] = field(default_factory=dict)


def account(
    parts: Sequence[EnergyPart], total_s: float, site: Site, chip: Chip | None, chips: int
) -> Account:
    """The bill of `total_s` seconds on `chips` chips (1 machine where `chip` is None).

    `site.chips` stands above `chips`. The grade is the worst of the parts that are summed.

    Raises:
        CarbonError: the region of `site` is not known.
    """
    counted = _counted(parts)
    energy_j = total_j(parts)
    pue, pue_source = (site.pue, "given by the user") if site.pue is not None else PUE_DEFAULT
    grid, no_grid = carbon.grid(site)
    price, no_price = money.price(site, chip)
    kwh = None if energy_j is None else carbon.facility_kwh(energy_j, pue)
    grams = None if kwh is None or grid is None else carbon.carbon_gco2e(kwh, grid)
    dollars = money.cost_usd(total_s, site.chips or chips, price) if price else None
    missing = _missing(parts)
    no_energy = missing if energy_j is None else ""
    reasons = {
        "energy": missing,
        "energy_j": no_energy,
        "energy_facility_kwh": no_energy,
        "grid": no_grid,
        "carbon_gco2e": "; ".join(reason for reason in (no_energy, no_grid) if reason),
        "price": no_price,
        "cost_usd": no_price,
    }
    return Account(
        energy=tuple(parts),
        energy_j=energy_j,
        energy_grade=max((part.grade for part in counted), default=""),
        energy_facility_kwh=kwh,
        pue=pue,
        pue_source=pue_source,
        grid=grid,
        carbon_gco2e=grams,
        price=price,
        cost_usd=dollars,
        unknown={name: reason for name, reason in reasons.items() if reason},
    )


def total_j(parts: Sequence[EnergyPart]) -> float | None:
    """The joules of the known parts that do not hold one another; None where none is known."""
    counted = _counted(parts)
    return sum(part.joules or 0.0 for part in counted) if counted else None


def merge(processes: Sequence[Sequence[EnergyPart]]) -> tuple[EnergyPart, ...]:
    """The parts of a job from those of each of its processes, in the order of their appearance.

    Joules and windows of the same part and source are added. A part that is unknown in one process,
    or not spoken of by it, is unknown: one row with the reason, its windows added.
    """
    rows = [list(parts) for parts in processes]
    names = list(dict.fromkeys(part.part for parts in rows for part in parts))
    merged = []
    for name in names:
        readings = [[part for part in parts if part.part == name] for parts in rows]
        same = [part for reading in readings for part in reading]
        if reason := _unread(readings):
            window_s = sum(part.window_s for part in same)
            merged.append(EnergyPart(name, None, "none", "", window_s, None, reason))
        else:
            sources = dict.fromkeys(part.source for part in same)
            merged += [_sum([p for p in same if p.source == source]) for source in sources]
    return tuple(merged)


def _counted(parts: Sequence[EnergyPart]) -> list[EnergyPart]:
    """Known parts that do not hold one another."""
    known = [part for part in parts if part.joules is not None]
    return [part for part in known if part.part == MACHINE] or known


def _missing(parts: Sequence[EnergyPart]) -> str:
    """What no joules are known of, and why; "" when nothing is missing."""
    if not parts:
        return "no energy was read"
    if any(part.part == MACHINE and part.joules is not None for part in parts):
        return ""
    return "; ".join(f"{part.part}: {part.reason}" for part in parts if part.joules is None)


def _unread(readings: Sequence[Sequence[EnergyPart]]) -> str:
    """Why the readings of one part, by process, do not add up to the part."""
    for number, reading in enumerate(readings, 1):
        where = f"process {number} of {len(readings)}: " if len(readings) > 1 else ""
        if not reading:
            return f"{where}its energy is unknown"
        for part in reading:
            if part.joules is None:
                return f"{where}{part.reason}"
    return ""


def _sum(parts: Sequence[EnergyPart]) -> EnergyPart:
    """Known readings of one part by one source, as one. Idle power is the mean over the windows."""
    window_s = sum(part.window_s for part in parts)
    idle = [part.idle_w * part.window_s for part in parts if part.idle_w is not None]
    reasons = dict.fromkeys(part.reason for part in parts if part.reason)
    return replace(
        parts[0],
        joules=sum(part.joules or 0.0 for part in parts),
        grade=max(part.grade for part in parts),
        window_s=window_s,
        idle_w=sum(idle) / window_s if len(idle) == len(parts) and window_s > 0 else None,
        reason="; ".join(reasons),
    )
