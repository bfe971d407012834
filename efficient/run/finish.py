"""The end of a run: score on test once, ship, score what was shipped, and write the record."""

from __future__ import annotations

import datetime
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from efficient.config import Config, to_json, type_name, untyped
from efficient.cost.machine import machine, versions
from efficient.deploy import format
from efficient.ledger.prediction import PREDICTIONS
from efficient.ledger.record import (
    FINISHED,
    SCHEMA,
    File,
    Parent,
    Record,
    Score,
)
from efficient.ledger.source import source
from efficient.ledger.store import digest_file, write_record
from efficient.models.network import NETWORKS
from efficient.models.tree import flatten
from efficient.run.attempt import DIARY
from efficient.run.bill import Known, bill
from efficient.run.curve import CURVE
from efficient.run.examination import examine
from efficient.run.parent import ROLES, WEIGHTS, load
from efficient.run.score import data_facts, keep
from efficient.run.shipping import ARTEFACT, ship
from efficient.run.training import Training, executed
from efficient.train.checkpoint import digest
from efficient.train.loop import Evaluation
from efficient.variants import VARIANTS
from efficient.variants.distill import divergence


@dataclass(frozen=True)
class Origin:
    """What was known of a run before its first step."""

    request: str
    started: datetime.datetime
    lineage: tuple[Parent, ...]
    out: Path
    known: Known


def finish(training: Training, status: str, origin: Origin) -> Record:
    """Whatever a run of this status leaves behind; only a finished one is scored and shipped."""
    built, directory = training.built, training.attempt.directory
    scores: dict[str, Score] = {}
    if training.scored is not None:
        scores["validation"] = training.scored
    shipped, evidence = None, {}
    if status == FINISHED:
        weights = training.standing.selected
        scores["validation"] = training.final_validation()
        test = built.evaluation("test")
        scores["test"] = _score(training, test, weights)
        _save_weights(directory / WEIGHTS, weights)
        shipped = ship(training, test, weights)
        scores["artefact"] = shipped.score
        evidence = shipped.evidence | built.load.evidence
        evidence |= _distance(training, test, weights, origin)
    examined = examine(training, status, origin.known.rated)
    with training.clock.lap("write"):
        processes = training.journal(status)
        record = Record(
            **_facts(training, status),
            request=origin.request,
            started_utc=_utc(origin.started),
            finished_utc=_utc(datetime.datetime.now(datetime.UTC)),
            scores=scores,
            cost=bill(training, processes, shipped, origin.known, examined),
            evidence=evidence,
            parents=origin.lineage,
            files=_files(directory),
        )
        write_record(directory, record)
    DIARY.info("%s: %s", record.status, record.scores)
    if status == FINISHED:
        shutil.rmtree(directory / "checkpoints", ignore_errors=True)
    return record


def _score(training: Training, evaluation: Evaluation, weights: Any) -> Score:
    """The test split, once; the measures of every example are kept beside the record."""
    with training.clock.lap("compile"):
        evaluation.prepare(weights)
    found, measures = training.score(evaluation, weights)
    with training.clock.lap("write"):
        keep(training.attempt.directory, measures)
    return found


def _reference(config: Config) -> tuple[str, str]:
    """Whose outputs this run's are compared with: its reference, or else its first teacher."""
    if config.reference:
        return "reference", config.reference
    named = [pair for variant in config.variants for pair in variant.parents()]
    return next((pair for pair in named if pair[0] == "teacher"), ("reference", ""))


def _distance(
    training: Training, test: Evaluation, weights: Any, origin: Origin
) -> dict[str, float | str]:
    """Mean KL(reference || this run) over the test split, in nats per unit, where there is one."""
    built = training.built
    role, name = _reference(built.config)
    if not name:
        return {}
    reference = next(parent.run_id for parent in origin.lineage if parent.role == role)
    apply, theirs = load(origin.out, name, built.signature, role)

    def measure(both, batch):
        target = apply(both[1], batch.inputs)
        logits = built.composition.predict(*both[0], batch.inputs)
        nats = divergence(target, logits, 1.0) * batch.weights
        axes = tuple(range(1, nats.ndim))
        return nats.sum(axes), batch.weights.sum(axes)

    compared = Evaluation(measure, test.window, test.data, test.examples, test.batch_size)
    both = (weights, theirs)
    with training.clock.lap("compile"):
        compared.prepare(both)
    with training.clock.lap("eval"):
        nats, units = compared.run(both)
    training.spending.charge("flops_eval", executed(compared.compiled, built.platform))
    mean = float(nats.sum(dtype=np.float64) / units.sum(dtype=np.float64))
    return {"reference": reference, "reference_divergence": mean}


def _save_weights(path: Path, weights: Any) -> None:
    """Training weights `(params, rest)`, which other runs start from or are taught by."""
    trees = dict(zip(ROLES, jax.device_get(weights), strict=True))
    format.save_arrays(path, flatten(trees))


def _facts(training: Training, status: str) -> dict[str, Any]:
    """The record's fields that say what was run, on what, by which code."""
    built, config = training.built, training.built.config
    return {
        "schema": SCHEMA,
        "run_id": training.attempt.run_id,
        "status": status,
        "preset": config.preset,
        "arm": config.label,
        "workload": config.workload.name,
        "model": type_name(NETWORKS, config.model),
        "variants": tuple(type_name(VARIANTS, v) for v in config.variants),
        "seed": config.seed,
        "config": to_json(config),
        "steps": training.step,
        "steps_planned": built.steps,
        "params_digest": digest(training.state.params) if status == FINISHED else None,
        "input_shape": built.signature.input_shape,
        "classes": built.signature.classes,
        "data": data_facts(config.workload, built.dataset),
        "machine": machine(),
        "versions": versions(),
        "source": source(),
        "select": config.select,
        "points": tuple(training.curve.points),
        "notes": tuple(training.notes),
        "spec": None if built.spec == config.model else untyped(NETWORKS, built.spec),
    }


def _files(directory: Path) -> dict[str, File]:
    """What lies beside the record, by its path below it."""
    names = [
        CURVE,
        PREDICTIONS,
        WEIGHTS,
        f"{ARTEFACT}/{format.WEIGHTS}",
        f"{ARTEFACT}/{format.CARD}",
    ]
    paths = {name: directory / name for name in names}
    return {n: File(digest_file(p), p.stat().st_size) for n, p in paths.items() if p.is_file()}


def _utc(when: datetime.datetime) -> str:
    return when.isoformat(timespec="seconds")
