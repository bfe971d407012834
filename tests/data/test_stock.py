"""The prepared copies of the user's TFDS data directory: counts, shapes, splits."""

from __future__ import annotations

import json

import numpy as np
import pytest

from efficient.data import load

IMAGES = {"mnist": ((28, 28, 1), 55_000), "cifar10": ((32, 32, 3), 45_000)}


@pytest.mark.parametrize("name", IMAGES)
def test_images(tfds_data_dir, name):
    shape, train = IMAGES[name]
    dataset = load(name, tfds_data_dir)
    assert (dataset.kind, dataset.classes) == ("image", 10)
    counts = {split: len(arrays["targets"]) for split, arrays in dataset.splits.items()}
    assert counts == {"train": train, "validation": 5_000, "test": 10_000}
    for arrays in dataset.splits.values():
        assert arrays["inputs"].shape == (len(arrays["targets"]), *shape)
        assert arrays["inputs"].dtype == np.uint8 and arrays["targets"].dtype == np.int32
        assert np.bincount(arrays["targets"], minlength=10).min() > 0.07 * len(arrays["targets"])
    labels = np.concatenate([dataset.splits[s]["targets"] for s in ("train", "validation")])
    if name == "cifar10":
        assert np.bincount(labels).tolist() == [5_000] * 10


def test_text(tfds_data_dir):
    dataset = load("tiny_shakespeare", tfds_data_dir)
    assert (dataset.kind, dataset.classes) == ("text", 65)
    counts = {split: len(arrays["tokens"]) for split, arrays in dataset.splits.items()}
    assert counts == {"train": 1_003_854, "validation": 55_770, "test": 55_770}
    train = dataset.splits["train"]["tokens"]
    assert train.dtype == np.uint8 and set(np.unique(train)) == set(range(65))
    vocabulary = bytes(json.loads(dataset.details["vocabulary"]))
    assert bytes(vocabulary[token] for token in train[:14]) == b"First Citizen:"
