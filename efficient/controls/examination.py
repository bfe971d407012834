"""How good is a control? Its log-probabilities, scored by the function that scores a network."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import Any

import jax
import numpy as np

from efficient.controls.fitted import Predict
from efficient.data import Dataset
from efficient.ledger.record import Score
from efficient.run.score import total
from efficient.workloads import Measures, score

#: Examples that are predicted at once.
BATCH = 256
_measure = jax.jit(score)


def examine(
    predict: Predict, workload: Any, dataset: Dataset, split: str
) -> tuple[Measures, float]:
    """The measures of every example, and the seconds of predicting alone."""
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


def judge(measures: Measures, no_loss: str) -> Score:
    """The score; without a loss where `no_loss` says why, or where it would be infinite."""
    found, count = total(measures), len(measures.weight)
    if not no_loss and not math.isfinite(found.loss):
        missed = int(np.isinf(np.asarray(measures.loss)).sum())
        no_loss = f"the right class has probability 0 in {missed:,} of {count:,} examples"
    return replace(found, loss=math.nan, reason=no_loss) if no_loss else found
