"""The score of an artefact on the test split, by the workload that its card names."""

from __future__ import annotations

import importlib
from typing import Any

import jax
import numpy as np

from efficient.benchmark.error import BenchmarkError
from efficient.data import Dataset
from efficient.deploy import Artefact
from efficient.ledger.codec import RecordError, from_dict
from efficient.ledger.record import Score
from efficient.ledger.store import RECORD, read_record
from efficient.train.loop import Evaluation
from efficient.workloads import WORKLOADS, score

SPLIT, BATCH = "test", 256
#: The score of a record that is of the shipped file, on that split.
SHIPPED = "artefact"


def workload_of(artefact: Artefact) -> Any:
    """The workload of a card: one of the table, or somebody's own `module:attribute`.

    Raises:
        BenchmarkError: there is none, or it cannot be loaded.
    """
    plain = artefact.card.get("workload", {})
    try:
        name = plain["type"]
        kind = WORKLOADS.get(name)
        if kind is None:
            module, _, attribute = name.partition(":")
            kind = getattr(importlib.import_module(module), attribute)
        return from_dict(kind, {k: v for k, v in plain.items() if k != "type"}, "card.workload")
    except (TypeError, KeyError, ImportError, AttributeError, ValueError) as error:
        text = f"artefact {artefact.folder}: its workload cannot be loaded: {error}"
        raise BenchmarkError(f"{text}; export the run again") from None


def examine(artefact: Artefact, workload: Any, dataset: Dataset) -> Score:
    """Score the function that is timed on every example of the test split."""
    examples = workload.examples(dataset, SPLIT)
    evaluation = Evaluation(
        lambda weights, batch: score(artefact.predict(weights, batch.inputs), batch),
        workload.window,
        jax.device_put(workload.arrays(dataset, SPLIT)),
        examples,
        min(BATCH, examples),
    )
    evaluation.prepare(artefact.weights)
    measures = evaluation.run(artefact.weights)
    loss, correct, units = (float(x.sum(dtype=np.float64)) for x in measures)
    return Score(loss / units, correct / units, round(units))


def recorded(artefact: Artefact) -> Score | None:
    """What the card, or the record of the run it lies in, says of this very file."""
    plain = artefact.card.get("scores", {})
    for name in (SHIPPED, SPLIT):
        if name in plain:
            return from_dict(Score, plain[name], f"card.scores.{name}")
    run = artefact.folder.resolve().parent
    if not (run / RECORD).is_file():
        return None
    try:
        return read_record(run).scores.get(SHIPPED)
    except RecordError:
        return None


def examples(workload: Any, dataset: Dataset, count: int) -> jax.Array:
    """The first inputs of the test split, from the first again when there are fewer."""
    index = np.arange(count, dtype=np.int32) % workload.examples(dataset, SPLIT)
    return jax.jit(workload.window)(workload.arrays(dataset, SPLIT), index).inputs
