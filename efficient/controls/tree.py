"""Ensembles of decision trees: scikit-learn's random forest and gradient boosting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from efficient.controls.fitted import Arrays, Fitted, logarithm, positive, rows

_COMPARE = "not a FLOP count: trees compare pixels with thresholds"
UNKNOWN = {
    "flops_executed": _COMPARE,
    "flops_inference": _COMPARE,
    "stored_bytes": "scikit-learn ships trees as pickles only",
}


@dataclass(frozen=True)
class Forest:
    """Random forest: the mean of trees on resampled images and sampled pixels (Breiman 2001)."""

    trees: int = 300

    kind: ClassVar[str] = "image"
    library: ClassVar[str] = "sklearn.ensemble"
    title: ClassVar[str] = "random forest"

    def __post_init__(self) -> None:
        positive(self, "trees")

    def fit(self, data: Arrays, classes: int, seed: int, threads: int) -> Fitted:
        from sklearn.ensemble import RandomForestClassifier

        made = RandomForestClassifier(self.trees, random_state=seed, n_jobs=threads)
        made.fit(rows(data["inputs"]), data["targets"])
        nodes = sum(tree.tree_.node_count for tree in made.estimators_)
        leaves = sum(int(tree.get_n_leaves()) for tree in made.estimators_)
        return Fitted(
            predict=_probabilities(made),
            arrays=None,
            params=nodes - leaves + classes * leaves,
            flops_executed=None,
            flops_inference=None,
            evidence={"trees": self.trees, "tree_nodes": nodes},
            unknown=UNKNOWN,
        )


@dataclass(frozen=True)
class Boosting:
    """Gradient boosting: trees on histograms of pixels, each on what is left (Friedman 2001).

    In each of the iterations one tree for each class; none is stopped early.
    """

    iterations: int = 200
    rate: float = 0.1

    kind: ClassVar[str] = "image"
    library: ClassVar[str] = "sklearn.ensemble"
    title: ClassVar[str] = "gradient boosting"

    def __post_init__(self) -> None:
        positive(self, "iterations", "rate")

    def fit(self, data: Arrays, classes: int, seed: int, threads: int) -> Fitted:
        """On as many threads as OpenMP takes: all cores of the process."""
        from sklearn.ensemble import HistGradientBoostingClassifier

        settings: dict[str, Any] = {"early_stopping": False, "random_state": seed}
        made = HistGradientBoostingClassifier(
            learning_rate=self.rate, max_iter=self.iterations, **settings
        )
        made.fit(rows(data["inputs"]), data["targets"])
        hidden = "scikit-learn keeps the trees of boosting to itself"
        return Fitted(
            predict=_probabilities(made),
            arrays=None,
            params=None,
            flops_executed=None,
            flops_inference=None,
            evidence={"trees": made.n_iter_ * made.n_trees_per_iteration_},
            unknown={**UNKNOWN, "params_total": hidden, "params_nonzero": hidden},
        )


def _probabilities(made: Any) -> Any:
    return lambda images: logarithm(np.asarray(made.predict_proba(rows(images))))
