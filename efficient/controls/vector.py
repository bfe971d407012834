"""Support vector machines (Cortes and Vapnik 1995, Machine Learning 20(3))."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from efficient.controls.fitted import Arrays, Fitted, Predict, brightest, pixels, positive, rows

#: Megabytes of rows of the kernel that libsvm keeps: seconds depend on it, results do not.
CACHE_MB = 500


@dataclass(frozen=True)
class SVM:
    """Support vector machine: Gaussian kernel, a machine for each pair of classes (libsvm).

    c: price of a violated margin; gamma: of the squared distance of pixels, the brightest being 1.
    """

    c: float = 5.0
    gamma: float = 0.05

    kind: ClassVar[str] = "image"
    library: ClassVar[str] = "sklearn.svm"
    title: ClassVar[str] = "SVM"

    def __post_init__(self) -> None:
        positive(self, "c", "gamma")

    def fit(self, data: Arrays, classes: int, seed: int, threads: int) -> Fitted:
        """On one thread: libsvm has no more."""
        from sklearn.svm import SVC

        top = brightest(data)
        settings: dict[str, Any] = {"C": self.c, "gamma": self.gamma, "cache_size": CACHE_MB}
        made = SVC(**settings).fit(pixels(data["inputs"], top), data["targets"])
        vectors = rows(data["inputs"])[made.support_]
        duals, biases = np.asarray(made.dual_coef_), np.asarray(made.intercept_)
        if classes == 2:  # scikit-learn turns the sign of a single machine
            duals, biases = -duals, -biases
        arrays = {
            "vectors": vectors,
            "duals": duals.astype(np.float32),
            "biases": biases.astype(np.float32),
            "counts": made.n_support_,
            "brightest": top,
        }
        return Fitted(
            predict=self.predictor(arrays, threads),
            arrays=arrays,
            params=duals.size + biases.size,
            flops_executed=None,
            flops_inference=2 * vectors.size + 2 * duals.size,
            evidence={"support_vectors": len(vectors), "iterations": int(made.n_iter_.sum())},
            unknown={
                "flops_executed": "not a FLOP count: libsvm does not tell how many kernels it "
                "evaluated",
                "loss": "an SVM votes and gives no probabilities",
            },
        )

    def predictor(self, arrays: Arrays, threads: int) -> Predict:
        """Votes of the machines; of classes with as many votes the first is chosen."""
        top, duals = arrays["brightest"], arrays["duals"]
        vectors = pixels(arrays["vectors"], top)
        squares = np.square(vectors).sum(axis=1)
        ends = np.cumsum(arrays["counts"])
        spans = [slice(end - n, end) for end, n in zip(ends, arrays["counts"], strict=True)]

        def votes(images: np.ndarray) -> np.ndarray:
            found = pixels(images, top)
            distances = np.square(found).sum(axis=1)[:, None] + squares - 2 * found @ vectors.T
            kernel = np.exp(-self.gamma * distances)
            cast = np.zeros((len(images), len(spans)), np.float32)
            pairs = itertools.combinations(range(len(spans)), 2)
            for (a, b), bias in zip(pairs, arrays["biases"], strict=True):
                first = kernel[:, spans[a]] @ duals[b - 1, spans[a]]
                sums = first + kernel[:, spans[b]] @ duals[a, spans[b]] + bias
                cast[:, a] += sums > 0
                cast[:, b] += sums <= 0
            return cast

        return votes
