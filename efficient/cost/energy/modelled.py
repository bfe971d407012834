"""Joules where nothing can be read: a power that somebody published or measured, times seconds."""

from __future__ import annotations

from dataclasses import dataclass

from efficient.ledger.bill import MODELLED


@dataclass(frozen=True)
class Modelled:
    """`power_w` at all times. It knows nothing of what the machine does."""

    source: str
    power_w: float
    part: str = "machine"
    grade: str = MODELLED
    devices: tuple[str, ...] = ()
    update_s: float = 0.0
    tick_s: float = 0.0

    def joules(self, now_s: float) -> float:
        return self.power_w * now_s

    def watts(self) -> float | None:
        return None
