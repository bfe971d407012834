"""Which runs an experiment consists of, and which of them are finished."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from efficient import controls
from efficient.config import Config, digest, nearest
from efficient.controls import Control
from efficient.experiment.definition import Arm, Experiment, ExperimentError
from efficient.ledger.record import FINISHED, Record
from efficient.ledger.source import source
from efficient.ledger.store import records

#: Costs of an arm that another can be given, and how `train_for` writes them.
UNITS = {"flops_executed": "FLOP", "train_s": "s"}


@dataclass(frozen=True)
class Planned:
    """One run: `config` is None until the runs that it needs are finished."""

    arm: Arm
    seed: int
    config: Config | Control | None
    record: Record | None

    @property
    def label(self) -> str:
        seed = self.arm.first_seed + self.seed
        return f"{self.arm.config.workload.name} {self.arm.label} seed {seed}"

    @property
    def done(self) -> bool:
        return self.record is not None

    @property
    def minutes(self) -> float:
        """What it took, or what its author expects."""
        return self.record.cost.total_s / 60 if self.record else self.arm.minutes


def plan(experiment: Experiment, seeds: int | None, out: Path | str) -> list[Planned]:
    """Every run in the order in which it is started: seed by seed, an arm after those it needs.

    Raises:
        ExperimentError: two arms ask for the same run, which would be one run seen twice.
    """
    out = Path(out)
    kept: dict[str, dict[str, Record]] = {}  # by data, then by request
    for record in records(out)[0] if out.is_dir() else []:
        if record.status == FINISHED:
            kept.setdefault(record.data.fingerprint, {}).setdefault(record.request, record)
    planned: dict[tuple[str, str, int], Planned] = {}
    seeds = seeds or experiment.seeds
    for seed in range(seeds):
        for arm in experiment.arms:
            if seed < (seeds if arm.seeds is None else arm.seeds):
                config = _resolve(arm, seed, planned)
                record = _finished(config, kept) if config else None
                planned[_place(arm, arm.label, seed)] = Planned(arm, seed, config, record)
    _refuse_twins(planned.values())
    return list(planned.values())


def _refuse_twins(planned: Iterable[Planned]) -> None:
    asked: dict[Config | Control, Planned] = {}
    for item in planned:
        if item.config is None:
            continue
        question = dataclasses.replace(item.config, arm="", preset="")
        twin = asked.setdefault(question, item)
        if twin is not item:
            raise ExperimentError(
                f"arms {twin.arm.label!r} and {item.arm.label!r} ask for the same request twice "
                f"(seed {item.config.seed}); change one, or give it another first_seed"
            )


def _place(arm: Arm, label: str, seed: int) -> tuple[str, str, int]:
    return arm.config.workload.name, label, seed


def _resolve(
    arm: Arm, seed: int, planned: dict[tuple[str, str, int], Planned]
) -> Config | Control | None:
    """The arm's config for a seed, or None while a run that it needs is missing."""
    config = dataclasses.replace(arm.config, seed=arm.first_seed + seed, arm=arm.label)
    if isinstance(config, Control):
        return config
    if arm.teacher:
        teacher = _other(arm, arm.teacher, seed, planned)
        if teacher.record is None:
            return None
        run_id = teacher.record.run_id
        variants = tuple(
            dataclasses.replace(v, teacher=run_id) if hasattr(v, "teacher") else v
            for v in config.variants
        )
        config = dataclasses.replace(config, variants=variants)
    for role in ("start", "reference"):
        if label := getattr(arm, role):
            other = _other(arm, label, seed, planned)
            if other.record is None:
                return None
            config = dataclasses.replace(config, **{role: other.record.run_id})
    if arm.as_long_as:
        length = _length(arm, *arm.as_long_as, planned)
        return dataclasses.replace(config, train_for=length) if length else None
    return config


def _length(arm: Arm, column: str, label: str, planned: dict[tuple[str, str, int], Planned]) -> str:
    """`train_for` of what another arm cost, or "" while its run is missing."""
    if column not in UNITS:
        raise ExperimentError(
            f"arm {arm.label!r} is as_long_as {column!r}; {nearest(column, UNITS)}"
        )
    record = _other(arm, label, 0, planned).record
    if record is None:
        return ""
    spent = getattr(record.cost, column)
    if spent is None:
        raise ExperimentError(
            f"arm {arm.label!r} is as_long_as the {column} of {record.run_id}, which is unknown "
            f"({record.cost.unknown.get(column, 'not measured')}); choose another of "
            f"{', '.join(UNITS)}"
        )
    return f"{spent:.6g} {UNITS[column]}"


def _other(
    arm: Arm, label: str, seed: int, planned: dict[tuple[str, str, int], Planned]
) -> Planned:
    for number in (seed, 0):
        if found := planned.get(_place(arm, label, number)):
            return found
    raise ExperimentError(
        f"arm {arm.label!r} needs arm {label!r} of {arm.config.workload.name}; put that before it"
    )


def _finished(config: Config | Control, kept: Mapping[str, Mapping[str, Record]]) -> Record | None:
    """The record of this very request: config, data and code."""
    for fingerprint, found in kept.items():
        others = fingerprint, source().digest
        control = isinstance(config, Control)
        request = controls.digest(config, *others) if control else digest(config, *others)
        if request in found:
            return found[request]
    return None
