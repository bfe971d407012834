"""What an attempt has spent: this process's clock, meter and counts, and its earlier processes."""

from __future__ import annotations

from dataclasses import dataclass, field

from efficient.cost.account import merge
from efficient.cost.clock import Clock
from efficient.cost.energy.meter import Meter
from efficient.ledger.bill import EnergyPart, Process

FLOPS = ("flops_executed", "flops_eval", "flops_scoring")


@dataclass
class Spending:
    """One process's bill as it grows; `earlier` are those of the attempt's other processes.

    steps: run by this process, repeated ones included; flops: by this process, None once
    something could not be counted.
    """

    clock: Clock
    meter: Meter
    earlier: tuple[Process, ...] = ()
    steps: int = 0
    flops: dict[str, int | None] = field(default_factory=lambda: dict.fromkeys(FLOPS, 0))

    @property
    def number(self) -> int:
        """Of this process among those of the attempt, from 1."""
        return len(self.earlier) + 1

    def charge(self, name: str, flops: int | None) -> None:
        """Add to this process's bill."""
        self.flops[name] = add(self.flops[name], flops)

    def process(self, outcome: str) -> Process:
        """The bill of this process until now."""
        laps, energy = self.clock.laps(), self.meter.read()
        return Process(
            self.number, outcome, self.steps, sum(laps.values()), laps, **self.flops, energy=energy
        )

    def processes(self, outcome: str) -> tuple[Process, ...]:
        """The bills of the whole attempt."""
        return (*self.earlier, self.process(outcome))


def energy_of(processes: tuple[Process, ...]) -> tuple[EnergyPart, ...]:
    """The energy of the whole attempt by part and source."""
    return merge([process.energy for process in processes])


def lap_of(processes: tuple[Process, ...], name: str) -> float:
    """Seconds of one lap."""
    return sum(process.laps.get(name, 0.0) for process in processes)


def add(*counts: int | None) -> int | None:
    """A sum that is unknown as soon as a part is."""
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None
