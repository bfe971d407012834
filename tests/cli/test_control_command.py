"""`efficient control`: what it prints, what it repeats, and its mistakes in one line."""

from __future__ import annotations

import json

import pytest

from efficient.cli import main
from efficient.controls import Control, to_json
from efficient.controls.tree import Forest
from efficient.workloads import ImageClassification


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("control")


@pytest.fixture(scope="module")
def run_id(out):
    assert main(["control", "digits", "forest:trees=3", "--seed", "4", "--out", str(out)]) == 0
    (folder,) = out.iterdir()
    return folder.name


def summary(capsys, *words):
    assert main(["control", *map(str, words), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_run_is_repeated_by_its_id_and_with_another_seed(out, run_id, capsys):
    capsys.readouterr()
    again = summary(capsys, run_id, "--out", out)
    assert (again["arm"], again["seed"], again["status"]) == ("random forest", 4, "finished")
    assert again["run_id"][:-4] == run_id[:-4] and again["run_id"] != run_id
    other = summary(capsys, run_id, "--out", out, "--seed", 5)
    assert other["seed"] == 5 and other["request"] != again["request"]
    assert again["cost"]["train_s"] > 0 and again["cost"]["energy_j"] is None
    assert again["cost"]["unknown"]["energy_j"]


def test_what_an_experiment_writes_is_read(tmp_path, capsys):
    control = Control(ImageClassification("digits"), Forest(trees=2), arm="two trees")
    path = tmp_path / "control.json"
    path.write_text(json.dumps(to_json(control)))
    found = summary(capsys, path, "--out", tmp_path / "runs")
    assert (found["arm"], found["model"]) == ("two trees", "forest")


def test_a_preset_gives_its_workload(tmp_path, capsys):
    found = summary(capsys, "digits_mlp", "forest:trees=2", "--out", tmp_path)
    assert (found["workload"], found["preset"]) == ("digits", "digits_mlp")


def test_a_record_can_be_shown(out, run_id, capsys):
    assert main(["show", run_id, "--out", str(out)]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert 'forest {"trees": 3}' in shown and "trees compare pixels with thresholds" in shown


@pytest.mark.parametrize("words", [["export", "--out", "exported"], ["bench"], ["flops"]])
def test_commands_for_networks_say_what_it_is(words, out, run_id, command):
    where = "--runs" if words[0] in ("export", "bench") else "--out"
    done = command(words[0], run_id, where, out, *words[1:])
    assert done.code != 0 and done.err.count("\n") == 1
    assert f"run {run_id} is of a control" in done.err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["digits"], 2, "CONTROL is missing behind 'digits': one of knn"),
        (["/gone"], 2, "CONTROL is missing behind '/gone': one of knn"),
        (["a**b"], 2, "CONTROL is missing behind 'a**b': one of knn"),
        (["digits", "fractions:Fraction"], 2, "'fractions:Fraction' is no control: it has no fit"),
        (["digits", "frest"], 2, "'frest' is unknown; did you mean 'forest'?"),
        (["digits", "forest:trees=x"], 2, "control 'forest' trees 'x' is not a whole number"),
        (["digits", "forest:trees=0"], 2, "trees 0 is not a number above 0"),
        (["digits", "forest", "--seed", "-1"], 2, "seed -1 is not in [0, 2^32)"),
        (["digits", "ngram"], 1, "control 'ngram' learns from text, and 'digits' holds image"),
        (["nothing.json"], 2, "control 'nothing.json' does not exist"),
        (["digits", "forest", "--region", "XYZ"], 1, "region 'XYZ' is not known"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_one_line(words, code, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["control", *words]) == code
    printed = capsys.readouterr()
    assert printed.out == "" and len(printed.err.splitlines()) == 1
    assert said in printed.err


def test_a_control_is_not_trained_as_a_network(out, run_id, capsys):
    capsys.readouterr()
    assert main(["train", str(out / run_id)]) == 2
    assert f"`efficient control {run_id}` repeats it" in capsys.readouterr().err
