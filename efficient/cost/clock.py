"""The clock: one stopwatch whose laps partition the whole life of a process.

At any moment exactly one lap runs, so the laps add up to `total_s` by construction. The caller
synchronises the device before it changes the lap. Rules of published clocks differ in which laps
they leave out (AlgoPerf counts compilation, airbench does not), so all are kept apart.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Clock:
    """Seconds by lap since the process started, or, for a later clock of the process, since now.

    The process's life before its first clock is that clock's lap `start`: imports included. Where
    the kernel does not say how long that was, there is no such lap and the total begins later.
    """

    _first, _elsewhere_s = True, 0.0

    def __init__(self) -> None:
        self._mark = time.perf_counter()
        age_s = process_age_s() if Clock._first else None
        self._laps = {} if age_s is None else {"start": max(0.0, age_s - Clock._elsewhere_s)}
        self._stack = ["write"]
        Clock._first = False

    @staticmethod
    def leave_out(seconds: float) -> None:
        """Seconds before the first clock that are on the bill of another run's own process."""
        Clock._elsewhere_s += seconds if Clock._first else 0.0

    @contextmanager
    def lap(self, name: str) -> Iterator[None]:
        """Charge the time inside to `name`; an inner lap interrupts the outer one."""
        self._charge()
        self._stack.append(name)
        try:
            yield
        finally:
            self._charge()
            self._stack.pop()

    def laps(self) -> dict[str, float]:
        """Seconds by lap until now."""
        self._charge()
        return dict(self._laps)

    def total_s(self) -> float:
        """The sum of the laps."""
        return sum(self.laps().values())

    def _charge(self) -> None:
        now = time.perf_counter()
        name = self._stack[-1]
        self._laps[name] = self._laps.get(name, 0.0) + now - self._mark
        self._mark = now


def process_age_s() -> float | None:
    """Seconds since this process started, from the kernel; None where it cannot be read."""
    try:
        fields = Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()
        uptime = float(Path("/proc/uptime").read_text().split()[0])
        return max(0.0, uptime - int(fields[19]) / os.sysconf("SC_CLK_TCK"))
    except (OSError, ValueError, IndexError):
        return None
