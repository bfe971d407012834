"""Starts the runs that an experiment lacks, each as a process of its own."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from efficient import controls
from efficient.config import Config, to_json
from efficient.controls import Control
from efficient.experiment.definition import Experiment, ExperimentError
from efficient.experiment.planning import Planned, plan
from efficient.ledger.notation import tuned_for
from efficient.ledger.record import FINISHED
from efficient.predict.budget import Amounts, Budget

#: Exit status of a run whose loss is not finite.
DIVERGED = 3
AMOUNTS = tuple(amount.name for amount in dataclasses.fields(Amounts))


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


def run(
    experiment: Experiment,
    seeds: int | None,
    out: Path | str,
    data_dir: Path | str | None,
    say: Callable[[str], None],
    terms: Terms | None = None,
) -> Terms:
    """Train what is missing, one process after another; the terms with what that has spent.

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
    return terms


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
        plain, verb, options = _asked(item.config, terms)
        config.write_text(json.dumps(plain))
        command = [sys.executable, "-m", "efficient", verb, str(config), "--out", str(out)]
        command += ["--data-dir", str(data_dir)] if data_dir else []
        command += ["--json", *options]
        environment = {**os.environ, **terms.environment}
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=errors, env=environment)
    if done.returncode in (130, 143):
        raise KeyboardInterrupt
    diverged = done.returncode == DIVERGED and tuned_for(item.arm.label)
    if done.returncode and not diverged:
        how = "stopped" if done.returncode == 4 else "failed"
        lines = log.read_text(errors="replace").strip().splitlines() or ["no message"]
        raise ExperimentError(f"{item.label} {how}: {lines[-1]} (whole log: {log})")
    return json.loads(done.stdout)


def _asked(config: Config | Control, terms: Terms) -> tuple[dict[str, Any], str, list[str]]:
    """The config as JSON, the command that reads it, and its options.

    A control cannot be stopped in its midst, so a budget is not its own.
    """
    if isinstance(config, Control):
        return controls.to_json(config), "control", []
    return to_json(config), "train", terms.options()


def _line(summary: dict[str, Any]) -> str:
    """What a run came to; a trial is read on validation only."""
    split = "validation" if tuned_for(summary["arm"]) else "test"
    if summary["status"] != FINISHED:
        return f"{summary['status']} after {summary['steps']} steps, charged and not chosen"
    score = summary["scores"][split]
    loss = "no loss" if score["loss"] is None else f"loss {score['loss']:.4f}"
    return (
        f"{split} accuracy {score['accuracy']:.4f}, {loss}, "
        f"train {summary['cost']['train_s']:.1f} s, total {summary['cost']['total_s']:.1f} s "
        f"on {summary['machine']['device_kind']}"
    )
