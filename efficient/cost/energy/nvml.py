"""Joules of NVIDIA boards: the driver's energy counter, or its power integrated over time.

The counter (nvmlDeviceGetTotalEnergyConsumption, Volta and later) counts millijoules of the whole
board, memory included, since the driver was loaded, and changes about every 100 ms. Power is a
poorer source: on some boards a reading covers a quarter of the time only (Yang, Adamek and Armour
2024, "Part-time Power Measurements", arXiv 2312.02741), so it is used where there is no counter.
"""

from __future__ import annotations

import contextlib
import importlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from efficient.cost.energy.channel import EnergyError
from efficient.ledger.bill import COUNTER, SAMPLED

#: Seconds between two changes of the counter, as ml.energy measured and the zeus library warns of.
UPDATE_S = 0.1
#: Seconds between two samples of power: 12.5 a second, so that a late one still makes 10.
SAMPLE_S = 0.08

#: Where the kernel's driver describes its boards.
DRIVER = Path("/proc/driver/nvidia/gpus")
INSTALL = "nvidia-ml-py is not installed: pip install 'efficient-jax[nvml]'"


class Board(Protocol):
    """One GPU, as far as its energy goes. Each call raises `EnergyError` where it is refused."""

    @property
    def uuid(self) -> str: ...
    @property
    def name(self) -> str: ...

    def energy_mj(self) -> int: ...
    def power_mw(self) -> int: ...


def boards() -> tuple[Board, ...]:
    """All boards that the driver shows, in the order of their PCI addresses.

    Raises:
        EnergyError: the package nvidia-ml-py or the driver is missing.
    """
    try:
        library = importlib.import_module("pynvml")
    except ImportError:
        raise EnergyError(INSTALL) from None
    try:
        library.nvmlInit()
        handles = [library.nvmlDeviceGetHandleByIndex(i) for i in range(_count(library))]
        return tuple(_open(library, handle) for handle in handles)
    except library.NVMLError as error:
        raise EnergyError(f"NVML does not answer: {error}") from None


def visible(
    found: Sequence[Board], environment: Mapping[str, str], devices: int | None = None
) -> tuple[Board, ...]:
    """The boards that this process computes on: CUDA_VISIBLE_DEVICES, of them the first `devices`.

    Raises:
        EnergyError: a slice of a board is meant, or numbers that could mean any of several kinds.
    """
    named = environment.get("CUDA_VISIBLE_DEVICES")
    if named is None:
        return tuple(found[:devices])
    chosen: list[Board] = []
    for word in (word.strip() for word in named.split(",")):
        board = _board(found, word, environment)
        if board is None:  # CUDA ignores what stands behind a word that it does not know
            break
        chosen.append(board)
    return tuple(chosen[:devices])


def names(
    boards: Callable[[], tuple[Board, ...]], driver: Path, environment: Mapping[str, str]
) -> tuple[str, ...]:
    """What the boards of this process are called, also where NVML cannot be asked.

    `driver` is the folder in which the kernel's driver describes each board.
    """
    try:
        return tuple(board.name for board in visible(boards(), environment))
    except EnergyError:
        if environment.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
            return ()
    found = []
    for path in sorted(driver.glob("*/information")):
        with contextlib.suppress(OSError):
            found += re.findall(r"^Model:\s*(.+?)\s*$", path.read_text(), re.MULTILINE)
    return tuple(found)


@dataclass
class Counter:
    """The energy counters of some boards, added up."""

    boards: tuple[Board, ...]
    part: str = "accelerator"
    source: str = "nvml_counter"
    grade: str = COUNTER
    update_s: float = UPDATE_S
    tick_s: float = 0.0
    _last_mj: list[int] = field(default_factory=list)
    _total_mj: int = 0

    def __post_init__(self) -> None:
        self._last_mj = [board.energy_mj() for board in self.boards]

    @property
    def devices(self) -> tuple[str, ...]:
        return tuple(board.uuid for board in self.boards)

    def joules(self, now_s: float) -> float:
        for i, board in enumerate(self.boards):
            now, last = board.energy_mj(), self._last_mj[i]
            if now < last:
                fell = f"fell from {last} to {now} mJ"
                raise EnergyError(f"the counter of {board.name} {fell}: was the driver reloaded?")
            self._total_mj += now - last
            self._last_mj[i] = now
        return self._total_mj / 1e3

    def watts(self) -> float | None:
        return _watts(self.boards)


@dataclass
class Power:
    """The power of some boards, integrated by trapezoids from one reading to the next."""

    boards: tuple[Board, ...]
    part: str = "accelerator"
    source: str = "nvml_power"
    grade: str = SAMPLED
    update_s: float = UPDATE_S
    tick_s: float = SAMPLE_S
    _last: tuple[float, float] | None = None
    _joules: float = 0.0

    def __post_init__(self) -> None:
        _watts(self.boards)

    @property
    def devices(self) -> tuple[str, ...]:
        return tuple(board.uuid for board in self.boards)

    def joules(self, now_s: float) -> float:
        then_s, before_w = self._last or (now_s, 0.0)
        self._last = now_s, now_w = now_s, _watts(self.boards)
        self._joules += (now_s - then_s) * (before_w + now_w) / 2
        return self._joules

    def watts(self) -> float | None:
        return _watts(self.boards)


def channel(chosen: tuple[Board, ...]) -> Counter | Power:
    """The best source that all boards have.

    Raises:
        EnergyError: there is no board, or one that gives neither energy nor power.
    """
    if not chosen:
        raise EnergyError("NVML shows no board that this process may use: see CUDA_VISIBLE_DEVICES")
    try:
        return Counter(chosen)
    except EnergyError:
        return Power(chosen)


def _watts(boards: tuple[Board, ...]) -> float:
    return sum(board.power_mw() for board in boards) / 1e3


def _board(found: Sequence[Board], word: str, environment: Mapping[str, str]) -> Board | None:
    """The board that one word of CUDA_VISIBLE_DEVICES means."""
    if word.startswith("MIG-"):
        raise EnergyError(f"{word} is a slice of a board, and a slice has no energy counter")
    if not word.isdecimal():
        named = [board for board in found if word and board.uuid.startswith(word)]
        return named[0] if len(named) == 1 else None
    kinds = {board.name for board in found}
    if len(kinds) > 1 and environment.get("CUDA_DEVICE_ORDER") != "PCI_BUS_ID":
        raise EnergyError(
            f"device {word} may be any of {', '.join(sorted(kinds))}: set "
            "CUDA_DEVICE_ORDER=PCI_BUS_ID, or name its UUID in CUDA_VISIBLE_DEVICES"
        )
    return found[int(word)] if int(word) < len(found) else None


# -- nvidia-ml-py ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Board:
    library: Any
    handle: Any
    uuid: str
    name: str

    def energy_mj(self) -> int:
        return self._ask("nvmlDeviceGetTotalEnergyConsumption")

    def power_mw(self) -> int:
        return self._ask("nvmlDeviceGetPowerUsage")

    def _ask(self, function: str) -> int:
        try:
            return getattr(self.library, function)(self.handle)
        except self.library.NVMLError as error:
            raise EnergyError(f"{function} of {self.name}: {error}") from None


def _count(library: Any) -> int:
    return library.nvmlDeviceGetCount()


def _open(library: Any, handle: Any) -> Board:
    uuid, name = library.nvmlDeviceGetUUID(handle), library.nvmlDeviceGetName(handle)
    return _Board(library, handle, uuid, name)
