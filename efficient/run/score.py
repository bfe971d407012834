"""What a split was scored: the measures of its examples added up, and kept by example."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from efficient.data import Dataset
from efficient.ledger.prediction import PREDICTIONS
from efficient.ledger.record import DataFacts, Score, SplitFacts
from efficient.ledger.store import write_bytes
from efficient.workloads import Measures


def total(measures: Measures) -> Score:
    """Sums over examples in double precision, divided once."""
    units = float(measures.weight.sum(dtype=np.float64))
    loss = float(measures.loss.sum(dtype=np.float64)) / units
    accuracy = float(measures.correct.sum(dtype=np.float64)) / units
    return Score(loss, accuracy, round(units))


def keep(directory: Path, measures: Measures) -> None:
    """The measures of every example, beside the record."""
    content = io.BytesIO()
    np.savez(content, loss=measures.loss, correct=measures.correct, weight=measures.weight)
    write_bytes(directory / PREDICTIONS, content.getvalue())


def data_facts(workload: Any, dataset: Dataset) -> DataFacts:
    """What was fed, and how many examples each split has of it."""
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
