"""The listing tells what is prepared, where, and how to get the rest."""

from __future__ import annotations

import json
import shutil

import pytest

from efficient.data import listing
from efficient.data.catalogue import CATALOGUE
from efficient.data.location import prepared, writable


def test_listing_has_every_dataset_of_the_table(store):
    rows = {row["name"]: row for row in listing(store.data_dir, store.cache_dir)}
    assert list(rows) == list(CATALOGUE)
    assert json.loads(json.dumps(rows)) == rows
    for name, row in rows.items():
        assert row["prepared"] is CATALOGUE[name].embedded
        assert row["how"].startswith(f"efficient data prepare {name}")
    folder = store.data_dir / "digits" / "1.0.0"
    assert rows["digits"]["where"] == str(folder)
    assert rows["digits"]["bytes"] == sum(path.stat().st_size for path in folder.iterdir())
    assert rows["cifar10"]["where"] is None and rows["cifar10"]["bytes"] is None


def test_listing_shows_other_prepared_datasets(store, tmp_path):
    shutil.copytree(store.data_dir / "digits", tmp_path / "other")
    row = listing(tmp_path, tmp_path)[-1]
    assert (row["name"], row["kind"], row["version"]) == ("other", "image", "1.0.0")


def test_two_pythons_do_not_share_a_prepared_copy(store):
    corpus = CATALOGUE["pystdlib"].corpus
    assert corpus is not None
    folder = CATALOGUE["pystdlib"].folder
    assert corpus().python in folder and corpus().digest[:12] in folder
    assert prepared(store.data_dir, folder, "1.0.0")


def test_the_newest_version_counts_numerically(tmp_path):
    for version in ("9.0.0", "10.0.0", "2.0.0"):
        (tmp_path / "some" / version).mkdir(parents=True)
        (tmp_path / "some" / version / "dataset_info.json").touch()
    (tmp_path / "some" / "11.0.0").mkdir()
    newest = prepared(tmp_path, "some")
    assert newest is not None and newest.name == "10.0.0"
    assert prepared(tmp_path, "some", "11.0.0") is None


@pytest.mark.parametrize(("mode", "expected"), [(0o755, True), (0o555, False)])
def test_a_folder_without_write_bits_is_read_only_even_for_root(tmp_path, mode, expected):
    (tmp_path / "folder").mkdir(mode=mode)
    assert writable(tmp_path / "folder" / "below") is expected
