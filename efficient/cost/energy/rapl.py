"""Joules of processor packages and their memory: the RAPL counters of Linux's powercap tree.

`intel-rapl:0` is a package (AMD's too, since Linux 5.8) and `intel-rapl:0:1` a part of it. The
zones nest: a package contains its cores, `psys` contains everything, so only packages are added,
and the zone `dram`, which no package contains, is a part of its own. A counter is in microjoules,
changes about every millisecond, and starts again at 0 after `max_energy_range_uj`.
"""

from __future__ import annotations

import math
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

from efficient.cost.energy.channel import EnergyError
from efficient.ledger.bill import COUNTER

POWERCAP = Path("/sys/class/powercap")
#: Seconds between two changes of a counter (Intel's manual, volume 3B, "RAPL interfaces").
UPDATE_S = 0.001
#: A counter of 65 kJ lasts 65 s at a kilowatt: read twice in that time, a wrap is never missed.
TICK_S = 30.0
#: More watts than any one package takes: what looks like a wrap is then a counter that was reset.
MOST_W = 1000.0


def wrapped(last: int, now: int, highest: int) -> int:
    """Microjoules from one reading to the next of a counter that starts again after `highest`."""
    return (now - last) % (highest + 1)


@dataclass
class Zone:
    """One counter of the tree, and what it has counted since it was opened."""

    folder: Path
    name: str
    highest_uj: int
    last_uj: int
    last_s: float | None = None
    total_uj: int = 0

    def advance(self, now_s: float) -> None:
        now_uj = _number(self.folder / "energy_uj")
        step = wrapped(self.last_uj, now_uj, self.highest_uj)
        seconds = math.inf if self.last_s is None else max(now_s - self.last_s, UPDATE_S)
        if now_uj < self.last_uj and step > MOST_W * 1e6 * seconds:
            fell = f"fell from {self.last_uj} to {now_uj} uJ before it can be full"
            raise EnergyError(f"the counter of {self.name} {fell}: it was reset")
        self.total_uj += step
        self.last_uj, self.last_s = now_uj, now_s


@dataclass
class Rapl:
    """Some zones of one kind, added up."""

    part: str
    zones: tuple[Zone, ...]
    source: str = "rapl"
    grade: str = COUNTER
    update_s: float = UPDATE_S
    tick_s: float = TICK_S
    devices: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        self.devices = tuple(zone.folder.name for zone in self.zones)

    def joules(self, now_s: float) -> float:
        for zone in self.zones:
            zone.advance(now_s)
        return sum(zone.total_uj for zone in self.zones) / 1e6

    def watts(self) -> float | None:
        return None


def packages(powercap: Path) -> Rapl:
    """All processor packages of this machine, other processes on them included.

    Raises:
        EnergyError: the tree is absent, is empty, or is for root only.
    """
    if not powercap.is_dir():
        hidden = "virtual machines and containers hide it"
        linux = hidden if sys.platform.startswith("linux") else "it is Linux's"
        raise EnergyError(f"no power counter: {powercap} is absent ({linux})")
    zones = _zones(powercap, r"intel-rapl:\d+", "package")
    if not zones:
        raise EnergyError(f"no power counter: {powercap} holds no processor package")
    return Rapl("cpu", zones)


def memory(powercap: Path) -> Rapl:
    """The memory of all packages.

    Raises:
        EnergyError: as `packages`, or the processor does not count its memory.
    """
    zones = _zones(powercap, r"intel-rapl:\d+:\d+", "dram")
    if not zones:
        raise EnergyError("this processor has no counter of its memory")
    return Rapl("dram", zones)


def _zones(powercap: Path, pattern: str, name: str) -> tuple[Zone, ...]:
    try:
        folders = sorted(powercap.iterdir())
    except OSError as error:
        raise EnergyError(f"{powercap} cannot be read: {error.strerror}") from None
    found = []
    for folder in folders:
        if re.fullmatch(pattern, folder.name) and _text(folder / "name").startswith(name):
            highest, now = (_number(folder / n) for n in ("max_energy_range_uj", "energy_uj"))
            found.append(Zone(folder, _text(folder / "name"), highest, now))
    return tuple(found)


def _number(path: Path) -> int:
    text = _text(path)
    if not text.isdecimal():
        raise EnergyError(f"{path} holds {text[:20]!r} and no number")
    return int(text)


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except PermissionError:
        remedy = f"sudo chmod a+r {path.parent.parent}/intel-rapl:*/energy_uj"
        raise EnergyError(f"{path} is for root only: {remedy}") from None
    except OSError as error:
        raise EnergyError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError:
        raise EnergyError(f"{path} holds no text") from None
