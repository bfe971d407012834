"""Fit one control, score it, ship it, and keep its record: from Control to Record."""

from __future__ import annotations

import datetime
import importlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from efficient.config import type_name
from efficient.controls.bill import Examples, bill
from efficient.controls.control import CONTROLS, Control, digest, to_json
from efficient.controls.examination import examine, judge
from efficient.controls.fitted import ControlError, Fitted, Predict
from efficient.cost import host
from efficient.cost.clock import Clock
from efficient.cost.site import Site
from efficient.data import Dataset, load
from efficient.deploy.format import WEIGHTS, load_arrays, save_arrays
from efficient.ledger.prediction import PREDICTIONS
from efficient.ledger.record import FINISHED, SCHEMA, File, Record, Score
from efficient.ledger.source import source
from efficient.ledger.store import digest_file, write_record
from efficient.run.attempt import Attempt, stem
from efficient.run.score import data_facts, keep
from efficient.run.shipping import ARTEFACT
from efficient.run.spending import Spending
from efficient.run.venue import Venue
from efficient.workloads import Measures

FILE = f"{ARTEFACT}/{WEIGHTS}"


def run(
    control: Control,
    out: Path | str = "runs",
    data_dir: Path | str | None = None,
    site: Site | None = None,
) -> Record:
    """Fit, score on validation and test, ship, and keep the record in a folder of `out`.

    Fitting cannot go on where it was stopped: the next attempt begins anew, and what the stopped
    one spent is on its bill.

    Raises:
        ValueError (its subclasses): a setting or the data is wrong; one line says which.
    """
    clock, started = Clock(), _now()
    venue = Venue.host(site or Site.from_environment())
    with venue.meter() as meter:
        meter.start()
        with clock.lap("data"):
            dataset = load(control.workload.data, data_dir)
        with clock.lap("build"):
            check(control, dataset)
            importlib.import_module(control.model.library)
            request = digest(control, dataset.fingerprint, source().digest)
            name = stem(control.workload.name, control.label, control.seed, request)
            attempt = Attempt.open(Path(out), name)
        fitting = Fitting(control, dataset, attempt, Spending(clock, meter, attempt.processes))
        with fitting.charged():
            return fitting.record(fitting.fit(), venue, request, started)


def check(control: Control, dataset: Dataset) -> None:
    """Whether a control can be fitted to a dataset.

    Raises:
        ControlError: it is of another kind, the workload changes its images, or a class is absent.
        WorkloadError: the workload is not one of these data.
    """
    kind, workload = control.model.kind, control.workload
    if kind != dataset.kind:
        fitting = ", ".join(name for name, made in CONTROLS.items() if made.kind == dataset.kind)
        raise ControlError(
            f"control {type_name(CONTROLS, control.model)!r} learns from {kind}, and "
            f"{dataset.name!r} holds {dataset.kind}; choose one of {fitting}"
        )
    workload.check(dataset)
    if getattr(workload, "crop", 0) or getattr(workload, "flip", False):
        raise ControlError(
            "a control is fitted to the images as they are; give a workload without crop and flip"
        )
    if kind == "image":
        found = np.unique(dataset.splits["train"]["targets"])
        if len(found) < dataset.classes:
            raise ControlError(
                f"{dataset.name!r} has {len(found)} of {dataset.classes} classes in train; "
                "a control needs all"
            )


@dataclass(frozen=True)
class Fitting:
    """A control, its data, and what it spends."""

    control: Control
    dataset: Dataset
    attempt: Attempt
    spending: Spending

    @contextmanager
    def charged(self) -> Iterator[None]:
        """What was spent stays in the journal, whatever ends it; a refused setting leaves none."""
        self.attempt.journal(self.spending.process("killed"))
        try:
            yield
        except ControlError:
            if not self.spending.earlier:
                shutil.rmtree(self.attempt.directory, ignore_errors=True)
            raise
        except BaseException:
            self.spending.charge("flops_executed", None)
            self.attempt.journal(self.spending.process("killed"))
            raise

    def fit(self) -> Fitted:
        control, dataset, clock = self.control, self.dataset, self.spending.clock
        with clock.lap("data"):
            data = control.workload.arrays(dataset, "train")
        with clock.lap("train"):
            fitted = control.model.fit(data, dataset.classes, control.seed, host.cores())
        self.spending.charge("flops_executed", fitted.flops_executed)
        return fitted

    def record(self, fitted: Fitted, venue: Venue, request: str, started: str) -> Record:
        """Score, ship, and write what came of it."""
        scores, seconds = self._scores(fitted)
        measured = {"threads": host.cores(), "predict_us": 1e6 * seconds / scores["test"].units}
        with self.spending.clock.lap("write"):
            processes = self.spending.processes(FINISHED)
            self.attempt.journal(processes[-1])
            files = _files(self.attempt.directory)
            record = Record(
                **self._facts(),
                request=request,
                started_utc=started,
                finished_utc=_now(),
                machine=venue.machine,
                scores=scores,
                cost=bill(fitted, processes, venue, self._examples(), files.get(FILE)),
                evidence=measured | fitted.evidence,
                files=files,
            )
            write_record(self.attempt.directory, record)
        return record

    def _facts(self) -> dict[str, Any]:
        """The record's fields that say what was run, on what, by which code."""
        control = self.control
        shape, classes = control.workload.signature(self.dataset)
        return {
            "schema": SCHEMA,
            "run_id": self.attempt.run_id,
            "status": FINISHED,
            "preset": control.preset,
            "arm": control.label,
            "workload": control.workload.name,
            "model": type_name(CONTROLS, control.model),
            "variants": (),
            "seed": control.seed,
            "config": to_json(control),
            "steps": 0,
            "steps_planned": 0,
            "params_digest": None,
            "input_shape": shape,
            "classes": classes,
            "data": data_facts(control.workload, self.dataset),
            "versions": host.versions(host.OF_CONTROLS),
            "source": source(),
            "select": "final",
            "points": (),
            "parents": (),
        }

    def _examples(self) -> Examples:
        count = self.control.workload.examples(self.dataset, "train")
        return Examples(count, count if self.dataset.kind == "image" else 0)

    def _scores(self, fitted: Fitted) -> tuple[dict[str, Score], float]:
        """Of each split and of what is shipped; the seconds of predicting the test split."""
        scores, clock = {}, self.spending.clock
        scores["validation"], _, _ = self._score(fitted, fitted.predict, "validation")
        scores["test"], measures, seconds = self._score(fitted, fitted.predict, "test")
        with clock.lap("write"):
            keep(self.attempt.directory, measures)
        if fitted.arrays is not None:
            with clock.lap("deploy"):
                path = self.attempt.directory / FILE
                save_arrays(path, fitted.arrays)
                read = self.control.model.predictor(load_arrays(path), host.cores())
                scores["artefact"], _, _ = self._score(fitted, read, "test")
        return scores, seconds

    def _score(self, fitted: Fitted, predict: Predict, split: str) -> tuple[Score, Measures, float]:
        with self.spending.clock.lap("eval"):
            measures, seconds = examine(predict, self.control.workload, self.dataset, split)
        forward, count = fitted.flops_inference, len(measures.weight)
        self.spending.charge("flops_eval", None if forward is None else forward * count)
        return judge(measures, fitted.unknown.get("loss", "")), measures, seconds


def _files(directory: Path) -> dict[str, File]:
    """What lies beside the record, by its path below it."""
    paths = {name: directory / name for name in (PREDICTIONS, FILE)}
    return {n: File(digest_file(p), p.stat().st_size) for n, p in paths.items() if p.is_file()}


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
