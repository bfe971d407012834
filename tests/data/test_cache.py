"""The cache: damage is found and mended, and a full disk leaves nothing behind."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import pytest

from efficient.data import DataError, cache, load


def test_what_is_written_is_read(tmp_path, source):
    cache.write(tmp_path / "entry", source())
    manifest, splits = cache.read(tmp_path / "entry")
    expected = list(source().splits["train"])
    assert np.array_equal(
        splits["train"]["inputs"], np.concatenate([c["inputs"] for c in expected])
    )
    assert splits["train"]["targets"].tolist() == [0, 1, 2, 0, 1, 2]
    assert (manifest["kind"], manifest["classes"], manifest["overlap"]) == ("image", 3, 0)


def test_one_changed_byte_changes_the_digest_of_its_array_only(tmp_path, source):
    for name, first in (("a", 0), ("b", 1)):
        cache.write(tmp_path / name, source(first))
    one, other = (cache.read(tmp_path / name)[0]["splits"] for name in "ab")
    assert one["train"]["inputs"]["sha256"] != other["train"]["inputs"]["sha256"]
    assert one["train"]["targets"] == other["train"]["targets"]
    assert one["test"] == other["test"]


def test_an_absent_entry_is_not_a_damaged_one(tmp_path):
    with pytest.raises(FileNotFoundError):
        cache.read(tmp_path / "absent")


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-2])


def forge(path: Path) -> None:
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps(manifest | {"classes": 11}))


def empty(path: Path) -> None:
    path.write_text("[]")


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("train.inputs.bin", flip),
        ("test.targets.bin", shorten),
        ("validation.inputs.bin", Path.unlink),
        ("manifest.json", flip),
        ("manifest.json", shorten),
        ("manifest.json", forge),
        ("manifest.json", empty),
        ("manifest.json", Path.unlink),
    ],
)
def test_damage_is_found_by_digest_and_mended(store, tmp_path, caplog, name, damage):
    load("digits", store.data_dir, tmp_path)
    (entry,) = (tmp_path / "arrays").iterdir()
    damage(entry / name)
    with caplog.at_level(logging.WARNING):
        mended = load("digits", store.data_dir, tmp_path)
    (record,) = [record for record in caplog.records if record.name.startswith("efficient")]
    assert "digits: cache entry" in record.message and name in record.message
    assert mended.fingerprint == store.digits.fingerprint
    assert [path.name for path in (tmp_path / "arrays").iterdir()] == [entry.name]
    caplog.clear()
    load("digits", store.data_dir, tmp_path)
    assert caplog.records == []


def test_a_full_disk_is_one_line_and_leaves_nothing(store, tmp_path, monkeypatch):
    plain = Path.open

    def open_on_full_disk(path: Path, mode: str = "r", *rest, **named):
        full = path.suffix == ".bin" and "w" in mode
        return plain(Path("/dev/full") if full else path, mode, *rest, **named)

    monkeypatch.setattr(Path, "open", open_on_full_disk)
    with pytest.raises(DataError, match=r"^digits: .*No space left.*EFFICIENT_CACHE_DIR$") as error:
        load("digits", store.data_dir, tmp_path)
    assert "\n" not in str(error.value)
    assert list((tmp_path / "arrays").iterdir()) == []


def test_an_error_while_decoding_leaves_nothing(tmp_path, source):
    def broken():
        yield {"tokens": np.zeros(4, np.uint8)}
        raise DataError("broken")

    bad = source()
    bad.splits["test"] = broken()
    with pytest.raises(DataError, match="broken"):
        cache.write(tmp_path / "entry", bad)
    assert list(tmp_path.iterdir()) == []


def test_of_two_writers_the_first_stays(tmp_path, source):
    cache.write(tmp_path / "entry", source(0))
    first = (tmp_path / "entry" / "manifest.json").read_bytes()
    cache.write(tmp_path / "entry", source(1))
    assert (tmp_path / "entry" / "manifest.json").read_bytes() == first
    assert [path.name for path in tmp_path.iterdir()] == ["entry"]


def test_readers_keep_what_is_removed(tmp_path, source):
    cache.write(tmp_path / "entry", source())
    _, splits = cache.read(tmp_path / "entry")
    before = splits["train"]["inputs"].tobytes()
    cache.remove(tmp_path / "entry")
    assert list(tmp_path.iterdir()) == []
    assert splits["train"]["inputs"].tobytes() == before
