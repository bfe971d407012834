"""Calibrations that nobody measured: one rate at every size, so that seconds follow by hand."""

from __future__ import annotations

from efficient.cost.microbenchmark import benchmarks
from efficient.ledger.bill import Calibration

FLOPS_S, BYTES_S, TURNED_S, OVERHEAD_S = 1e10, 1e9, 1e8, 1e-6


def calibration(speed: float = 1.0, spread: float = 0.0) -> Calibration:
    """FLOP/s and bytes/s times `speed`, the overhead divided by it."""
    rates: dict[str, dict[str, float]] = {"matmul": {}, "convolution": {}, "copy": {}}
    for made in benchmarks():
        straight = made.name.startswith("straight")
        rate = (BYTES_S if straight else TURNED_S) if made.kind == "copy" else FLOPS_S
        if made.kind == "convolution":
            rate = FLOPS_S / 2  # as long for gathering patches as for multiplying them
        rates[made.kind][made.name] = speed * rate
    for name in rates["matmul"]:
        work = next(made.work for made in benchmarks() if made.name == name)
        seconds = OVERHEAD_S + (0 if name.endswith(" 8x8x8") else work / FLOPS_S)
        rates["matmul"][name] = speed * work / seconds
    return Calibration(
        "a machine",
        "2026-01-01T00:00:00+00:00",
        20.0,
        dispatch_s=1e-5 / speed,
        spread=spread,
        **rates,
    )
