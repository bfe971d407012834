"""Published training runs replayed: our arithmetic on their inputs, held against their results.

Most published energies are hours x rated power x PUE, so agreement shows that the arithmetic is
the same and nothing about power. What the rows do test is the range of MFU that a forecast
assumes: the run-average MFU that each implies falls inside it or not.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from efficient.cost.published import CIRCULAR, TrainingRun
from efficient.ledger.bill import Range
from efficient.predict.assumption import MFU

#: Relative error up to which a replay agrees with what was published.
TOLERANCE = {"energy_kwh": 0.01, "carbon_tco2e": 0.015}


@dataclass(frozen=True)
class Check:
    """A published number beside ours. None: not published, or not computable."""

    published: float | None
    computed: float | None

    @property
    def error(self) -> float | None:
        """computed / published - 1."""
        if not self.published or self.computed is None:
            return None
        return self.computed / self.published - 1


@dataclass(frozen=True)
class Case:
    """One run replayed.

    flops         published, and 6 N D
    energy_kwh    published, and chip-hours x W x PUE
    carbon_tco2e  published, and published kWh x g/kWh (computed kWh where none is published)
    circular      the published energy is itself hours times a power that was not measured
    mfu           6 N D / (chip-hours x peak), over all hours
    usd_per_chip_hour  published dollars / chip-hours
    """

    id: str
    model: str
    flops: Check
    energy_kwh: Check
    carbon_tco2e: Check
    circular: bool
    mfu: float | None
    usd_per_chip_hour: float | None

    @property
    def agrees(self) -> bool | None:
        """Whether every number that has a tolerance is within it; None where there is none."""
        errors = {name: getattr(self, name).error for name in TOLERANCE}
        known = {name: error for name, error in errors.items() if error is not None}
        return all(abs(e) <= TOLERANCE[name] for name, e in known.items()) if known else None

    @property
    def inside(self) -> bool | None:
        """Whether the implied MFU is in the range that a forecast assumes."""
        return None if self.mfu is None else MFU[0] <= self.mfu <= MFU[1]


def replay(run: TrainingRun) -> Case:
    """Compute what a published run's inputs give."""
    hours = run.chip_hours
    energy = None
    if hours is not None and run.power_w is not None:
        energy = hours * run.power_w / 1000 * (run.pue or 1.0)
    kwh = run.energy_kwh or energy
    carbon = None
    if kwh is not None and run.gco2e_per_kwh is not None:
        carbon = kwh * run.gco2e_per_kwh / 1e6
    return Case(
        id=run.id,
        model=run.model,
        flops=Check(run.flops, run.flops_6nd),
        energy_kwh=Check(run.energy_kwh, energy),
        carbon_tco2e=Check(run.carbon_tco2e, carbon),
        circular=run.energy_basis in CIRCULAR,
        mfu=run.mfu_6nd,
        usd_per_chip_hour=run.cost_usd / hours if run.cost_usd and hours else None,
    )


def spread(cases: Iterable[Case]) -> Range | None:
    """Smallest, median and largest implied MFU."""
    found = sorted(case.mfu for case in cases if case.mfu is not None)
    if not found:
        return None
    middle = len(found) // 2
    median = (found[middle] + found[-1 - middle]) / 2
    return Range(found[0], median, found[-1])
