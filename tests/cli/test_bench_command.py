"""`efficient bench`: words in, tables or one document out."""

import pytest

from efficient.benchmark import process


@pytest.fixture(autouse=True)
def here(monkeypatch):
    """No process for each artefact, and few batch sizes."""
    monkeypatch.setattr(process, "measure", process.observe)
    monkeypatch.setattr("efficient.benchmark.contest.MOST", 2)


def run_of(finished):
    return finished[1].document["run_id"]


def test_a_run_against_itself(command, finished):
    words = (run_of(finished), run_of(finished), "--runs", finished[0])
    done = command("bench", *words, "--batches", "1,2", "--seconds", "0.01", "--json")
    assert done.code == 0
    made = done.document
    first, second = made["subjects"]
    assert second["name"] == f"{first['name']} (2)" and first["recorded"] == first["score"]
    assert {found["verdict"] for found in made["comparisons"]} == {"no speed claim"}
    assert {rate["batch"] for rate in made["rates"]} == {1, 2}
    assert made["machine"]["cores"] and made["versions"]["jax"]
    assert "predict: latency at batch 1" in done.err


def test_for_people(command, finished):
    words = (run_of(finished), "--runs", finished[0], "--batches", "2", "--seconds", "0.01")
    done = command("bench", *words)
    assert done.code == 0
    for title in ("What was shipped", "Latency of predict at batch 1", "Throughput of predict"):
        assert title in done.out
    assert "float32" in done.out and "images/s" in done.out


@pytest.mark.parametrize("batches", ["0", "1,x", "", "1,,2"])
def test_sizes_that_are_none(command, batches):
    done = command("bench", "anything", "--batches", batches)
    assert done.code == 2 and "give it as 1,8,32,128" in done.err


def test_what_is_not_there(command, tmp_path):
    done = command("bench", "nothing", "--runs", tmp_path)
    assert done.code == 1 and done.err.startswith("efficient: error: ")
    assert len(done.err.splitlines()) == 1
