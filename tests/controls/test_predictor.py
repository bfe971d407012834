"""What is made again from shipped arrays predicts as scikit-learn does, for two classes too."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from efficient.controls import ControlError
from efficient.controls.linear import Logistic
from efficient.controls.neighbours import Neighbours
from efficient.controls.tree import Boosting, Forest
from efficient.controls.vector import SVM


def images(classes: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Noisy patches around a centre for each class, and others to predict."""
    random = np.random.default_rng(classes)
    centres = random.integers(60, 200, (classes, 4, 4, 1))
    targets = np.repeat(np.arange(classes), 40).astype(np.int32)
    noise = random.normal(0, 60, (2, len(targets), 4, 4, 1))
    made, other = np.clip(centres[targets] + noise, 0, 255).astype(np.uint8)
    return {"inputs": made, "targets": targets}, other


@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize(
    ("model", "theirs"),
    [
        (SVM(c=2.0, gamma=0.3), SVC(C=2.0, gamma=0.3)),
        (Logistic(), LogisticRegression(max_iter=200)),
    ],
    ids=["svm", "logistic"],
)
def test_it_predicts_as_scikit_learn(model, theirs, classes):
    data, other = images(classes)
    made = model.fit(data, classes, seed=0, threads=1)
    flat = [(x.reshape(len(x), -1) / data["inputs"].max()) for x in (data["inputs"], other)]
    expected = theirs.fit(flat[0].astype(np.float32), data["targets"]).predict(flat[1])
    found = model.predictor(made.arrays, 1)(other)
    assert found.shape == (len(other), classes)
    assert (found.argmax(axis=1) == expected).mean() > 0.99
    assert len(np.unique(expected)) == classes


@pytest.mark.parametrize("classes", [3, 300])
def test_the_nearest_image_of_itself_is_itself(classes):
    data, _ = images(classes)
    made = Neighbours(1).fit(data, classes, seed=0, threads=1)
    assert (made.predict(data["inputs"]).argmax(axis=1) == data["targets"]).all()


@pytest.mark.parametrize("model", [Forest(trees=5), Boosting(iterations=3)], ids=["rf", "gb"])
def test_trees_give_probabilities_and_no_file(model):
    data, other = images(3)
    made = model.fit(data, 3, seed=0, threads=1)
    np.testing.assert_allclose(np.exp(made.predict(other)).sum(axis=1), 1, atol=1e-6)
    assert made.arrays is None and "pickles" in made.unknown["stored_bytes"]


def test_chance_of_a_forest_is_the_seed():
    data, other = images(3)
    fits = [Forest(trees=3).fit(data, 3, seed, threads=1).predict(other) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(fits[0], fits[1])
    assert (fits[0] != fits[2]).any()


@pytest.mark.parametrize(
    "make", [lambda: SVM(gamma=0), lambda: Forest(trees=-1), lambda: Logistic(c=float("nan"))]
)
def test_settings_that_cannot_be_are_refused(make):
    with pytest.raises(ControlError, match="is not a number above 0"):
        make()


def test_more_neighbours_than_images_are_refused():
    with pytest.raises(ControlError, match="neighbours 500 are more than the 120 images"):
        Neighbours(500).fit(images(3)[0], 3, seed=0, threads=1)
