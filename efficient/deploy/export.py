"""A finished run's artefact as a folder of its own, with the function and the whole card."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from efficient import __version__
from efficient.deploy import function
from efficient.deploy.artefact import FOLDER, Artefact, load, locate
from efficient.deploy.error import ArtefactError
from efficient.deploy.format import write
from efficient.ledger.codec import to_dict
from efficient.ledger.record import Record
from efficient.ledger.store import digest_file, read_record
from efficient.models.signature import Signature

#: What the card says of the bill; why one of them is unknown stands in `unknown`.
COSTS = (
    "train_s",
    "total_s",
    "flops_model",
    "flops_executed",
    "flops_effective",
    "flops_inference",
    "params_total",
    "params_nonzero",
    "memory_peak_bytes",
    "energy_j",
    "energy_grade",
    "energy_facility_kwh",
    "carbon_gco2e",
    "cost_usd",
)
EXAMPLES = 2


@dataclass(frozen=True)
class Exported:
    """folder: the new one; sizes: bytes of its files; difference: largest absolute one between the
    logits of the exported function and of the network, on random inputs."""

    folder: Path
    sizes: dict[str, int]
    difference: float


def export_run(run: str | Path, root: str | Path, out: str | Path) -> Exported:
    """Write the artefact of a finished run into the folder `out`, whole or not at all.

    run: its folder, id, or the beginning of its id, in the folder `root`.

    Raises:
        StoreError: there is no such run. ArtefactError: it never finished, its artefact is not
        what it shipped, or something stands in `out` already.
    """
    out = Path(out).resolve()
    _refuse_occupied(out)
    source = locate(run, root)
    record = _record(source)
    _verify(source, record)
    artefact = load(source)
    functions = function.serialize(artefact.packed, artefact.predict, artefact.signature)
    difference = _difference(artefact, functions)
    made = {"exported": {"efficient-jax": __version__, "jax": jax.__version__}}
    card = artefact.card | facts(record) | made | {"platforms": list(function.PLATFORMS)}
    temporary = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    try:
        write(temporary, artefact.packed, card, functions)
        _refuse_occupied(out)
        temporary.replace(out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    sizes = {path.name: path.stat().st_size for path in sorted(out.iterdir())}
    return Exported(out, sizes, difference)


def facts(record: Record) -> dict[str, Any]:
    """What a record says of where an artefact comes from, what it scores and what it cost."""
    cost = record.cost
    unknown = {name: cost.unknown[name] for name in COSTS if name in cost.unknown}
    return to_dict(
        {
            "request": record.request,
            "config": record.config,
            "seed": record.seed,
            "steps": record.steps,
            "data": record.data,
            "lineage": record.parents,
            "scores": record.scores,
            "evidence": record.evidence,
            "costs": {name: getattr(cost, name) for name in COSTS} | {"unknown": unknown},
            "trained": {
                "started_utc": record.started_utc,
                "finished_utc": record.finished_utc,
                "machine": record.machine,
                "versions": record.versions,
                "source": record.source,
            },
        }
    )


def _refuse_occupied(out: Path) -> None:
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise ArtefactError(f"{out} exists and is not empty; give another --out, or delete it")


def _record(source: Path) -> Record:
    """The record of the run that an artefact lies in."""
    if source.name != FOLDER:
        raise ArtefactError(f"{source} is exported already; copy the folder, or give a run")
    return read_record(source.parent)


def _verify(source: Path, record: Record) -> None:
    """Compare the artefact with the digests in the record of its run, which no seal can replace."""
    for name, file in record.files.items():
        path = source.parent / name
        if path.parent == source and not (path.is_file() and digest_file(path) == file.sha256):
            raise ArtefactError(
                f"artefact {path} is not what run {record.run_id} shipped; it is damaged or "
                "changed, repeat the run"
            )


def _difference(artefact: Artefact, functions: Mapping[str, bytes]) -> float:
    """The exported functions are run as another program would."""
    stored, _ = artefact.packed.encoded
    restore, predict = (
        jax.jit(function.deserialize(functions[name])) for name in (function.LOAD, function.PREDICT)
    )
    inputs = _random_inputs(artefact.signature)
    found = predict(restore(stored), inputs)
    wanted = jax.jit(artefact.predict)(artefact.weights, inputs)
    return float(np.abs(np.asarray(found) - np.asarray(wanted)).max())


def _random_inputs(signature: Signature) -> np.ndarray:
    rng, shape = np.random.default_rng(0), (EXAMPLES, *signature.input_shape)
    if signature.kind == "text":
        return rng.integers(0, signature.classes, shape, np.int32)
    return rng.standard_normal(shape, np.float32)
