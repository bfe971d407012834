"""The record of a run: what every attempt leaves behind, and the only list of its names.

A unit is a word of the name: `flops_*` count multiply-adds as 2, `*_s` are seconds, `*_bytes` are
bytes. An unknown value is `None` and its reason stands in `Cost.unknown`; it is never 0.
This file is plain dataclasses and starts without jax.
"""

from __future__ import annotations

import dataclasses
import math
import sys
import types
import typing
from dataclasses import dataclass, field
from typing import Any

SCHEMA = 1

#: Laps of the clock in the order in which a run meets them; together they partition `total_s`.
LAPS = (
    "start",
    "build",
    "data",
    "compile",
    "warmup",
    "train",
    "scoring",
    "eval",
    "checkpoint",
    "deploy",
    "write",
)

FINISHED = "finished"
INTERRUPTED = "interrupted"
NONFINITE = "nonfinite"


class RecordError(ValueError):
    """A record that cannot be read: the message names the field, the value and the remedy."""


@dataclass(frozen=True)
class Score:
    """Quality on one split: sums over examples, divided once.

    `loss` is nats per unit (image or byte); `accuracy` is a fraction; `units` is the weight count.
    """

    loss: float
    accuracy: float
    units: int


@dataclass(frozen=True)
class Point:
    """One line of the curve: the state of a run at a chunk boundary where it was evaluated.

    Costs are cumulative over every process of the attempt up to this step.
    """

    step: int
    phase: str
    train_loss: float
    validation: Score | None
    train_s: float
    total_s: float
    flops_executed: int | None


@dataclass(frozen=True)
class SplitFacts:
    examples: int
    sha256: str


@dataclass(frozen=True)
class DataFacts:
    """What was fed. `fingerprint` is the sha256 over the splits' digests in name order.

    `overlap` counts examples of the test split whose bytes also stand in the training split.
    """

    name: str
    version: str
    fingerprint: str
    splits: dict[str, SplitFacts]
    overlap: int
    unit: str
    details: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Machine:
    platform: str
    device_kind: str
    devices: int
    cpu: str
    cpu_features: tuple[str, ...]
    cores: int
    memory_bytes: int | None
    host: str


@dataclass(frozen=True)
class Source:
    """The code that ran: package version and digest, and the commit where there is one."""

    version: str
    digest: str
    commit: str | None
    dirty: bool | None


@dataclass(frozen=True)
class Process:
    """The bill of one process of the attempt, as its journal has it; killed ones included."""

    number: int
    outcome: str  # finished, interrupted, nonfinite, killed
    steps: int
    total_s: float
    laps: dict[str, float]
    flops_executed: int | None
    flops_eval: int | None
    flops_scoring: int | None


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
    params_total: int
    params_nonzero: int
    stored_bytes: int | None
    stored_weight_bytes: int | None
    memory_peak_bytes: int | None
    memory_source: str
    examples_seen: int
    examples_unique: int
    labels_used: int
    unknown: dict[str, str] = field(default_factory=dict)
    processes: tuple[Process, ...] = ()


@dataclass(frozen=True)
class Parent:
    """Another run that this one needed. `role`: teacher, start or reference."""

    role: str
    run_id: str
    request: str


@dataclass(frozen=True)
class File:
    sha256: str
    bytes: int


@dataclass(frozen=True)
class Record:
    """One attempt at one request.

    `scores` holds `validation` and `test` of the training weights, `artefact` (test, scored from
    the file that is shipped). `evidence` holds what each variant proves of its mechanism, as plain
    numbers: `weights_prunable`, `weights_asked`, `weights_kept`, `weights_removed_nonzero`,
    `integer_arrays`, `weight_bytes_ratio`, `reference_divergence` (nats per unit, test split, from
    the outputs of the run `reference`).
    """

    schema: int
    run_id: str
    request: str
    status: str
    preset: str
    arm: str
    workload: str
    model: str
    variants: tuple[str, ...]
    seed: int
    config: dict[str, Any]
    started_utc: str
    finished_utc: str
    steps: int
    steps_planned: int
    params_digest: str | None
    input_shape: tuple[int, ...]
    classes: int
    data: DataFacts
    machine: Machine
    versions: dict[str, str]
    source: Source
    select: str
    scores: dict[str, Score]
    points: tuple[Point, ...]
    cost: Cost
    evidence: dict[str, float | int | str]
    parents: tuple[Parent, ...]
    files: dict[str, File]
    notes: tuple[str, ...] = ()


def to_dict(value: Any) -> Any:
    """Plain JSON types of a dataclass tree. Non-finite numbers become `None`: strict JSON."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_dict(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(k): to_dict(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_dict(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def from_dict(kind: Any, value: Any, where: str = "record") -> Any:
    """Rebuild `kind` (a dataclass or a type of one of its fields) from plain JSON types.

    Raises:
        RecordError: a field is missing, unknown or of another type; one line names it.
    """
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        if not isinstance(value, dict):
            raise RecordError(f"{where}: expected an object, found {type(value).__name__}")
        hints = typing.get_type_hints(kind)
        names = {f.name: f for f in dataclasses.fields(kind)}
        if unknown := sorted(set(value) - set(names)):
            raise RecordError(f"{where}: unknown field {unknown[0]!r}; is it of a newer version?")
        for name, f in names.items():
            needed = f.default is f.default_factory is dataclasses.MISSING
            if name not in value and needed:
                raise RecordError(f"{where}: field {name!r} is missing; the file is damaged")
        return kind(**{k: from_dict(hints[k], v, f"{where}.{k}") for k, v in value.items()})
    return _from_plain(kind, value, where)


def _from_plain(kind: Any, value: Any, where: str) -> Any:
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return value
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in args:
            return None
        options = [a for a in args if a is not type(None)]
        if len(options) == 1:
            return from_dict(options[0], value, where)
        if value is None and float in options:
            return math.nan
        if not isinstance(value, tuple(options)) or isinstance(value, bool):
            raise RecordError(f"{where}: {value!r} is none of {kind}")
        return value
    if origin is dict:
        if not isinstance(value, dict):
            raise RecordError(f"{where}: expected an object, found {type(value).__name__}")
        return {k: from_dict(args[1], v, f"{where}.{k}") for k, v in value.items()}
    if origin is tuple:
        if not isinstance(value, list):
            raise RecordError(f"{where}: expected a list, found {type(value).__name__}")
        return tuple(from_dict(args[0], v, f"{where}[{i}]") for i, v in enumerate(value))
    if kind is float:
        if value is None:
            return math.nan
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise RecordError(f"{where}: expected a number, found {value!r}")
        if abs(value) > sys.float_info.max:
            raise RecordError(f"{where}: {str(value)[:20]}... is too large a number")
        return float(value)
    if (isinstance(value, bool) and kind is not bool) or not isinstance(value, kind):
        raise RecordError(f"{where}: expected {kind.__name__}, found {value!r}")
    return value
