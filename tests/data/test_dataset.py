"""Loading: what a dataset is, that it is the same each time, and what it says when it is absent."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from efficient.data import DataError, describe, load
from efficient.data.corpus import File, standard_library
from efficient.data.fingerprint import fingerprint, split_digest

SPLITS = {"train", "validation", "test"}


def test_digits_are_the_1797_real_images(store):
    from sklearn.datasets import load_digits

    splits = store.digits.splits
    assert {name: len(split["targets"]) for name, split in splits.items()} == {
        "train": 1257,
        "validation": 180,
        "test": 360,
    }
    images = np.concatenate([split["inputs"] for split in splits.values()])
    labels = np.concatenate([split["targets"] for split in splits.values()])
    pairs = sorted(zip(images.reshape(-1, 64).tolist(), labels.tolist(), strict=True))
    expected, targets = load_digits(return_X_y=True)
    assert pairs == sorted(zip(expected.tolist(), targets.tolist(), strict=True))


def test_image_arrays_have_the_promised_types(store):
    digits = store.digits
    assert (digits.kind, digits.classes, digits.version) == ("image", 10, "1.0.0")
    assert digits.details["values"] == "0..16"
    for split in digits.splits.values():
        assert split["inputs"].dtype == np.uint8 and split["inputs"].shape[1:] == (8, 8, 1)
        assert split["targets"].dtype == np.int32
        assert set(split["targets"].tolist()) == set(range(10))
        assert isinstance(split["inputs"], np.memmap) and not split["inputs"].flags.writeable


def test_pystdlib_is_the_files_in_order_split_by_content(store):
    corpus = standard_library()
    for split in SPLITS:
        files = [file for file in corpus.files if file.split == split]
        text = b"".join((corpus.root / file.path).read_bytes() for file in files)
        assert store.pystdlib.splits[split]["tokens"].tobytes() == text
    assert store.pystdlib.classes == 256
    assert store.pystdlib.details["corpus_sha256"] == corpus.digest
    assert sys.version.split()[0] in store.pystdlib.details["python"]


def test_no_file_is_in_two_splits_and_train_is_about_nine_tenths():
    corpus = standard_library()
    split_of: dict[str, set[str]] = {}
    for file in corpus.files:
        split_of.setdefault(file.sha256, set()).add(file.split)
    assert all(len(splits) == 1 for splits in split_of.values())
    assert 0.85 < sum(file.split == "train" for file in corpus.files) / len(corpus.files) < 0.95
    assert {file.split for file in corpus.files} == SPLITS


def test_equal_files_share_a_split_whatever_their_name():
    digests = [hashlib.sha256(bytes([number])).hexdigest() for number in range(200)]
    assert all(File("a.py", sha).split == File("b/c.py", sha).split for sha in digests)
    assert {File("a.py", sha).split for sha in digests} == SPLITS


def test_corpus_leaves_tests_and_installed_packages_out():
    parts = {part for file in standard_library().files for part in file.path.split("/")[:-1]}
    assert parts and not parts & {"test", "tests", "site-packages", "idlelib", "__pycache__"}


def test_a_second_load_gives_the_same_fingerprint(store):
    for first in (store.digits, store.pystdlib):
        again = load(first.name, store.data_dir, store.cache_dir)
        assert again.fingerprint == first.fingerprint
        assert again.split_sha256 == first.split_sha256


def test_decoding_again_gives_the_same_fingerprint(store, tmp_path):
    again = load("digits", store.data_dir, tmp_path)
    assert again.fingerprint == store.digits.fingerprint


@pytest.mark.parametrize("field", ["version", "classes", "details", "train"])
def test_fingerprint_covers(store, field):
    digits = store.digits

    def of(version=digits.version, classes=10, details=digits.details, train=None):
        digests = digits.split_sha256 | ({"train": train} if train else {})
        return fingerprint("digits", version, classes, digests, details)

    other = {"version": "1.0.1", "classes": 11, "details": {}, "train": "0" * 64}
    assert of() == digits.fingerprint
    assert of(**{field: other[field]}) != digits.fingerprint


def test_split_digest_covers_type_shape_and_content():
    array = {"dtype": "uint8", "shape": [4], "sha256": "aa", "file": "x"}
    digest = split_digest({"tokens": array})
    assert split_digest({"tokens": array | {"file": "y"}}) == digest
    for change in ({"dtype": "int8"}, {"shape": [2, 2]}, {"sha256": "ab"}):
        assert split_digest({"tokens": array | change}) != digest


def test_a_cache_hit_imports_no_tensorflow_datasets(store):
    code = (
        "import sys; from efficient.data import load; "
        "load('digits', *sys.argv[1:]); load('pystdlib', *sys.argv[1:]); "
        "print([n for n in ('tensorflow_datasets', 'sklearn', 'jax', 'PIL') if n in sys.modules])"
    )
    command = [sys.executable, "-c", code, str(store.data_dir), str(store.cache_dir)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert output.strip() == "[]"


def test_processes_that_start_together_agree(tmp_path):
    code = (
        "import sys; from efficient.data import load; "
        "print(load('digits', *sys.argv[1:]).fingerprint)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "tfds"), str(tmp_path / "cache")]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in "ab"]
    outputs = [process.communicate()[0] for process in running]
    assert [process.returncode for process in running] == [0, 0]
    assert len(set(outputs)) == 1
    assert len(list((tmp_path / "cache" / "arrays").iterdir())) == 1
    assert [path.name for path in (tmp_path / "tfds" / "digits").iterdir()] == ["1.0.0"]


def test_a_locked_data_directory_is_left_alone(tmp_path):
    locked, cache = tmp_path / "tfds", tmp_path / "cache"
    locked.mkdir(mode=0o555)
    dataset = load("digits", locked, cache)
    assert len(dataset.splits["train"]["targets"]) == 1257
    assert list(locked.iterdir()) == []
    assert (cache / "prepared" / "digits").is_dir()


@pytest.mark.parametrize("name", ["fashion_mnist", "cifar100", "imagenet_resized/8x8"])
def test_an_absent_dataset_says_how_to_get_it(tmp_path, name):
    with pytest.raises(DataError, match=f"{name}: not prepared in {tmp_path}") as error:
        load(name, tmp_path, tmp_path)
    assert f"run: efficient data prepare {name} [--data-dir D] [--manual-dir D]" in str(error.value)


def test_nothing_is_prepared_unasked(tmp_path):
    with pytest.raises(DataError, match=r"run: efficient data prepare digits$"):
        load("digits", tmp_path, tmp_path, prepare=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["", "../digits", "Digits", "digits/", "a/b/c"])
def test_impossible_names_are_refused(tmp_path, name):
    with pytest.raises(DataError, match="not a dataset name"):
        load(name, tmp_path, tmp_path)


def test_environment_names_the_folders(store, monkeypatch, tmp_path):
    monkeypatch.setenv("TFDS_DATA_DIR", str(store.data_dir))
    monkeypatch.setenv("EFFICIENT_CACHE_DIR", str(tmp_path))
    assert load("digits", prepare=False).fingerprint == store.digits.fingerprint
    assert (tmp_path / "arrays").is_dir()


@pytest.mark.parametrize("damage", ["records", "info"])
def test_a_damaged_prepared_copy_is_named(store, tmp_path, damage):
    shutil.copytree(store.data_dir, tmp_path / "tfds")
    folder = tmp_path / "tfds" / "digits" / "1.0.0"
    path = folder / "digits-train.array_record-00000-of-00001"
    path = path if damage == "records" else folder / "dataset_info.json"
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(DataError, match=r"cannot be read: delete it and run: efficient data prep"):
        load("digits", tmp_path / "tfds", tmp_path / "cache")
    assert list((tmp_path / "cache").glob("arrays/*")) == []


def test_description_is_plain(store):
    told = describe("pystdlib", store.data_dir, store.cache_dir)
    assert json.loads(json.dumps(told)) == told
    assert told["fingerprint"] == store.pystdlib.fingerprint
    assert told["bytes"] == sum(len(s["tokens"]) for s in store.pystdlib.splits.values())
    fields = {field.name for field in dataclasses.fields(store.pystdlib)}
    assert fields <= set(told)
