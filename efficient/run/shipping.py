"""What is shipped: the artefact is written, read back, scored and weighed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from flax import nnx

from efficient.config import to_json, untyped
from efficient.cost.bits import bit_operations
from efficient.cost.flops import count
from efficient.deploy import Packed, format, pack, unpack
from efficient.ledger.codec import to_dict
from efficient.ledger.record import Score
from efficient.models.cut import WIDTHS
from efficient.models.network import NETWORKS
from efficient.run.build import Built
from efficient.run.training import Training
from efficient.train.loop import Evaluation
from efficient.workloads import score

ARTEFACT = "artefact"


@dataclass(frozen=True)
class Shipped:
    """The file that leaves the run: its arrays, its score on test, one example's price."""

    packed: Packed
    score: Score
    inference: int | None
    bit_operations: int | None
    evidence: dict[str, float | int | str]


def ship(training: Training, test: Evaluation, weights: Any) -> Shipped:
    """Write the artefact, read it back, and score what was read."""
    built, config = training.built, training.built.config
    directory = training.attempt.directory
    card = {
        "run_id": training.attempt.run_id,
        "model": untyped(NETWORKS, built.spec),
        "signature": to_dict(built.signature),
        "workload": to_json(config)["workload"],
        "preprocessing": _preprocessing(built, test.data),
    }
    with training.clock.lap("deploy"):
        graph, _, _ = nnx.split(_evaluating(built), nnx.Param, ...)
        format.write(directory / ARTEFACT, pack(graph, *weights), card)
        packed, _ = format.read(directory / ARTEFACT)
        predict, arrays = unpack(lambda: built.spec.build(built.signature, nnx.Rngs(0)), packed)
        shape = (1, *built.signature.input_shape)
        kind = "int32" if built.signature.kind == "text" else "float32"
        one = jax.make_jaxpr(predict)(arrays, jax.ShapeDtypeStruct(shape, kind))
        inference = count(one, padded=True, platform="default").total
        bits = bit_operations(one)
        shipped = Evaluation(
            lambda arrays, batch: score(predict(arrays, batch.inputs), batch),
            test.window,
            test.data,
            test.examples,
            test.batch_size,
        )
        shipped.prepare(arrays)
        found, _ = training.score(shipped, arrays)
    return Shipped(packed, found, inference, bits, _evidence(training, packed))


def _evaluating(built: Built) -> nnx.Module:
    model = built.composition.model
    model.eval()
    return model


def _preprocessing(built: Built, data: Any) -> dict[str, Any]:
    """How data become inputs: (pixels / divisor - mean) / std by channel, or the byte of a token.

    Empty where the workload is somebody's own and its arrays do not say.
    """
    if built.signature.kind == "text":
        listed = built.dataset.details.get("vocabulary")
        every = list(range(built.signature.classes))
        return {"vocabulary": json.loads(listed) if listed else every}
    if not {"mean", "std"} <= set(data):
        return {}
    statistics = {name: np.asarray(data[name], float).tolist() for name in ("mean", "std")}
    return {"divisor": 255, **statistics}


def _evidence(training: Training, packed: Packed) -> dict[str, float | int | str]:
    """What the shipped arrays show of each mechanism, beside what the variants claim."""
    made = training.built.composition
    found: dict[str, float | int | str] = {}
    for variant in made.variants:
        found |= variant.claims(made.weights)
    if training.built.names:
        masks = jax.device_get(training.standing.masks)
        found["weights_kept"] = sum(int(mask.sum()) for mask in masks.values())
        left = sum(int(np.count_nonzero(packed.arrays[n][~mask])) for n, mask in masks.items())
        found["weights_removed_nonzero"] = left
    found |= _units(training.built)
    integers = sum(a.dtype == np.int8 for a in packed.arrays.values())
    if integers:
        found["integer_arrays"] = integers
    found["weight_bytes_ratio"] = packed.weight_bytes / packed.float32_bytes
    return found


def _units(built: Built) -> dict[str, int]:
    """How many channels, neurons and heads the network had and has, where some are gone."""
    if built.spec == built.config.model:
        return {}
    specs = {"units_total": built.config.model, "units_kept": built.spec}
    return {
        name: sum(g.size for g in spec.groups(built.signature) if g.kind in WIDTHS)
        for name, spec in specs.items()
    }
