"""Plans many runs, starts each as a process of its own, and skips what is finished.

An experiment is a Python file with an `experiment`. An arm's teacher or reference is another arm,
which is trained first as a run with its own record and bill.
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Any

from efficient.config import Config, definition, digest, nearest, to_json
from efficient.ledger.record import FINISHED, Record
from efficient.ledger.source import source
from efficient.ledger.store import records
from efficient.predict.budget import Amounts, Budget

#: Costs of an arm that another can be given, and how `train_for` writes them.
UNITS = {"flops_executed": "FLOP", "train_s": "s"}
AMOUNTS = tuple(amount.name for amount in dataclasses.fields(Amounts))


class ExperimentError(ValueError):
    """An experiment that cannot be run: one line with the remedy."""


@dataclass(frozen=True)
class Arm:
    """One way to train, over seeds.

    label: of its rows; teacher, start and reference: labels of other arms of the same workload,
    whose run of the same seed is taken, or seed 0 where that arm has only one; as_long_as: (column,
    label): its steps are planned before the run so that the cost, one of `UNITS`, is predicted to
    be that of seed 0 of another arm; seeds: fewer than the experiment's; minutes: expected for one
    run on two CPU cores.
    """

    label: str
    config: Config
    _: KW_ONLY
    teacher: str = ""
    start: str = ""
    reference: str = ""
    as_long_as: tuple[str, str] | None = None
    seeds: int | None = None
    minutes: float = 1.0


@dataclass(frozen=True)
class Experiment:
    """A question and its arms; `seeds` is how often each arm is trained unless it says fewer.

    scales: the same question on larger machines, by name: other arms, as (scale, arms) pairs.
    """

    title: str
    arms: tuple[Arm, ...]
    seeds: int = 3
    name: str = ""
    scales: tuple[tuple[str, tuple[Arm, ...]], ...] = ()

    def at(self, scale: str) -> Experiment:
        """The same question with the arms of a scale; itself for "".

        Raises:
            ExperimentError: it has no such scale.
        """
        if not scale:
            return self
        arms = dict(self.scales)
        if scale not in arms:
            raise ExperimentError(
                f"experiment {self.name!r} has no scale {scale!r}; "
                + (nearest(scale, arms) if arms else "leave --scale out")
            )
        name = f"{self.name}-{scale}"
        return dataclasses.replace(self, arms=arms[scale], name=name, scales=())


@dataclass(frozen=True)
class Planned:
    """One run: `config` is None until the runs that it needs are finished."""

    arm: Arm
    seed: int
    config: Config | None
    record: Record | None

    @property
    def label(self) -> str:
        return f"{self.arm.config.workload.name} {self.arm.label} seed {self.seed}"

    @property
    def done(self) -> bool:
        return self.record is not None

    @property
    def minutes(self) -> float:
        """What it took, or what its author expects."""
        return self.record.cost.total_s / 60 if self.record else self.arm.minutes


@dataclass(frozen=True)
class Terms:
    """What the runs that are missing may cost together, and where they run.

    budget: of all together; spent: of it, so far; environment: variables that say the site to
    each process; measured: whether each calibrates the machine first.
    """

    budget: Budget = field(default_factory=lambda: Budget(()))
    environment: Mapping[str, str] = field(default_factory=dict)
    measured: bool = False
    spent: Amounts = field(default_factory=lambda: Amounts(0, 0, 0, 0, 0))

    def options(self) -> list[str]:
        """Of the command of the next run, which was agreed to when all were.

        Raises:
            BudgetError: nothing is left.
        """
        left = str(self.budget.remaining(self.spent))
        budget = ["--budget", left, "--yes"] if left else []
        return budget + (["--peak", "measured"] if self.measured else [])

    def after(self, bill: Mapping[str, Any]) -> Terms:
        """With what a run has spent; an amount that is unknown once is unknown from then on."""
        amounts = {name: (getattr(self.spent, name), bill[name]) for name in AMOUNTS}
        sums = {n: None if None in pair else sum(pair) for n, pair in amounts.items()}
        return dataclasses.replace(self, spent=Amounts(**sums))


def load(path: Path | str) -> Experiment:
    """The `experiment` of a Python file, or of `experiment.py` in a folder.

    Raises:
        ExperimentError: there is none. ConfigError: it does not load.
    """
    path = Path(path)
    file = path / "experiment.py" if path.is_dir() else path
    if not file.is_file():
        near = [p.parent.name for p in Path("experiments").glob("*/experiment.py")]
        raise ExperimentError(
            f"experiment {str(path)!r} does not exist; {nearest(path.name, near)}"
        )
    experiment = definition(file, "experiment", Experiment)
    return dataclasses.replace(experiment, name=file.resolve().parent.name)


def plan(experiment: Experiment, seeds: int | None, out: Path | str) -> list[Planned]:
    """Every run in the order in which it is started: seed by seed, an arm after those it needs."""
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
    return list(planned.values())


def run(
    experiment: Experiment,
    seeds: int | None,
    out: Path | str,
    data_dir: Path | str | None,
    say: Callable[[str], None],
    terms: Terms | None = None,
) -> None:
    """Train what is missing, one process after another.

    Raises:
        ExperimentError: a run failed; what is finished stays, and the same call goes on.
        BudgetError: the budget is used up; likewise.
    """
    terms = terms or Terms()
    total = len(plan(experiment, seeds, out))
    begun = time.monotonic()
    for number in range(total):
        everything = plan(experiment, seeds, out)
        item = everything[number]
        prefix = f"[{number + 1:{len(str(total))}}/{total}] {item.label}"
        if item.done:
            say(f"{prefix}: finished before")
            continue
        left = sum(p.minutes for p in everything[number:] if not p.done)
        say(f"{prefix}: training, about {left:.1f} minutes left")
        summary = _train(item, Path(out), data_dir, terms)
        terms = terms.after(summary["cost"])
        say(f"{prefix}: {_line(summary)}")
    say(f"{total} runs in {(time.monotonic() - begun) / 60:.1f} minutes")


def _train(item: Planned, out: Path, data_dir: Path | str | None, terms: Terms) -> dict[str, Any]:
    """One process and its summary; its log goes beside the runs."""
    if item.config is None:
        raise ExperimentError(
            f"{item.label} needs a run that other code trained, because the code changed "
            "meanwhile; give the same command again"
        )
    log = out / "logs" / f"{item.label.replace(' ', '-')}.log"
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ExperimentError(
            f"{log.parent} cannot be made ({error.strerror}); choose --out"
        ) from None
    with tempfile.TemporaryDirectory() as folder, log.open("wb") as errors:
        config = Path(folder) / "config.json"
        config.write_text(json.dumps(to_json(item.config)))
        command = [sys.executable, "-m", "efficient", "train", str(config), "--out", str(out)]
        command += ["--data-dir", str(data_dir)] if data_dir else []
        command += ["--json", *terms.options()]
        environment = {**os.environ, **terms.environment}
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=errors, env=environment)
    if done.returncode in (130, 143):
        raise KeyboardInterrupt
    if done.returncode:
        how = "stopped" if done.returncode == 4 else "failed"
        lines = log.read_text(errors="replace").strip().splitlines() or ["no message"]
        raise ExperimentError(f"{item.label} {how}: {lines[-1]} (whole log: {log})")
    return json.loads(done.stdout)


def _line(summary: dict[str, Any]) -> str:
    score = summary["scores"]["test"]
    return (
        f"test accuracy {score['accuracy']:.4f}, loss {score['loss']:.4f}, "
        f"train {summary['cost']['train_s']:.1f} s, total {summary['cost']['total_s']:.1f} s "
        f"on {summary['machine']['device_kind']}"
    )


def _place(arm: Arm, label: str, seed: int) -> tuple[str, str, int]:
    return arm.config.workload.name, label, seed


def _resolve(arm: Arm, seed: int, planned: dict[tuple[str, str, int], Planned]) -> Config | None:
    """The arm's config for a seed, or None while a run that it needs is missing."""
    config = dataclasses.replace(arm.config, seed=seed, arm=arm.label)
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


def _finished(config: Config, kept: Mapping[str, Mapping[str, Record]]) -> Record | None:
    """The record of this very request: config, data and code."""
    for fingerprint, found in kept.items():
        request = digest(config, fingerprint, source().digest)
        if request in found:
            return found[request]
    return None
