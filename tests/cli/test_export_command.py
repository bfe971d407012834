"""`efficient export`: a folder that is whole, and what is refused in one line."""

from __future__ import annotations

import dataclasses
import shutil

import pytest

from efficient.deploy import load
from efficient.deploy.format import CARD, WEIGHTS
from efficient.ledger.record import INTERRUPTED
from efficient.ledger.store import read_record, write_record


@pytest.fixture
def runs(finished, tmp_path):
    """A copy of the folder of runs, and the id of its run."""
    out, done = finished
    shutil.copytree(out, tmp_path / "runs")
    return tmp_path / "runs", done.document["run_id"]


def test_export_writes_a_folder_that_loads(command, finished, tmp_path):
    out, done = finished
    run, folder = done.document["run_id"], tmp_path / "shipped"
    made = command("export", run, "--runs", out, "--out", folder, "--json")
    assert (made.code, made.err) == (0, "")
    assert made.document["folder"] == str(folder)
    assert made.document["sizes"] == {p.name: p.stat().st_size for p in folder.iterdir()}
    assert made.document["difference"] < 1e-6
    assert load(folder).card["run_id"] == run
    assert [path.name for path in tmp_path.iterdir()] == ["shipped"]


def test_export_says_what_it_wrote(command, finished, tmp_path):
    out, done = finished
    (tmp_path / "empty").mkdir()
    run = out / done.document["run_id"]
    made = command("export", run, "--out", tmp_path / "empty")
    assert made.code == 0
    assert "weights.safetensors" in made.out and "largest difference" in made.out


def refused(done, words):
    assert done.code == 1 and done.out == ""
    assert done.err.startswith("efficient: error: ") and done.err.count("\n") == 1
    assert words in done.err


def test_a_folder_with_something_in_it_is_left_alone(command, finished, tmp_path):
    out, done = finished
    (tmp_path / "mine").write_text("precious")
    words = ("export", done.document["run_id"], "--runs", out, "--out")
    refused(command(*words, tmp_path), "is not empty; give another --out")
    refused(command(*words, tmp_path / "mine"), "give another --out")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    assert (tmp_path / "mine").read_text() == "precious"


def test_a_run_that_did_not_finish_is_refused(command, runs, tmp_path):
    out, run = runs
    record = dataclasses.replace(read_record(out / run), status=INTERRUPTED)
    write_record(out / run, record)
    done = command("export", run, "--runs", out, "--out", tmp_path / "shipped")
    refused(done, f"run {run} is interrupted, not finished")
    assert not (tmp_path / "shipped").exists()


@pytest.mark.parametrize("name", [WEIGHTS, CARD])
def test_a_tampered_artefact_is_refused(command, runs, tmp_path, name):
    out, run = runs
    path = out / run / "artefact" / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    done = command("export", run, "--runs", out, "--out", tmp_path / "shipped")
    refused(done, f"is not what run {run} shipped")


def test_a_run_that_is_not_there_is_refused(command, finished, tmp_path):
    done = command("export", "nobody", "--runs", finished[0], "--out", tmp_path / "shipped")
    refused(done, "no run 'nobody'")
    assert command("export", "nobody").code == 2
