"""The machine and where it stands: what a run's seconds are metered, predicted and priced with."""

from __future__ import annotations

import math
from dataclasses import dataclass

from efficient.cost import calibration, carbon, host
from efficient.cost.account import Account, account
from efficient.cost.chip import Chip, chip, executed_dtype, find, peak
from efficient.cost.energy.meter import Meter
from efficient.cost.machine import machine
from efficient.cost.site import Site
from efficient.data.location import cache_directory
from efficient.ledger.bill import Calibration, Peak, Process
from efficient.ledger.record import Machine
from efficient.predict.assumption import assume
from efficient.predict.estimate import Assumptions, unknown
from efficient.predict.rate import Rates
from efficient.run.pace import Pace
from efficient.run.spending import energy_of

#: A calibration older than a week says little of a machine that others share.
FRESH_S = 7 * 24 * 3600.0
#: The loop computes on the first device, however many the machine has: only that one is metered,
#: priced and compared with its peak.
DEVICES = 1


@dataclass(frozen=True)
class Venue:
    """chip: of the devices, None where it is not in the table; site: what the user says of it."""

    machine: Machine
    chip: Chip | None
    site: Site

    @classmethod
    def here(cls, site: Site) -> Venue:
        """The devices that jax computes on.

        Raises:
            ChipError, CarbonError: a name of the site is not in its table.
        """
        carbon.grid(site)
        found = machine()
        return cls(found, chip(site.chip) if site.chip else find(found.device_kind), site)

    @classmethod
    def host(cls, site: Site) -> Venue:
        """The host alone, for what uses no accelerator.

        Raises:
            CarbonError: the region of the site is not in its table.
        """
        carbon.grid(site)
        found = host.machine()
        return cls(found, find(found.device_kind), site)

    @property
    def chips(self) -> int:
        """How many are billed: the whole machine is one where no chip is known."""
        if self.site.chips or self.chip is None:
            return self.site.chips or 1
        return max(1, DEVICES // self.chip.devices_per_chip)

    def meter(self) -> Meter:
        """Of the energy of this process."""
        facts = self.machine
        return Meter.open(self.site, self.chip, facts.device_kind, DEVICES, facts.platform)

    def account(self, processes: tuple[Process, ...]) -> Account:
        """Energy, carbon and money of an attempt."""
        total_s = sum(process.total_s for process in processes)
        return account(energy_of(processes), total_s, self.site, self.chip, self.chips)

    def calibration(self, measure: bool) -> Calibration | None:
        """The newest of this machine; measured now where there is none and `measure` asks."""
        known = calibration.current(cache_directory(), FRESH_S)
        if known is None and measure:
            known = calibration.calibrate()
            calibration.save(known, cache_directory())
        return known

    def pace(self, known: Calibration | None) -> Pace | None:
        """How fast it goes, where it is calibrated."""
        return Pace(known, self.machine.platform, self.power_w) if known else None

    @property
    def power_w(self) -> float | None:
        """Average of all chips; None where it is unknown."""
        power = self.assumptions.power_w.range
        return power.central * self.chips if power else None

    @property
    def assumptions(self) -> Assumptions:
        """Power, grid and price, with ranges and sources; the rest of it is unknown here."""
        nothing = unknown("", "not asked here")
        return assume(nothing, self.site, self.chip, nothing, chips=self.chips)

    def peak(
        self, dtype: str, known: Calibration | None, measured: bool
    ) -> tuple[Peak | None, str]:
        """FLOP/s that the devices reach at most on operands of `dtype`; or None and why."""
        executed, _ = executed_dtype(self.machine.platform, dtype)
        if self.chip is not None and not measured:
            found = peak(self.chip, executed, DEVICES)
            return found, "" if found else f"no peak of {self.chip.name} for {executed} is known"
        rates = known.matmul.items() if known else ()
        fastest = max((rate for name, rate in rates if name.startswith(executed)), default=None)
        if fastest is None:
            kind = self.machine.device_kind
            return None, f"no published peak of {kind!r}; measure one with --peak measured"
        return Peak(fastest, executed, "measured: the fastest matrix product"), ""

    def bandwidth(self, known: Calibration | None) -> float | None:
        """Bytes/s of memory: published for a known chip, else the copy of the largest array."""
        if self.chip is not None:
            return self.chip.bandwidth_bytes_per_s * DEVICES / self.chip.devices_per_chip
        return Rates(known).straight(math.inf) if known else None
