"""The end of a run: score on test once, ship, score what was shipped, and write the record."""

from __future__ import annotations

import datetime
import io
import shutil
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax
from flax import nnx

from efficient.config import to_json, type_name
from efficient.cost.flops import count
from efficient.cost.machine import machine, memory_peak, versions
from efficient.deploy import Packed, format, pack, unpack
from efficient.ledger.bill import Cost, Process
from efficient.ledger.codec import to_dict
from efficient.ledger.record import (
    FINISHED,
    SCHEMA,
    DataFacts,
    File,
    Parent,
    Record,
    Score,
    SplitFacts,
)
from efficient.ledger.source import source
from efficient.ledger.store import digest_file, write_bytes, write_record
from efficient.models.network import NETWORKS
from efficient.models.tree import flatten
from efficient.run.attempt import DIARY, FLOPS
from efficient.run.build import Built
from efficient.run.parent import ROLES, WEIGHTS, load
from efficient.run.training import CURVE, Training, add, executed
from efficient.train.checkpoint import digest
from efficient.train.loop import Evaluation
from efficient.variants import VARIANTS
from efficient.variants.distill import divergence
from efficient.workloads import score

ARTEFACT, PREDICTIONS = "artefact", "predictions.npz"


def finish(
    training: Training,
    status: str,
    request: str,
    started: datetime.datetime,
    lineage: tuple[Parent, ...],
    out: Path,
) -> Record:
    """Whatever a run of this status leaves behind; only a finished one is scored and shipped."""
    built, directory = training.built, training.attempt.directory
    scores: dict[str, Score] = {}
    if training.points and training.points[-1].validation:
        scores["validation"] = training.points[-1].validation
    evidence: dict[str, float | int | str] = {}
    packed, inference = None, None
    if status == FINISHED:
        weights = training.weights()
        if built.config.select == "best" and training.best is not None:
            scores["validation"] = training.score(training.validation, weights)[0]
        test = built.evaluation("test")
        scores["test"] = _score(training, test, weights, directory / PREDICTIONS)
        _save_weights(directory / WEIGHTS, weights)
        packed, scores["artefact"], inference = _ship(training, test, weights, directory)
        evidence = _evidence(training, packed)
        reference = _reference(lineage)
        if reference:
            evidence["reference"] = reference
            evidence["reference_divergence"] = _distance(training, test, weights, reference, out)
    with training.clock.lap("write"):
        training.journal(status)
        record = Record(
            **_facts(training, status),
            request=request,
            started_utc=_utc(started),
            finished_utc=_utc(datetime.datetime.now(datetime.UTC)),
            scores=scores,
            cost=_cost(training, status, packed, inference),
            evidence=evidence,
            parents=lineage,
            files=_files(directory),
        )
        write_record(directory, record)
    DIARY.info("%s: %s", record.status, record.scores)
    if status == FINISHED:
        shutil.rmtree(directory / "checkpoints", ignore_errors=True)
    return record


def _score(training: Training, evaluation: Evaluation, weights: Any, path: Path) -> Score:
    """The test split, once; the measures of every example are kept beside the record."""
    with training.clock.lap("compile"):
        evaluation.prepare(weights)
    found, measures = training.score(evaluation, weights)
    content = io.BytesIO()
    np.savez(content, loss=measures.loss, correct=measures.correct, weight=measures.weight)
    with training.clock.lap("write"):
        write_bytes(path, content.getvalue())
    return found


def _ship(
    training: Training, test: Evaluation, weights: Any, directory: Path
) -> tuple[Packed, Score, int | None]:
    """Write the artefact, read it back, and score what was read."""
    built, config = training.built, training.built.config
    card = {
        "run_id": training.attempt.run_id,
        "model": to_json(config)["model"],
        "signature": to_dict(built.signature),
        "workload": to_json(config)["workload"],
    }
    with training.clock.lap("deploy"):
        graph, _, _ = nnx.split(_evaluating(built), nnx.Param, ...)
        format.write(directory / ARTEFACT, pack(graph, *weights), card)
        packed, _ = format.read(directory / ARTEFACT)
        fresh = config.model.build(built.signature, nnx.Rngs(0))
        predict, arrays = unpack(fresh, packed)
        shape = (1, *built.signature.input_shape)
        kind = "int32" if built.signature.kind == "text" else "float32"
        one = jax.make_jaxpr(predict)(arrays, jax.ShapeDtypeStruct(shape, kind))
        inference = count(one, padded=True, platform="default").total
        shipped = Evaluation(
            lambda arrays, batch: score(predict(arrays, batch.inputs), batch),
            test.window,
            test.data,
            test.examples,
            test.batch_size,
        )
        shipped.prepare(arrays)
        found, _ = training.score(shipped, arrays)
    return packed, found, inference


def _evaluating(built: Built) -> nnx.Module:
    model = built.composition.model
    model.eval()
    return model


def _evidence(training: Training, packed: Packed) -> dict[str, float | int | str]:
    """What the shipped arrays show of each mechanism, beside what the variants claim."""
    made = training.built.composition
    evidence: dict[str, float | int | str] = {}
    for variant in made.variants:
        evidence |= variant.claims(made.weights)
    if training.built.names:
        state = jax.device_get(training.state.opt_state)
        masks = _masks(state, training.built.names)
        evidence["weights_kept"] = sum(int(mask.sum()) for mask in masks.values())
        left = sum(int(np.count_nonzero(packed.arrays[n][~mask])) for n, mask in masks.items())
        evidence["weights_removed_nonzero"] = left
    integers = sum(a.dtype == np.int8 for a in packed.arrays.values())
    if integers:
        evidence["integer_arrays"] = integers
    evidence["weight_bytes_ratio"] = packed.weight_bytes / packed.float32_bytes
    return evidence


def _masks(opt_state: Any, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    masks = optax.tree.get(opt_state, "masks")
    return {name: np.asarray(masks[name]) for name in names}


def _reference(lineage: tuple[Parent, ...]) -> str:
    """Whose outputs this run's are compared with: its reference, or else its teacher."""
    by_role = {parent.role: parent.run_id for parent in lineage}
    return by_role.get("reference") or by_role.get("teacher", "")


def _distance(
    training: Training, test: Evaluation, weights: Any, reference: str, out: Path
) -> float:
    """Mean KL(reference || this run) over the test split, in nats per unit."""
    built = training.built
    apply, theirs = load(out, reference, built.signature, "reference")

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
    training.charge("flops_eval", executed(compared.compiled, built.platform))
    return float(nats.sum(dtype=np.float64) / units.sum(dtype=np.float64))


def _save_weights(path: Path, weights: Any) -> None:
    """Training weights `(params, rest)`, which other runs start from or are taught by."""
    trees = dict(zip(ROLES, jax.device_get(weights), strict=True))
    format.save_arrays(path, flatten(trees))


def _cost(training: Training, status: str, packed: Packed | None, inference: int | None) -> Cost:
    """The bill of all processes of the attempt."""
    built = training.built
    processes = _processes(training, status)
    laps: dict[str, float] = {}
    for process in processes:
        laps |= {name: laps.get(name, 0.0) + s for name, s in process.laps.items()}
    peak, memory_source = memory_peak()
    leaves = jax.tree.leaves(jax.device_get(training.state.params))
    unique = built.examples_unique(training.step)
    artefact = training.attempt.directory / ARTEFACT
    shipped = [p.stat().st_size for p in artefact.iterdir()] if packed else None
    return Cost(
        **built.flops(training.step, sum(process.steps for process in processes)),
        **{name: add(*(getattr(process, name) for process in processes)) for name in FLOPS},
        flops_effective=training.effective.total,
        flops_inference=inference,
        train_s=laps.get("train", 0.0),
        total_s=sum(laps.values()),
        laps=laps,
        params_total=sum(x.size for x in leaves),
        params_nonzero=sum(int(np.count_nonzero(x)) for x in leaves),
        stored_bytes=sum(shipped) if shipped else None,
        stored_weight_bytes=packed.weight_bytes if packed else None,
        memory_peak_bytes=peak,
        memory_source=memory_source,
        examples_seen=training.step * built.config.batch_size,
        examples_unique=unique,
        labels_used=unique if built.dataset.kind == "image" else 0,
        unknown=built.unknown,
        processes=processes,
    )


def _processes(training: Training, status: str) -> tuple[Process, ...]:
    laps = training.clock.laps()
    bill = (training.attempt.number, status, training.steps_run, sum(laps.values()), laps)
    return (*training.attempt.processes, Process(*bill, **training.flops))


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
        "data": _data_facts(built),
        "machine": machine(),
        "versions": versions(),
        "source": source(),
        "select": config.select,
        "points": tuple(training.points),
        "notes": tuple(training.notes),
    }


def _data_facts(built: Built) -> DataFacts:
    workload, dataset = built.config.workload, built.dataset
    return DataFacts(
        name=dataset.name,
        version=dataset.version,
        fingerprint=dataset.fingerprint,
        splits={
            name: SplitFacts(workload.examples(dataset, name), sha)
            for name, sha in dataset.split_sha256.items()
        },
        overlap=dataset.overlap,
        unit=workload.unit,
        details=dataset.details,
    )


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
