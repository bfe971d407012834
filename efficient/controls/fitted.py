"""What fitting a control leaves, and what the controls share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import numpy as np

#: Arrays by name: the data of a split, or what of a control is shipped.
Arrays = Mapping[str, np.ndarray]
#: Inputs of a batch, as the data has them, to log-probabilities or votes (batch, [time,] classes).
Predict = Callable[[np.ndarray], np.ndarray]


class ControlError(ValueError):
    """A control that cannot be made: one line with the value and the remedy."""


@dataclass(frozen=True)
class Fitted:
    """A control after fitting.

    arrays: what is shipped, from which the model's `predictor` is made again; None where there is
    nothing that could be shipped but a pickle; params: numbers that were fitted; examples that are
    kept are none; flops_executed: of fitting; flops_inference: of one example; unknown: why a field
    of `ledger.bill.Cost` is None, by its name, or why there is no `loss`.
    """

    predict: Predict
    arrays: dict[str, np.ndarray] | None
    params: int | None
    flops_executed: int | None
    flops_inference: int | None
    evidence: dict[str, float | int | str] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)


class Model(Protocol):
    """A frozen dataclass whose fields are its hyper-parameters.

    kind: of the data it is fitted to, image or text; library: what fits it, imported before the
    clock of training starts; title: the name of its arm; fit: to the arrays of the training split,
    as its workload has them, on so many threads. One that is shipped as arrays also has
    `predictor(arrays, threads)`.
    """

    kind: ClassVar[str]
    library: ClassVar[str]

    @property
    def title(self) -> str: ...

    def fit(self, data: Arrays, classes: int, seed: int, threads: int) -> Fitted: ...


def positive(model: Any, *names: str) -> None:
    """Refuses settings that are not above 0.

    Raises:
        ControlError: one is not; it is named.
    """
    for name in names:
        if not 0 < (value := getattr(model, name)) < float("inf"):
            raise ControlError(f"{name} {value} is not a number above 0")


def rows(images: np.ndarray) -> np.ndarray:
    """Images as they are, each in a row. (images, pixels) uint8."""
    return images.reshape(len(images), -1)


def pixels(images: np.ndarray, brightest: np.ndarray) -> np.ndarray:
    """As fractions of the brightest pixel in training, (1,). (images, pixels) float32."""
    return rows(images).astype(np.float32) / brightest.astype(np.float32)


def brightest(data: Arrays) -> np.ndarray:
    """Of all images. (1,) uint8, at least 1."""
    return np.maximum(data["inputs"].max(keepdims=True).reshape(1), 1)


def logarithm(probabilities: np.ndarray) -> np.ndarray:
    """Natural logarithms, minus infinity for 0."""
    with np.errstate(divide="ignore"):
        return np.log(probabilities)
