"""Fit one control, score it, ship it, and keep its record: from Control to Record."""

from __future__ import annotations

import datetime
import importlib
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import numpy as np

from efficient.config import type_name
from efficient.controls.bill import bill
from efficient.controls.control import CONTROLS, Control, digest, to_json
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
from efficient.run.score import data_facts, keep, total
from efficient.run.shipping import ARTEFACT
from efficient.run.spending import Spending
from efficient.run.venue import Venue
from efficient.workloads import Measures, score

#: Examples that are predicted at once.
BATCH = 256
FILE = f"{ARTEFACT}/{WEIGHTS}"
_measure = jax.jit(score)


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
        """Whatever ends it, what was spent stays in the journal."""
        self.attempt.journal(self.spending.process("killed"))
        try:
            yield
        except BaseException:
            self.spending.charge("flops_executed", None)
            self.attempt.journal(self.spending.process("killed"))
            raise

    def fit(self) -> Fitted:
        control, dataset = self.control, self.dataset
        with self.spending.clock.lap("train"):
            data = control.workload.arrays(dataset, "train")
            fitted = control.model.fit(data, dataset.classes, control.seed, host.cores())
        self.spending.charge("flops_executed", fitted.flops_executed)
        return fitted

    def record(self, fitted: Fitted, venue: Venue, request: str, started: str) -> Record:
        """Score, ship, and write what came of it."""
        control, directory, facts = self.control, self.attempt.directory, self.dataset
        scores, test_s = self._scores(fitted)
        measured = {"threads": host.cores(), "predict_us": 1e6 * test_s / scores["test"].units}
        with self.spending.clock.lap("write"):
            processes = self.spending.processes(FINISHED)
            self.attempt.journal(processes[-1])
            shape, classes = control.workload.signature(facts)
            stored = directory / FILE
            record = Record(
                schema=SCHEMA,
                run_id=self.attempt.run_id,
                request=request,
                status=FINISHED,
                preset=control.preset,
                arm=control.label,
                workload=control.workload.name,
                model=type_name(CONTROLS, control.model),
                variants=(),
                seed=control.seed,
                config=to_json(control),
                started_utc=started,
                finished_utc=_now(),
                steps=0,
                steps_planned=0,
                params_digest=None,
                input_shape=shape,
                classes=classes,
                data=data_facts(control.workload, facts),
                machine=venue.machine,
                versions=host.versions(host.OF_CONTROLS),
                source=source(),
                select="final",
                scores=scores,
                points=(),
                cost=bill(
                    fitted,
                    processes,
                    venue,
                    control.workload.examples(facts, "train"),
                    facts.kind == "image",
                    stored.stat().st_size if stored.is_file() else None,
                ),
                evidence=measured | fitted.evidence,
                parents=(),
                files={
                    name: File(digest_file(path), path.stat().st_size)
                    for name in (PREDICTIONS, FILE)
                    if (path := directory / name).is_file()
                },
            )
            write_record(directory, record)
        return record

    def _scores(self, fitted: Fitted) -> tuple[dict[str, Score], float]:
        """Of each split and of what is shipped; the seconds of predicting the test split."""
        scores, clock = {}, self.spending.clock
        scores["validation"], _, _ = self._score(fitted, fitted.predict, "validation")
        scores["test"], measures, test_s = self._score(fitted, fitted.predict, "test")
        with clock.lap("write"):
            keep(self.attempt.directory, measures)
        if fitted.arrays is not None:
            with clock.lap("deploy"):
                path = self.attempt.directory / FILE
                save_arrays(path, fitted.arrays)
                read = self.control.model.predictor(load_arrays(path), host.cores())
                scores["artefact"], _, _ = self._score(fitted, read, "test")
        return scores, test_s

    def _score(self, fitted: Fitted, predict: Predict, split: str) -> tuple[Score, Measures, float]:
        with self.spending.clock.lap("eval"):
            measures, seconds = examine(predict, self.control.workload, self.dataset, split)
        forward, examples = fitted.flops_inference, len(measures.weight)
        self.spending.charge("flops_eval", None if forward is None else forward * examples)
        found = total(measures)
        reason = fitted.unknown.get("loss", "")
        if not reason and not math.isfinite(found.loss):
            missed = int(np.isinf(measures.loss).sum())
            reason = f"the right class has probability 0 in {missed:,} of {examples:,} examples"
        return (
            (replace(found, loss=math.nan, reason=reason) if reason else found),
            measures,
            seconds,
        )


def examine(
    predict: Predict, workload: Any, dataset: Dataset, split: str
) -> tuple[Measures, float]:
    """The measures of a network, example by example, and the seconds of predicting alone."""
    data, count = workload.arrays(dataset, split), workload.examples(dataset, split)
    window = jax.jit(workload.window)
    parts, seconds = [], 0.0
    for start in range(0, count, BATCH):
        index, kept = np.arange(start, start + BATCH, dtype=np.int32), min(BATCH, count - start)
        batch = window(data, index)
        inputs = data["inputs"][index[:kept]] if "inputs" in data else batch.inputs[:kept]
        begin = time.perf_counter()
        found = predict(np.asarray(inputs))
        seconds += time.perf_counter() - begin
        logits = np.zeros((BATCH, *found.shape[1:]), np.float32)
        logits[:kept] = found
        parts.append([column[:kept] for column in jax.device_get(_measure(logits, batch))])
    whole: list[Any] = [np.concatenate(column) for column in zip(*parts, strict=True)]
    return Measures(*whole), seconds


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
