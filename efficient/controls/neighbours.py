"""k nearest neighbours: the images themselves, by their distance (Fix and Hodges 1951)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from efficient.controls.fitted import (
    Arrays,
    ControlError,
    Fitted,
    Predict,
    brightest,
    logarithm,
    pixels,
    positive,
    rows,
)


@dataclass(frozen=True)
class Neighbours:
    """k nearest neighbours: votes of the training images that are nearest in Euclidean distance.

    All distances are computed (brute force, scikit-learn), by products of matrices.
    """

    neighbours: int = 3

    kind: ClassVar[str] = "image"
    library: ClassVar[str] = "sklearn.neighbors"
    title: ClassVar[str] = "k-NN"

    def __post_init__(self) -> None:
        positive(self, "neighbours")

    def fit(self, data: Arrays, classes: int, seed: int, threads: int) -> Fitted:
        """Nothing is computed: the images are kept.

        Raises:
            ControlError: there are fewer images than neighbours.
        """
        images = rows(data["inputs"])
        count, size = images.shape
        if self.neighbours > count:
            raise ControlError(f"neighbours {self.neighbours} are more than the {count} images")
        arrays = {
            "images": images,
            "labels": data["targets"].astype(np.min_scalar_type(classes - 1)),
            "brightest": brightest(data),
        }
        return Fitted(
            predict=self.predictor(arrays, threads),
            arrays=arrays,
            params=0,
            flops_executed=0,
            flops_inference=2 * count * size,
        )

    def predictor(self, arrays: Arrays, threads: int) -> Predict:
        from sklearn.neighbors import KNeighborsClassifier

        made = KNeighborsClassifier(self.neighbours, algorithm="brute", n_jobs=threads)
        top = arrays["brightest"]
        made.fit(pixels(arrays["images"], top), arrays["labels"])
        return lambda images: logarithm(np.asarray(made.predict_proba(pixels(images, top))))
