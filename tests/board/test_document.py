"""What is parsed of a stranger's file are the bytes that were bounded."""

from __future__ import annotations

import shutil

import pytest

from efficient.board import document
from efficient.board.document import MOST_RECORDS, read_object, read_records
from efficient.board.error import BoardError

MOST = 10**7


@pytest.fixture
def path(entered, tmp_path):
    """A copy of the records of the good entry."""
    return shutil.copy(entered[1] / "records.jsonl", tmp_path / "records.jsonl")


def test_a_file_that_changes_after_it_was_bounded_is_not_read_again(path, runs, monkeypatch):
    plain = path.with_name("entry.json")
    plain.write_text('{"a": 1}')

    def swap(text, where):
        path.with_name(where.split()[0]).write_text("{}")

    monkeypatch.setattr(document, "bounded", swap)
    assert read_object(plain, MOST) == {"a": 1}
    assert {record.run_id for record in read_records(path, MOST)} == {run.run_id for run in runs}


def test_records_beside_the_file_are_not_read(path, runs):
    folder = path.parent / "artefacts"
    folder.mkdir()
    (folder / "records.jsonl").write_text('{"schema": "[["}')
    assert len(read_records(path, MOST)) == len(runs)


def test_a_run_that_stands_twice_and_too_many_records_are_refused(path):
    text = path.read_text()
    path.write_text(text + text.splitlines()[0] + "\n")
    with pytest.raises(BoardError, match=r"records\.jsonl line 4: run .* stands twice"):
        read_records(path, MOST)
    path.write_text("{}\n" * (MOST_RECORDS + 1))
    with pytest.raises(BoardError, match=f"has 257 records; at most {MOST_RECORDS} are read"):
        read_records(path, MOST)


def test_what_is_no_object_is_refused(path):
    for text, words in (("[1]", "expected an object"), ("{", "damaged")):
        path.write_text(text)
        with pytest.raises(BoardError, match=rf"^records\.jsonl: .*{words}"):
            read_object(path, MOST)
