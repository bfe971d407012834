"""Which source stands for each part of the machine: the best that can be read, else a model."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from efficient.cost.chip import Chip
from efficient.cost.energy import nvml, rapl
from efficient.cost.energy.channel import Channel, EnergyError
from efficient.cost.energy.modelled import Modelled
from efficient.cost.site import Site


@dataclass(frozen=True)
class Access:
    """The ways to this machine's counters; tests give others."""

    boards: Callable[[], tuple[nvml.Board, ...]] = nvml.boards
    powercap: Path = rapl.POWERCAP
    driver: Path = nvml.DRIVER
    claims: Path = field(default_factory=lambda: Path(tempfile.gettempdir()))
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    clock: Callable[[], float] = time.perf_counter
    sleep: Callable[[float], None] = time.sleep


@dataclass
class Line:
    """A part of the machine and its channel; `reason` says why there is none, or no better one."""

    part: str
    channel: Channel | None
    reason: str = ""
    start_j: float = 0.0
    idle_w: float | None = None

    @property
    def devices(self) -> tuple[str, ...]:
        return self.channel.devices if self.channel else ()

    def joules(self, now_s: float) -> float | None:
        """Of the channel's whole life until now. A channel that fails once is given up."""
        if self.channel is None:
            return None
        try:
            return self.channel.joules(now_s)
        except EnergyError as error:
            return self.give_up(str(error))

    def watts(self) -> float | None:
        """At this moment; a source of joules need not have it."""
        try:
            return self.channel.watts() if self.channel else None
        except EnergyError:
            return None

    def give_up(self, reason: str) -> None:
        self.channel, self.reason = None, reason


def lines(
    site: Site,
    chip: Chip | None,
    device_kind: str,
    devices: int | None,
    platform: str,
    access: Access,
) -> list[Line]:
    """A line for every part that a job on `platform` (cpu, gpu, tpu) uses.

    A power that the user of the site gives, or that was published of a chip, has the chip's share
    of the host in it: it stands for the whole machine. The user's is used in place of counters.
    """
    chips = site.chips or _chips(chip, devices, platform)
    if site.power_w is not None:
        return [Line("machine", Modelled("user", site.power_w * chips))]
    if platform == "cpu":
        return _host(access, "; give --power-w")
    try:
        if platform == "tpu":
            raise EnergyError("a TPU has no public power counter")
        boards = nvml.visible(access.boards(), access.environment, devices)
        return [Line("accelerator", nvml.channel(boards)), *_host(access, "")]
    except EnergyError as error:
        reason = str(error)
    if chip is None:
        unknown = f"chip {device_kind!r} is not known, so give --power-w"
        return [Line("accelerator", None, f"{reason}; {unknown}"), *_host(access, "")]
    if chip.power_w is None:
        unknown = f"no average power of {chip.name} was published, so give --power-w"
        return [Line("accelerator", None, f"{reason}; {unknown}"), *_host(access, "")]
    power_w = chip.power_w * chips
    return [Line("machine", Modelled("published_power", power_w), reason)]


def _host(access: Access, remedy: str) -> list[Line]:
    """The processor and its memory."""
    try:
        found = [Line("cpu", rapl.packages(access.powercap))]
    except EnergyError as error:
        return [Line("cpu", None, f"{error}{remedy}")]
    try:
        return [*found, Line("dram", rapl.memory(access.powercap))]
    except EnergyError as error:
        return [*found, Line("dram", None, str(error))]


def _chips(chip: Chip | None, devices: int | None, platform: str) -> float:
    """A device of jax can be a part of a chip; the devices of a CPU are all the one machine."""
    if platform == "cpu" or devices is None:
        return 1
    return devices / (chip.devices_per_chip if chip else 1)
