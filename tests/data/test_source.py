"""Reading prepared copies: fixed splits, vocabularies, and refusals."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import tensorflow_datasets as tfds

from efficient.data import DataError, load
from efficient.data.catalogue import Entry
from efficient.data.permutation import permutation
from efficient.data.source import read

COUNT = 40


class Tiny(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """A dataset whose features and splits a test chooses."""

    VERSION = tfds.core.Version("1.0.0")
    FEATURES: Any = None
    ROWS: Any = None

    def _info(self):
        features = tfds.features.FeaturesDict(self.FEATURES)
        return tfds.core.DatasetInfo(builder=self, description="tiny", features=features)

    def _split_generators(self, dl_manager):
        return {split: self._generate_examples(rows) for split, rows in self.ROWS.items()}

    def _generate_examples(self, rows):
        yield from enumerate(rows)


@pytest.fixture
def prepare_tiny(tmp_path):
    def make(features, rows):
        options = {"FEATURES": features, "ROWS": rows, "__module__": __name__}
        builder = type("Tiny", (Tiny,), options, skip_registration=True)(data_dir=tmp_path)
        builder.download_and_prepare(
            file_format="array_record",
            download_config=tfds.download.DownloadConfig(try_download_gcs=False),
        )
        return builder.data_path

    return make


def images(count: int) -> list[dict[str, Any]]:
    return [{"image": np.full((2, 2, 3), i, np.uint8), "label": i % 3} for i in range(count)]


IMAGES = {
    "image": tfds.features.Tensor(shape=(2, 2, 3), dtype=np.uint8),
    "label": tfds.features.ClassLabel(num_classes=3),
}
TEXT = {"text": tfds.features.Text()}


def collect(source) -> dict[str, dict[str, np.ndarray]]:
    return {
        split: {key: np.concatenate([chunk[key] for chunk in chunks]) for key in chunks[0]}
        for split, chunks in ((split, list(stream)) for split, stream in source.splits.items())
    }


@pytest.mark.parametrize("held", [0, 5])
def test_validation_is_held_out_of_train(prepare_tiny, held):
    folder = prepare_tiny(IMAGES, {"train": images(COUNT), "test": images(7)})
    source = read(Entry("tiny", validation=held), folder)
    splits = collect(source)
    expected = held or COUNT // 10
    seen = {split: {int(image[0, 0, 0]) for image in splits[split]["inputs"]} for split in splits}
    assert {split: len(numbers) for split, numbers in seen.items()} == {
        "train": COUNT - expected,
        "validation": expected,
        "test": 7,
    }
    assert seen["train"] | seen["validation"] == set(range(COUNT))
    for split in splits.values():
        assert (split["inputs"][:, 0, 0, 0] % 3).tolist() == split["targets"].tolist()
    assert f"last {expected} " in source.details["validation"]


def test_own_validation_split_is_used(prepare_tiny):
    rows = {"train": images(COUNT), "validation": images(3), "test": images(7)}
    source = read(Entry("tiny"), prepare_tiny(IMAGES, rows))
    assert source.details["validation"] == "own split"
    assert {split: len(arrays["targets"]) for split, arrays in collect(source).items()} == {
        "train": COUNT,
        "validation": 3,
        "test": 7,
    }


def test_any_prepared_name_can_be_loaded(prepare_tiny, tmp_path):
    prepare_tiny(IMAGES, {"train": images(COUNT), "test": images(7)})
    dataset = load("tiny", tmp_path, tmp_path / "cache")
    assert (dataset.kind, dataset.classes) == ("image", 3)
    train = set(dataset.splits["train"]["inputs"][:, 0, 0, 0].tolist())
    assert dataset.overlap == len(train & set(range(7))) > 0


def test_characters_are_numbered_by_their_rank_in_train(prepare_tiny):
    rows = {split: [{"text": text}] for split, text in (("train", b"zab"), ("test", b"baz"))}
    rows["validation"] = [{"text": b"z"}]
    source = read(Entry("tiny", characters=True), prepare_tiny(TEXT, rows))
    splits = collect(source)
    assert source.classes == 3
    assert splits["test"]["tokens"].tolist() == [1, 0, 2]
    vocabulary = bytes(json.loads(source.details["vocabulary"]))
    assert bytes(vocabulary[token] for token in splits["train"]["tokens"]) == b"zab"


def test_a_character_that_is_not_in_train_is_refused(prepare_tiny):
    rows = {"train": b"ab", "validation": b"a", "test": b"ac"}
    folder = prepare_tiny(TEXT, {split: [{"text": text}] for split, text in rows.items()})
    with pytest.raises(DataError, match="byte 99 does not occur in train"):
        read(Entry("tiny", characters=True), folder)


def test_text_without_validation_gives_its_last_tenth(prepare_tiny):
    rows = {"train": [{"text": bytes(range(100))}], "test": [{"text": b"t"}]}
    splits = collect(read(Entry("tiny"), prepare_tiny(TEXT, rows)))
    assert splits["train"]["tokens"].tolist() == list(range(90))
    assert splits["validation"]["tokens"].tolist() == list(range(90, 100))


UNREADABLE = {
    "no test": (IMAGES, {"train": images(3)}, "needs train and test"),
    "too few": (IMAGES, {"train": images(3), "test": images(3)}, "cannot hold 0 of 3"),
    "no label": (
        {"image": IMAGES["image"]},
        {split: [{"image": images(1)[0]["image"]}] for split in ("train", "test")},
        "neither image and label nor plain text",
    ),
    "any size": (
        IMAGES | {"image": tfds.features.Tensor(shape=(None, 2, 3), dtype=np.uint8)},
        {"train": images(3), "test": images(3)},
        "images of one size",
    ),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_what_cannot_be_read_is_refused(prepare_tiny, case):
    features, rows, message = UNREADABLE[case]
    with pytest.raises(DataError, match=f"^tiny: .*{message}"):
        read(Entry("tiny"), prepare_tiny(features, rows))


def test_permutation_is_fixed():
    assert sorted(permutation(1000)) == list(range(1000))
    assert permutation(10).tolist() == permutation(10).tolist()
    assert permutation(8).tolist() == [3, 2, 1, 6, 0, 7, 4, 5]
