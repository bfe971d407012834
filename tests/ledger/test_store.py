"""Files are written whole or not at all, journals survive a kill, and runs are found again."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import json
import os

import pytest
from fabrication import record
from hypothesis import given
from hypothesis import strategies as st

from efficient.ledger import store
from efficient.ledger.codec import RecordError, to_dict
from efficient.ledger.store import StoreError


def keep(root, made):
    store.write_record(root / made.run_id, made)
    return root / made.run_id


def names(folder):
    return [path.name for path in folder.iterdir()]


# -- atomic files ----------------------------------------------------------------------------------


def test_json_is_strict(tmp_path):
    path = tmp_path / "new" / "value.json"
    store.write_json(path, {"nan": float("nan"), "pair": (1, 2)})
    assert json.loads(path.read_text()) == {"nan": None, "pair": [1, 2]}
    assert names(path.parent) == ["value.json"]


@pytest.mark.parametrize(
    ("number", "remedy"), [(errno.ENOSPC, "free some space"), (errno.EACCES, "make it writable")]
)
def test_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, number, remedy):
    path = tmp_path / "value.json"
    store.write_json(path, "old")

    def full(descriptor):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(store.os, "fsync", full)
    with pytest.raises(StoreError, match=remedy) as raised:
        store.write_json(path, "new")
    assert str(path) in str(raised.value) and "\n" not in str(raised.value)
    assert json.loads(path.read_text()) == "old"
    assert names(tmp_path) == ["value.json"]


def test_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        store.write_json(tmp_path / "taken" / "value.json", 1)


def test_digests(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    assert store.digest_file(path) == hashlib.sha256(b"abc").hexdigest()
    assert store.digest_json({"b": (1,), "a": "é"}) == store.digest_json({"a": "é", "b": [1]})
    assert store.digest_json({"a": 1}) == hashlib.sha256(b'{"a":1}').hexdigest()
    assert store.digest_json({"a": 1}) != store.digest_json({"a": "1"})


# -- records ---------------------------------------------------------------------------------------


def test_record_is_read_from_its_file_and_its_folder(tmp_path):
    made = record()
    path = store.write_record(tmp_path, made)
    assert store.read_record(path) == store.read_record(tmp_path) == made


def corrupted() -> dict[str, bytes]:
    plain = to_dict(record())
    whole = json.dumps(plain)
    return {
        "empty": b"",
        "torn": whole.encode()[:-40],
        "zeros": b"\0" * 64,
        "utf-16": whole.encode("utf-16"),
        "nan": whole.replace('"lr": 0.001', '"lr": NaN').encode(),
        "infinity": whole.replace('"seed": 0', '"seed": -Infinity').encode(),
        "too large": whole.replace('"lr": 0.001', '"lr": 1e999').encode(),
        "endless integer": whole.replace('"seed": 0', f'"seed": {"9" * 5000}').encode(),
        "twice": whole.replace('"seed": 0', '"seed": 0, "seed": 1').encode(),
        "deep": b"[" * 100_000,
        "list": b"[]",
        "null": b"null",
        "no schema": json.dumps({k: v for k, v in plain.items() if k != "schema"}).encode(),
        "schema is true": json.dumps(plain | {"schema": True}).encode(),
        "newer": json.dumps(plain | {"schema": 7}).encode(),
        "older": json.dumps(plain | {"schema": 0}).encode(),
        "unknown field": json.dumps(plain | {"colour": 1}).encode(),
    }


@pytest.mark.parametrize("name", corrupted())
def test_damaged_record_is_one_line_and_no_crash(tmp_path, name):
    path = tmp_path / "bad" / "record.json"
    path.parent.mkdir()
    path.write_bytes(corrupted()[name])
    with pytest.raises(RecordError) as raised:
        store.read_record(path)
    assert str(path) in str(raised.value) and "\n" not in str(raised.value)
    keep(tmp_path, record())
    found, complaints = store.records(tmp_path)
    assert found == [record()]
    assert complaints == [str(raised.value)]


def test_newer_schema_asks_for_an_upgrade(tmp_path):
    (tmp_path / "record.json").write_bytes(corrupted()["newer"])
    with pytest.raises(RecordError, match=r"schema 7 is newer than this package \(2\): upgrade"):
        store.read_record(tmp_path)


def test_absent_record_names_the_remedy(tmp_path):
    with pytest.raises(RecordError, match="efficient list"):
        store.read_record(tmp_path)


def test_records_are_found_below_and_by_time(tmp_path):
    late, early = record(seed=2), record(seed=0)
    keep(tmp_path / "b", early)
    keep(tmp_path / "a", late)
    assert store.records(tmp_path) == ([early, late], [])


def test_records_of_one_file_are_read_line_by_line(tmp_path):
    """As an experiment commits them; the last line is torn."""
    lines = [json.dumps(to_dict(record(seed=seed))) for seed in (1, 0)]
    (tmp_path / "deep").mkdir()
    path = tmp_path / "deep" / "records.jsonl"
    path.write_text("\n".join([*lines, lines[0][:50]]))
    found, complaints = store.records(tmp_path)
    assert [one.seed for one in found] == [0, 1]
    assert len(complaints) == 1 and complaints[0].startswith(f"{path} line 3: damaged")


def test_copied_run_counts_once(tmp_path):
    keep(tmp_path / "a", record())
    keep(tmp_path / "b", record())
    found, complaints = store.records(tmp_path)
    assert found == [record()]
    assert len(complaints) == 1 and "stands twice" in complaints[0]


def test_absent_root_is_refused(tmp_path):
    with pytest.raises(StoreError, match="no such folder"):
        store.records(tmp_path / "nowhere")


# -- finding a run ---------------------------------------------------------------------------------


@pytest.fixture
def root(tmp_path):
    for arm in ("baseline", "pruned"):
        keep(tmp_path, record(arm=arm))
    longer = dataclasses.replace(record(), run_id=f"{record().run_id}0")
    keep(tmp_path, longer)
    killed = tmp_path / "digits-killed-s0-00000000-0001"
    store.append_line(killed / store.JOURNAL, {"step": 1})
    return tmp_path


def test_run_is_found_by_path_id_and_beginning(root):
    folder = root / record().run_id
    assert store.find_run(root, folder) == folder
    assert store.find_run(root, folder / "record.json") == folder
    assert store.find_run(root, record().run_id) == folder, "though another id begins with it"
    assert store.find_run(root, "digits-pruned") == root / record(arm="pruned").run_id
    assert store.find_run(root, "digits-killed").name.startswith("digits-killed")


def test_ambiguous_beginning_names_the_runs(root):
    with pytest.raises(StoreError, match=f"beginning of 2: {record().run_id}, "):
        store.find_run(root, "digits-base")


@pytest.mark.parametrize("name", ["digits-prunned-s0", "", "zzz"])
def test_unknown_run_names_the_remedy(root, name):
    with pytest.raises(StoreError, match=f"efficient list --out {root}") as raised:
        store.find_run(root, name)
    assert ("did you mean 'digits-pruned" in str(raised.value)) == (name == "digits-prunned-s0")


# -- journals --------------------------------------------------------------------------------------

LINES = st.lists(st.dictionaries(st.text(max_size=4), st.integers() | st.text(max_size=4)))


@given(LINES, st.integers(min_value=0))
def test_journal_cut_anywhere_keeps_its_whole_lines(tmp_path_factory, lines, cut):
    path = tmp_path_factory.mktemp("journal") / "curve.jsonl"
    for line in lines:
        store.append_line(path, line)
    data = path.read_bytes() if lines else b""
    cut %= len(data) + 1
    path.write_bytes(data[:cut])
    # A line cut just before its newline is whole.
    whole = sum(cut >= len(b"".join(data.splitlines(True)[: i + 1])) - 1 for i in range(len(lines)))
    assert store.read_lines(path) == lines[:whole]
    store.append_line(path, {"after": 1})
    assert store.read_lines(path) == [*lines[:whole], {"after": 1}]


def test_no_journal_has_no_lines(tmp_path):
    assert store.read_lines(tmp_path / "curve.jsonl") == []


@pytest.mark.parametrize("line", [b'{"step": ', b"3", b"", b'{"loss": NaN}'])
def test_damage_before_the_last_line_is_named(tmp_path, line):
    path = tmp_path / "curve.jsonl"
    path.write_bytes(b'{"step": 1}\n' + line + b'\n{"step": 3}\n')
    with pytest.raises(RecordError, match=r"curve.jsonl line 2: "):
        store.read_lines(path)


def test_journal_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "curve.jsonl").mkdir()
    with pytest.raises(StoreError, match="cannot be written"):
        store.append_line(tmp_path / "curve.jsonl", {})
