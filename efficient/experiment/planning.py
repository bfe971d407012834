"""Which runs an experiment consists of, and which of them are finished."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from efficient import controls
from efficient.config import Config, digest
from efficient.controls import Control
from efficient.experiment.definition import Arm, Experiment, ExperimentError
from efficient.experiment.length import train_for
from efficient.ledger.notation import tuned_for
from efficient.ledger.record import FINISHED, NONFINITE, Record
from efficient.ledger.source import source
from efficient.ledger.store import records

Places = dict[tuple[str, str, int], "Planned"]


@dataclass(frozen=True)
class Planned:
    """One run: `config` is None until the runs that it needs are finished.

    A trial that diverged is done: it has said what it was asked.
    """

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
    found = records(out)[0] if Path(out).is_dir() else []
    by_id = {record.run_id: record for record in found if record.status == FINISHED}
    kept: dict[str, dict[str, Record]] = {}  # by data, then by request
    for record in sorted(found, key=lambda record: record.status != FINISHED):
        if record.status in (FINISHED, NONFINITE):
            kept.setdefault(record.data.fingerprint, {}).setdefault(record.request, record)
    planned: Places = {}
    seeds = seeds or experiment.seeds
    for seed in range(seeds):
        for arm in experiment.arms:
            if seed < (seeds if arm.seeds is None else arm.seeds):
                config = _resolve(arm, seed, planned, by_id)
                record = _over(config, kept) if config else None
                if record and record.status != FINISHED and not tuned_for(arm.label):
                    record = None
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
    arm: Arm, seed: int, planned: Places, by_id: Mapping[str, Record]
) -> Config | Control | None:
    """The arm's config for a seed, or None while a run that it needs is missing."""
    config = _chosen(arm, planned) if arm.chosen_from else arm.config
    if config is None:
        return None
    config = dataclasses.replace(config, seed=arm.first_seed + seed, arm=arm.label)
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
        length = _length(arm, *arm.as_long_as, planned, by_id)
        return dataclasses.replace(config, train_for=length) if length else None
    return config


def _chosen(arm: Arm, planned: Places) -> Config | Control | None:
    """The config of the trial that is best on validation, or None while one is missing.

    The first of several that are as good; the test split is not looked at.
    """
    trials = [_other(arm, label, 0, planned) for label in arm.chosen_from]
    if not all(trial.done for trial in trials):
        return None
    fit = [(t.arm.config, t.record) for t in trials if t.record and t.record.status == FINISHED]
    if not fit:
        raise ExperimentError(
            f"all {len(trials)} trials of arm {arm.label!r} of {arm.config.workload.name} "
            "diverged; search a smaller space"
        )
    return max(fit, key=lambda one: _merit(one[1]))[0]


def _merit(record: Record) -> tuple[float, float]:
    """Quality on validation, more being better: accuracy of images, and the loss."""
    score = record.scores["validation"]
    return (score.accuracy if record.data.unit == "image" else 0.0), -score.loss


def _length(arm: Arm, column: str, label: str, planned: Places, by_id: Mapping[str, Record]) -> str:
    """`train_for` of what another arm cost at seed 0, or "" while a run of it is missing."""
    needed = [label, *((arm.teacher, arm.start) if arm.lineage == "full" else ())]
    found = [_other(arm, name, 0, planned).record for name in needed if name]
    known = [record for record in found if record is not None]
    if len(known) < len(found):
        return ""
    other, *parents = known
    return train_for(arm.label, column, other, parents if arm.lineage == "full" else None, by_id)


def _other(arm: Arm, label: str, seed: int, planned: Places) -> Planned:
    for number in (seed, 0):
        if found := planned.get(_place(arm, label, number)):
            return found
    raise ExperimentError(
        f"arm {arm.label!r} needs arm {label!r} of {arm.config.workload.name}; put that before it"
    )


def _over(config: Config | Control, kept: Mapping[str, Mapping[str, Record]]) -> Record | None:
    """The record of this very request: config, data and code; one that finished, if any did."""
    for fingerprint, found in kept.items():
        others = fingerprint, source().digest
        control = isinstance(config, Control)
        request = controls.digest(config, *others) if control else digest(config, *others)
        if request in found:
            return found[request]
    return None
