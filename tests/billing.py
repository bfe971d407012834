"""Invented but plausible parts of a bill: with counters, a region and a price, and without."""

from __future__ import annotations

from efficient.ledger.bill import Calibration, EnergyPart, Estimate, Grid, Peak, Price, Range


def unmetered(executed, teacher, train_s, total_s) -> dict:
    """Neither energy nor peak nor price is known, and each says why."""
    reason = "no counter can be read here and the processor's power is not published"
    return {
        "energy": (EnergyPart("cpu", None, "none", "", total_s, None, reason),),
        "pue": 1.0,
        "pue_source": "default: the energy of the computer alone",
        "bound": "host",
        "unknown": {
            "memory_peak_bytes": "no allocator statistics on cpu",
            "energy_j": reason,
            "energy_facility_kwh": reason,
            "carbon_gco2e": reason,
            "cost_usd": "no price: give --usd-per-chip-hour",
            "mfu": "the peak of AMD EPYC 9R14 is not known",
            "hfu": "the peak of AMD EPYC 9R14 is not known",
        },
    }


def metered(executed, teacher, train_s, total_s) -> dict:
    """Counters of the processor and its memory, a region, a price and a measured peak."""
    cpu = EnergyPart("cpu", 61.0 * total_s, "rapl", "B", total_s, 18.5)
    dram = EnergyPart("dram", 7.5 * total_s, "rapl", "B", total_s)
    none = EnergyPart("accelerator", None, "none", "", total_s, None, "there is none")
    joules = 68.5 * total_s
    kwh = joules / 3.6e6 * 1.15
    calibration = Calibration(
        machine="AMD EPYC 9R14",
        measured_utc="2025-03-01T09:00:00Z",
        seconds=19.8,
        matmul={"1024 x 1024 x 1024 f32": 1.4e11},
        convolution={"64 x 32 x 32 x 64, 3 x 3 f32": 9.2e10},
        copy={"64000000": 1.1e10},
        dispatch_s=0.00021,
        spread=0.04,
    )
    return {
        "energy": (none, cpu, dram),
        "energy_j": joules,
        "energy_grade": "B",
        "energy_facility_kwh": kwh,
        "pue": 1.15,
        "pue_source": "given by the user",
        "grid": Grid(56.0, "FRA", 2023, "location", "Our World in Data 2024"),
        "carbon_gco2e": 56.0 * kwh,
        "price": Price(0.2, "aws", "2025-02-01", "c7a.large on demand"),
        "cost_usd": total_s / 3600 * 0.2,
        "peak": Peak(1.4e11, "f32", "measured matmul"),
        "mfu": (executed - teacher) / (train_s * 1.4e11),
        "hfu": executed / (train_s * 1.4e11),
        "bound": "compute",
        "calibration": calibration,
        "unknown": {"memory_peak_bytes": "no allocator statistics on cpu"},
    }


def estimate(executed: float, train_s: float) -> Estimate:
    """A prediction that was ten percent too long, without energy, and its score."""
    guess = round(train_s) * 1.1
    return Estimate(
        made_utc="2025-03-01T10:00:01Z",
        steps=1200,
        flops_executed=int(executed),
        memory_bytes=40_000_000,
        train_s=Range(0.8 * guess, guess, 1.3 * guess),
        total_s=Range(0.8 * guess + 4, guess + 5, 1.3 * guess + 8),
        energy_j=None,
        carbon_gco2e=None,
        cost_usd=None,
        assumptions={"speed": "matmul of the calibration"},
        unknown={"energy_j": "no power is known before the run"},
        errors={"train_s": guess / train_s - 1, "flops_executed": 0.0},
    )
