"""`efficient compare` and `efficient sample`, from planning to the page and the text."""

from __future__ import annotations

import dataclasses

import pytest
from fabrication import record

from efficient.compare.folder import Folder
from efficient.compare.summary import rows
from efficient.ledger.store import write_record

EXPERIMENT = """
import dataclasses

from efficient.config import load_preset
from efficient.experiment import Arm, Experiment

config = dataclasses.replace(load_preset("digits_mlp"), train_for="4 steps", evaluations=1)
experiment = Experiment(title="One arm", arms=(Arm("baseline", config),), seeds=2)
"""


@pytest.fixture
def experiment(tmp_path):
    folder = tmp_path / "experiments" / "one_arm"
    folder.mkdir(parents=True)
    (folder / "experiment.py").write_text(EXPERIMENT)
    return folder


def test_compare_runs_what_is_missing(command, experiment, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    dry = command("compare", "one_arm", "--dry-run", "--json").document
    assert [run["done"] for run in dry["runs"]] == [False, False] and dry["missing"] == 2
    assert not (tmp_path / "runs").exists()
    done = command("compare", experiment, "--seeds", "1", "--json")
    assert done.code == 0, done.err
    assert done.document["title"] == "One arm" and len(done.document["rows"]) == 1
    assert (tmp_path / "runs" / "one_arm" / "report" / "index.html").is_file()
    text = command("compare", "one_arm", "--dry-run").out
    assert "2 runs, 1 missing, about 1.0 minutes" in text
    again = command("compare", "one_arm", "--seeds", "1")
    assert "finished before" in again.err and "page: " in again.out


def test_a_target_is_read_before_anything_is_trained(command, experiment, tmp_path):
    words = ("compare", experiment, "--out", tmp_path / "runs")
    for text, said in (("best", "is no quality"), ("mnst=0.9", "there are digits")):
        refused = command(*words, "--target", text)
        assert refused.code == 2 and f"--target {text!r}" in refused.err and said in refused.err
        assert not (tmp_path / "runs").exists()


def test_what_may_be_a_bill_and_cannot_be_read_is_said(command, experiment, tmp_path):
    damaged = tmp_path / "runs" / "digits-trial" / "record.json"
    damaged.parent.mkdir(parents=True)
    damaged.write_text('{"arm": "baseline tri')
    done = command("compare", experiment, "--out", tmp_path / "runs", "--seeds", "1", "--json")
    assert done.code == 0, done.err
    (complaint,) = done.document["complaints"]
    assert "digits-trial" in complaint


def test_a_budget_is_for_all_runs_together(command, experiment, tmp_path):
    """4 steps of the preset's perceptron are 6.7e7 FLOPs; the second run goes over 1e8."""
    words = ("compare", experiment, "--out", tmp_path / "runs", "--seeds", "3")
    refused = command(*words, "--budget", "1e8 FLOP")
    assert refused.code == 1 and "--yes" in refused.err and not (tmp_path / "runs").exists()
    done = command(*words, "--budget", "1e8 FLOP", "--yes")
    assert done.code == 1 and "used up" in done.err.splitlines()[-1]
    assert len(list((tmp_path / "runs").glob("digits-*"))) == 2
    finished = (*words[:-1], "2", "--budget", "1 FLOP")
    assert command(*finished).code == 0  # nothing is missing, so there is nothing to ask for


def test_sample_goes_on_from_the_prompt(command, text_config, tmp_path):
    trained = command("train", text_config, "--out", tmp_path, "--json")
    assert trained.code == 0, trained.err
    run = trained.document["run_id"]
    words = ("sample", run, "--out", tmp_path, "--prompt", "def ", "--length", "24")
    made = command(*words, "--json").document
    assert made["text"].startswith("def ") and len(made["text"]) > 4
    assert command(*words).out == made["text"] + "\n"
    assert command(*words, "--seed", "1").out != made["text"] + "\n"
    for wrong, text in (("--temperature", "-1"), ("--prompt", "")):
        done = command(*words, wrong, text)
        assert done.code in (1, 2) and done.err.count("\n") == 1


def test_a_report_shows_what_commands_a_terminal_as_its_escape(command, tmp_path):
    hostile = "\x1b[2J[/red]\u202e\ud800\nmnist"
    for seed in range(3):
        for arm in ("baseline", hostile):
            made = record("digits", "baseline", seed)
            run_id = f"digits-{len(arm)}-{seed}"
            machine = dataclasses.replace(made.machine, cpu=hostile)
            named = {"workload": hostile, "arm": arm, "run_id": run_id, "machine": machine}
            write_record(tmp_path, dataclasses.replace(made, **named))
    done = command("report", tmp_path, "--out", tmp_path / "site", "--target", "0.9")
    assert done.code == 0, done.err
    assert "\\x1b[2J[/red]\\u202e\\ud800\\nmnist" in done.out
    assert not {"\x1b", "\u202e", "\ud800"} & {*done.out, *done.err}


CRIPPLED = EXPERIMENT.replace(
    'arms=(Arm("baseline", config),), seeds=2',
    'arms=(Arm("baseline", config), Arm("crippled", slow)), seeds=2',
).replace(
    "experiment =",
    "slow = dataclasses.replace(config, train_for='1 steps')\n"
    'config = dataclasses.replace(config, train_for="40 steps")\nexperiment =',
)


@pytest.mark.slow
def test_a_crippled_arm_is_decided_early(command, experiment, tmp_path):
    (experiment / "experiment.py").write_text(CRIPPLED)
    words = ("compare", experiment, "--out", tmp_path / "runs", "--until-decided")
    done = command(*words, "--max-seeds", "6", "--json")
    assert done.code == 0, done.err
    (decision,) = done.document["decisions"]
    assert decision["word"] == "WORSE" and decision["seeds"] < 6
    assert f"after {decision['seeds']} seeds: 1 of 1 arms decided" in done.err


def test_a_number_of_seeds_and_until_decided_are_one_too_many(command, experiment):
    done = command("compare", experiment, "--until-decided", "--seeds", "2")
    assert done.code == 2 and "not allowed with" in done.err
    done = command("compare", experiment, "--until-decided", "--max-seeds", "2")
    assert done.code == 2 and done.err.count("\n") == 1
    assert "--max-seeds 2 is below 3, the first look" in done.err


def test_an_arm_of_fewer_seeds_is_not_waited_for(command, experiment, tmp_path, monkeypatch):
    """A teacher has one seed in most experiments: no number of others decides it."""
    base, teacher = (
        [record("digits", arm, s) for s in range(3)] for arm in ("baseline", "teacher")
    )
    asked = []
    monkeypatch.setattr("efficient.experiment.run", lambda *words: asked.append(words[1]))
    found = (*base, teacher[0])
    folder = Folder(tmp_path, found, tuple(rows(found)), (), {})
    monkeypatch.setattr("efficient.cli.compare._finished", lambda *_: folder)
    words = ("compare", experiment, "--out", tmp_path, "--until-decided", "--json")
    done = command(*words)
    assert done.code == 0, done.err
    assert asked == [3] and done.document["decisions"][0]["word"] == "INCONCLUSIVE"


def test_the_same_request_twice_is_refused(command, experiment, tmp_path):
    text = CRIPPLED.replace('"1 steps"', '"40 steps"').replace("'1 steps'", "'40 steps'")
    (experiment / "experiment.py").write_text(text)
    done = command("compare", experiment, "--out", tmp_path / "runs")
    assert done.code == 1 and done.err.count("\n") == 1
    assert "'baseline' and 'crippled' ask for the same request twice (seed 0)" in done.err
    assert not (tmp_path / "runs").exists()
