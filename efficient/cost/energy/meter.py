"""The meter of a run: cumulative joules by part, each with its source, its grade or its reason.

    with Meter.open(site, chip, device_kind, devices, platform) as meter:
        meter.start()
        ...
        parts = meter.read()  # as often as wanted, for instance once per chunk

It raises nothing: what fails on the way has joules None and the reason from then on, since joules
that were missed once cannot be had again. Reading costs a system call or two per counter.
"""

from __future__ import annotations

import threading
from pathlib import Path

from efficient.cost.chip import Chip
from efficient.cost.energy import owner
from efficient.cost.energy.source import Access, Line, lines
from efficient.cost.site import Site
from efficient.ledger.bill import MODELLED, EnergyPart

#: The shortest window is so many updates of the source. A reading is late by up to one update at
#: either end, so the shortest window is off by at most 10 %: 1 s of NVML's 0.1 s, 10 ms of RAPL's
#: 1 ms. Ten times the window is ten times as exact.
UPDATES = 10


class Meter:
    """Joules since `start`. Made by `open`; may be read from any thread."""

    def __init__(self, lines: list[Line], access: Access) -> None:
        self._lines, self._access = lines, access
        self._start_s: float | None = None
        self._claims: list[Path] = []
        self._lock, self._closed = threading.Lock(), threading.Event()

    @classmethod
    def open(
        cls,
        site: Site,
        chip: Chip | None,
        device_kind: str,
        devices: int | None,
        platform: str,
        access: Access | None = None,
    ) -> Meter:
        """The best source of each part.

        `devices` of `device_kind` compute on `platform` (cpu, gpu, tpu); None: all that are seen.
        """
        access = access or Access()
        return cls(lines(site, chip, device_kind, devices, platform, access), access)

    @property
    def shortest_s(self) -> float:
        """Seconds after which every source that can be read gives a number; 0 for a model."""
        sources = (line.channel for line in self._lines if line.channel)
        return UPDATES * max((source.update_s for source in sources), default=0.0)

    def start(self, quiet_s: float = 0.0) -> None:
        """Joules count from here.

        Idle power is measured over the `quiet_s` seconds before, in which nothing is computed.
        Without them it is one reading of power, of a source that has one.
        """
        for line in self._lines:
            self._claims += [owner.claim(device, self._access.claims) for device in line.devices]
        ticks = [line.channel.tick_s for line in self._lines if line.channel]
        if period_s := min(filter(None, ticks), default=0.0):
            threading.Thread(target=self._tick, args=(period_s,), daemon=True).start()
        self._rest(quiet_s)
        self._restart()

    def read(self) -> tuple[EnergyPart, ...]:
        """Joules of every part from the start until now."""
        with self._lock:
            self._share()
            now_s = self._access.clock()
            start_s = now_s if self._start_s is None else self._start_s
            return tuple(_part(line, start_s, now_s) for line in self._lines)

    def close(self) -> None:
        """Stop sampling, and let others meter the devices. What was read stays read."""
        self._closed.set()
        while self._claims:
            owner.release(self._claims.pop())

    def __enter__(self) -> Meter:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    def _rest(self, quiet_s: float) -> None:
        if quiet_s <= 0:
            for line in self._lines:
                line.idle_w = line.watts()
            return
        self._restart()
        self._access.sleep(quiet_s)
        for line, part in zip(self._lines, self.read(), strict=True):
            if part.joules is not None and part.grade != MODELLED:
                line.idle_w = part.joules / part.window_s

    def _restart(self) -> None:
        with self._lock:
            self._start_s = self._access.clock()
            for line in self._lines:
                line.start_j = line.joules(self._start_s) or 0.0

    def _tick(self, period_s: float) -> None:
        """Samples power, and sees every wrap of a counter however rarely the meter is read."""
        while not self._closed.wait(period_s):
            with self._lock:
                for line in self._lines:
                    line.joules(self._access.clock())

    def _share(self) -> None:
        """Give up the devices that somebody else meters at the same time."""
        metered = {device: line for line in self._lines for device in line.devices}
        for device, pid in owner.others(metered, self._access.claims).items():
            metered[device].give_up(
                f"{device} is metered by process {pid} at the same time: "
                "what each of the two used cannot be told"
            )


def _part(line: Line, start_s: float, now_s: float) -> EnergyPart:
    window_s = now_s - start_s
    joules, channel = line.joules(now_s), line.channel
    if joules is None or channel is None:
        return EnergyPart(line.part, None, "none", "", window_s, line.idle_w, line.reason)
    if window_s < UPDATES * channel.update_s or window_s <= 0:
        reason = (
            f"{window_s:.3g} s are too short for {channel.source}, which changes once in "
            f"{channel.update_s:g} s: {UPDATES} times that is the least"
        )
        return EnergyPart(line.part, None, "none", "", window_s, line.idle_w, reason)
    joules -= line.start_j
    return EnergyPart(
        line.part, joules, channel.source, channel.grade, window_s, line.idle_w, line.reason
    )
