"""What every source of joules looks like to the meter."""

from __future__ import annotations

from typing import Protocol


class EnergyError(ValueError):
    """Joules that cannot be known: one line that says why and, where there is one, the remedy."""


class Channel(Protocol):
    """One source of joules for one part of the machine.

    part      accelerator, cpu, dram or machine
    source    of `ledger.bill.EnergyPart`
    grade     of `ledger.bill.GRADES`
    devices   what it meters, one word each: no other process may meter them at the same time
    update_s  seconds between two changes of what is read; 0 where it changes all the time
    tick_s    it must be read at least this often; 0 where that does not matter
    """

    @property
    def part(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def grade(self) -> str: ...
    @property
    def devices(self) -> tuple[str, ...]: ...
    @property
    def update_s(self) -> float: ...
    @property
    def tick_s(self) -> float: ...

    def joules(self, now_s: float) -> float:
        """Of the channel's whole life until now, by the meter's clock; never falls.

        Raises:
            EnergyError: it cannot be known any more; asking again does not help.
        """
        ...

    def watts(self) -> float | None:
        """Power at this moment, None where only energy is counted.

        Raises:
            EnergyError: as `joules`.
        """
        ...
