"""The bill of a run: names and units of everything that it consumed, and where each number is from.

An unknown value is `None` and its reason stands in `Cost.unknown` under the field's name; it is
never 0. A number that is not a count carries its source beside it. Plain dataclasses; no jax.
"""

from __future__ import annotations

from dataclasses import dataclass, field

#: Grades of a reading of energy, the best first.
METERED, COUNTER, SAMPLED, MODELLED = "A", "B", "C", "D"
GRADES = {
    METERED: "metered at the plug",
    COUNTER: "hardware counter",
    SAMPLED: "sampled power",
    MODELLED: "modelled from a published power",
}


@dataclass(frozen=True)
class Range:
    """A prediction: the central value and what it may well be instead."""

    low: float
    central: float
    high: float


@dataclass(frozen=True)
class EnergyPart:
    """Joules of one part of the machine over a window of time.

    part      accelerator, cpu, dram or machine
    joules    None where nothing could be read; `reason` says why
    source    nvml_counter, nvml_power, rapl, published_power, user or none
    grade     of `GRADES`; "" where `joules` is None
    window_s  seconds that the reading covers
    idle_w    measured before the window, None where it was not
    """

    part: str
    joules: float | None
    source: str
    grade: str
    window_s: float
    idle_w: float | None = None
    reason: str = ""


@dataclass(frozen=True)
class Grid:
    """Carbon intensity of electricity. basis: location (the grid's mix) or market (contracts)."""

    g_per_kwh: float
    region: str
    year: int | None
    basis: str
    source: str


@dataclass(frozen=True)
class Price:
    """What an hour of one chip (of the whole machine without one) costs, from whom, and when."""

    usd_per_chip_hour: float
    provider: str
    date: str
    source: str


@dataclass(frozen=True)
class Peak:
    """Dense FLOP/s of all devices together, for operands of `dtype`."""

    flops_per_s: float
    dtype: str
    source: str


@dataclass(frozen=True)
class Calibration:
    """What this machine reached on three micro-benchmarks.

    matmul and convolution: FLOP/s by the shape in words; copy: bytes/s by the bytes copied;
    dispatch_s: seconds of calling a compiled program that does nothing; spread: largest relative
    half-width over the repeats of a benchmark, which is the stated error of a normalised time.
    """

    machine: str
    measured_utc: str
    seconds: float
    matmul: dict[str, float]
    convolution: dict[str, float]
    copy: dict[str, float]
    dispatch_s: float
    spread: float


@dataclass(frozen=True)
class Estimate:
    """What was predicted before the first step. None: not predicted, `unknown` says why.

    assumptions: every input of the prediction, in words; errors: predicted / measured - 1 by
    field, filled in when the run is over.
    """

    made_utc: str
    steps: int
    flops_executed: int | None
    memory_bytes: int | None
    train_s: Range | None
    total_s: Range | None
    energy_j: Range | None
    carbon_gco2e: Range | None
    cost_usd: Range | None
    assumptions: dict[str, str] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)
    errors: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Process:
    """The bill of one process of the attempt, as its journal has it; killed ones included."""

    number: int
    outcome: str  # finished, interrupted, nonfinite, budget, killed
    steps: int
    total_s: float
    laps: dict[str, float]
    flops_executed: int | None
    flops_eval: int | None
    flops_scoring: int | None
    energy: tuple[EnergyPart, ...] = ()


@dataclass(frozen=True)
class Cost:
    """What a run consumed, over all processes of the attempt.

    flops_model      forward rule, padding counted, no rematerialisation: same on every machine
    flops_executed   un-padded walk of the programs that ran, all phases, repeated chunks included
    flops_effective  flops_model with each weight's contractions scaled by its density at that step
    flops_teacher    the teachers' forward inside the steps (part of flops_executed)
    flops_scoring    probes of variants between phases
    flops_eval       evaluation on validation and test
    flops_inference  forward of one example through the shipped model, padding counted
    flops_by_dtype, flops_by_phase  flops_executed by operand type; by forward, backward, update
    bit_operations   flops_inference with each product weighted by the bits of its two operands
    xla_flops_ratio  XLA's count of one lowered step / ours, where XLA counts at all
    memory_static_bytes  arguments + outputs + temporaries - aliases of the compiled chunk
    memory_activation_bytes  the temporaries of it
    energy_j         sum of the known parts of `energy`, IT equipment only
    energy_facility_kwh  energy_j with the building's overhead (PUE)
    carbon_gco2e     operational, of energy_facility_kwh; embodied carbon is not counted
    cost_usd         total_s, as a provider bills it
    mfu, hfu         flops_model, flops_executed / (train_s * peak)
    bound            compute, memory or host: what the time of a step goes into
    dispatch_floor_s seconds for the host to start and fetch one chunk that does nothing
    """

    flops_model: int | None
    flops_executed: int | None
    flops_effective: int | None
    flops_teacher: int | None
    flops_scoring: int | None
    flops_eval: int | None
    flops_inference: int | None
    train_s: float
    total_s: float
    laps: dict[str, float]
    params_total: int | None
    params_nonzero: int | None
    stored_bytes: int | None
    stored_weight_bytes: int | None
    memory_peak_bytes: int | None
    memory_source: str
    examples_seen: int
    examples_unique: int
    labels_used: int
    unknown: dict[str, str] = field(default_factory=dict)
    processes: tuple[Process, ...] = ()
    flops_by_dtype: dict[str, int] = field(default_factory=dict)
    flops_by_phase: dict[str, int] = field(default_factory=dict)
    bit_operations: int | None = None
    xla_flops_ratio: float | None = None
    memory_weights_bytes: int | None = None
    memory_optimizer_bytes: int | None = None
    memory_activation_bytes: int | None = None
    memory_static_bytes: int | None = None
    energy: tuple[EnergyPart, ...] = ()
    energy_j: float | None = None
    energy_grade: str = ""
    energy_facility_kwh: float | None = None
    pue: float | None = None
    pue_source: str = ""
    grid: Grid | None = None
    carbon_gco2e: float | None = None
    price: Price | None = None
    cost_usd: float | None = None
    chip: str = ""
    peak: Peak | None = None
    mfu: float | None = None
    hfu: float | None = None
    bound: str = ""
    dispatch_floor_s: float | None = None
    calibration: Calibration | None = None
    estimate: Estimate | None = None
    budget: str = ""
