"""Multinomial logistic regression: a network without a hidden layer, trained to convergence."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from efficient.controls.fitted import Arrays, Fitted, Predict, brightest, pixels, positive

NOT_TOLD = (
    "not a FLOP count: scikit-learn tells the iterations of L-BFGS, not how often it evaluated "
    "the loss"
)


@dataclass(frozen=True)
class Logistic:
    """Multinomial logistic regression: linear in the pixels, by L-BFGS (scikit-learn).

    c: inverse weight of the squared coefficients in the loss; iterations: at most.
    """

    c: float = 1.0
    iterations: int = 200

    kind: ClassVar[str] = "image"
    library: ClassVar[str] = "sklearn.linear_model"
    title: ClassVar[str] = "logistic regression"

    def __post_init__(self) -> None:
        positive(self, "c", "iterations")

    def fit(self, data: Arrays, classes: int, seed: int, threads: int) -> Fitted:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression

        top = brightest(data)
        made = LogisticRegression(C=self.c, max_iter=self.iterations)
        with warnings.catch_warnings():  # the iterations are in the evidence
            warnings.simplefilter("ignore", ConvergenceWarning)
            made.fit(pixels(data["inputs"], top), data["targets"])
        weights, biases = np.asarray(made.coef_).T, np.asarray(made.intercept_)
        if classes == 2:  # scikit-learn keeps the odds of the second class alone
            weights, biases = np.pad(weights, ((0, 0), (1, 0))), np.pad(biases, (1, 0))
        arrays = {
            "weights": weights.astype(np.float32),
            "biases": biases.astype(np.float32),
            "brightest": top,
        }
        return Fitted(
            predict=self.predictor(arrays, threads),
            arrays=arrays,
            params=weights.size + biases.size,
            flops_executed=None,
            flops_inference=2 * weights.size,
            evidence={"iterations": int(made.n_iter_.max())},
            unknown={"flops_executed": NOT_TOLD},
        )

    def predictor(self, arrays: Arrays, threads: int) -> Predict:
        weights, biases, top = (arrays[name] for name in ("weights", "biases", "brightest"))
        return lambda images: pixels(images, top) @ weights + biases
