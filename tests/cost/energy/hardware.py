"""Hardware that is not here: boards, a powercap tree and a clock that the tests turn."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from efficient.cost.energy.channel import EnergyError
from efficient.cost.energy.source import Access


@dataclass
class Clock:
    """Seconds that pass only when a test says so; `drawing` gets told of them."""

    now_s: float = 100.0
    drawing: list = field(default_factory=list)

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds
        for device in self.drawing:
            device.draw(seconds)


@dataclass
class Board:
    """A GPU of constant power, whose counter a test may also set, break or lack."""

    uuid: str = "GPU-0000-aa"
    name: str = "NVIDIA H200"
    watts: float = 300.0
    counted_mj: float = 5e9
    counter: str = ""  # why it cannot be read
    power: str = ""

    def draw(self, seconds: float) -> None:
        self.counted_mj += self.watts * seconds * 1e3

    def energy_mj(self) -> int:
        if self.counter:
            raise EnergyError(self.counter)
        return int(self.counted_mj)

    def power_mw(self) -> int:
        if self.power:
            raise EnergyError(self.power)
        return int(self.watts * 1e3)


@dataclass
class Package:
    """A zone of a powercap tree of constant power."""

    folder: Path
    name: str
    watts: float
    highest_uj: int = 262_143_328_850
    counted_uj: int = 1_000_000

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        (self.folder / "name").write_text(f"{self.name}\n")
        (self.folder / "max_energy_range_uj").write_text(f"{self.highest_uj}\n")
        self.show()

    def draw(self, seconds: float) -> None:
        self.counted_uj = (self.counted_uj + int(self.watts * seconds * 1e6)) % (
            self.highest_uj + 1
        )
        self.show()

    def show(self) -> None:
        if self.folder.is_dir():
            (self.folder / "energy_uj").write_text(f"{self.counted_uj}\n")


def server(powercap: Path) -> dict[str, Package]:
    """A tree of two packages; cores, memory and the whole platform are zones beside them."""
    watts = {
        "intel-rapl:0": ("package-0", 100.0),
        "intel-rapl:0:0": ("core", 70.0),
        "intel-rapl:0:1": ("dram", 8.0),
        "intel-rapl:1": ("package-1", 50.0),
        "intel-rapl:1:0": ("dram", 4.0),
        "intel-rapl:2": ("psys", 400.0),
        "intel-rapl-mmio:0": ("package-0", 100.0),
    }
    return {name: Package(powercap / name, *zone) for name, zone in watts.items()}


@dataclass
class Machine:
    """Everything that a meter may look at, all of it fake."""

    folder: Path
    boards: tuple[Board, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    clock: Clock = field(default_factory=Clock)

    @property
    def access(self) -> Access:
        return Access(
            boards=lambda: self.boards,
            powercap=self.folder / "powercap",
            driver=self.folder / "driver",
            claims=self.folder,
            environment=self.environment,
            clock=self.clock,
            sleep=self.clock.sleep,
        )

    def with_boards(self, *boards: Board) -> Machine:
        self.boards = boards
        self.clock.drawing += boards
        return self

    def with_server(self) -> dict[str, Package]:
        zones = server(self.folder / "powercap")
        self.clock.drawing += zones.values()
        return zones
