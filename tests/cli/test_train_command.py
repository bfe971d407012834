"""`efficient train`: what it prints, what it returns, and what it can be pointed at."""

from __future__ import annotations

import json
import signal

import pytest
from events import events
from tiny import WORDS

from efficient.cli import progress
from efficient.config import from_json, load_preset, to_json
from efficient.ledger.store import read_record

OWN = """
from dataclasses import dataclass
from efficient import Variant
from efficient.models.mlp import MLPSpec

@dataclass(frozen=True)
class Mine(Variant):
    alpha: float = 1.0
    sizes: tuple[int, ...] = ()

    def __post_init__(self):
        if self.alpha < 0:
            raise ValueError(f"alpha {self.alpha} is negative")

@dataclass(frozen=True)
class Net(MLPSpec):
    hidden: tuple[int, ...] = (8,)
"""


def test_json_is_the_only_thing_on_stdout(finished):
    out, done = finished
    assert done.code == 0
    summary = done.document
    assert summary["status"] == "finished" and summary["steps"] == 20
    assert {"validation", "test", "artefact"} == set(summary["scores"])
    assert summary["cost"]["train_s"] <= summary["cost"]["total_s"]
    assert summary["directory"] == str(out / summary["run_id"])
    assert read_record(summary["directory"]).config["model"]["hidden"] == [16]


def test_log_has_a_line_for_each_point(finished):
    lines = finished[1].err.splitlines()
    assert [line.split()[1] for line in lines] == ["10/20", "20/20"]
    assert all("left loss" in line and " val " in line for line in lines)


def test_repeats_a_record_quietly(command, finished, tmp_path):
    """And writes its curve for TensorBoard."""
    out, first = finished
    run = first.document["run_id"]
    again = command("train", run[:-5], "--out", out, "--quiet", "--tensorboard", tmp_path)
    assert (again.code, again.err) == (0, "")
    assert again.out.startswith(f"{run[:-4]}0002: finished, ") and again.out.count("\n") == 1
    one, two = (read_record(out / f"{run[:-4]}000{n}") for n in (1, 2))
    assert (one.config, one.params_digest) == (two.config, two.params_digest)
    written = {(tag, step): value for tag, step, value in events(tmp_path / two.run_id)}
    for point in two.points:
        assert written["validation/loss", point.step] == pytest.approx(point.validation.loss)
        assert written["cost/flops_executed", point.step] == pytest.approx(point.flops_executed)
        assert written["train/loss", point.step] == pytest.approx(point.train_loss)
    assert ("cost/energy_j", 20) not in written or two.cost.energy_j is not None


def test_tensorboard_folder_that_cannot_be_made_is_refused_before_the_run(command, tmp_path):
    (tmp_path / "file").write_text("")
    done = command(
        "train",
        "digits_mlp",
        *WORDS,
        "--out",
        tmp_path / "runs",
        "--tensorboard",
        tmp_path / "file",
    )
    assert done.code == 2 and "cannot be made" in done.err and done.err.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_takes_a_config_file_and_a_variant_of_ones_own(command, tmp_path, monkeypatch):
    (tmp_path / "own_method.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    config = to_json(load_preset("digits_mlp")) | {"train_for": "2 steps", "evaluations": 1}
    (tmp_path / "tiny.json").write_text(json.dumps(config))
    words = ["--variants", "own_method:Mine:alpha=0.5,sizes=3 4", "--model", "own_method:Net"]
    done = command("train", "tiny.json", *words, "--out", "runs", "--json")
    assert done.code == 0, done.err
    made = from_json(read_record(done.document["directory"]).config)
    assert (made.variants[0].alpha, made.variants[0].sizes) == (0.5, (3, 4))
    assert made.model.hidden == (8,)
    refused = command("train", "tiny.json", "--variants", "own_method:Mine:alpha=-1")
    assert (refused.code, refused.err) == (2, "efficient: error: alpha -1.0 is negative\n")
    needs = command("train", "tiny.json", "--variants", "own_method:Net")
    assert needs.code == 2 and "is no variant" in needs.err


def test_a_loss_that_is_not_finite_has_its_own_code(command, tmp_path):
    words = ("--optimizer.name", "sgd", "--optimizer.lr", "1e30", "--train-for", "20 steps")
    done = command("train", "digits_mlp", *words, "--model.hidden", "16", "--out", tmp_path)
    assert done.code == 3
    assert "the loss is not finite from step" in done.err.splitlines()[-1]
    assert ": nonfinite, " in done.out


def test_an_interrupted_run_goes_on(command, tmp_path, monkeypatch):
    words = ("train", "digits_mlp", "--train-for", "30 steps", "--model.hidden", "16")
    words += ("--evaluations", "3", "--out", tmp_path)
    describe = progress.describe
    for number, code, step in ((signal.SIGINT, 130, 10), (signal.SIGTERM, 143, 20)):

        def interrupt(*arguments, number=number):
            signal.raise_signal(number)
            return describe(*arguments)

        with monkeypatch.context() as patch:
            patch.setattr(progress, "describe", interrupt)
            stopped = command(*words)
        assert stopped.code == code
        assert f"interrupted at step {step} of 30" in stopped.err.splitlines()[-1]
    after = command(*words, "--json")
    assert after.code == 0 and after.document["status"] == "finished"
    outcomes = [process["outcome"] for process in after.document["cost"]["processes"]]
    assert outcomes == ["interrupted", "interrupted", "finished"]
    assert len(list(tmp_path.iterdir())) == 1


def test_help_of_a_config_lists_its_fields(command):
    done = command("train", "digits_mlp", "--model.hidden", "7", "5", "--help")
    assert done.code == 0
    assert "--model.hidden               7 5\n" in done.out
    assert "--optimizer.schedule.warmup  0.0\n" in done.out


def test_a_budget_is_asked_for_and_then_kept(command, tmp_path):
    """A step of the smallest digits network is 64 x 2 x (2 x 64 x 16 + 3 x 16 x 10) FLOPs."""
    words = ("digits_mlp", *WORDS, "--chunk-steps", "5", "--out", tmp_path)
    refused = command("train", *words, "--budget", "2e6 FLOP")
    assert refused.code == 1 and "--yes" in refused.err and not list(tmp_path.iterdir())
    done = command("train", *words, "--budget", "2e6 FLOP", "--yes", "--json")
    assert done.code == 4 and done.document["status"] == "budget"
    assert done.document["steps"] == 10 and "used up" in done.err
    wrong = command("train", *words, "--budget", "2 bananas")
    assert wrong.code == 2 and "'2 bananas'" in wrong.err


def test_a_site_is_in_the_bill(command, tmp_path):
    words = ("--power-w", "100", "--region", "FRA", "--usd-per-chip-hour", "0.36", "--pue", "2")
    done = command("train", "digits_mlp", *WORDS, "--out", tmp_path, "--json", *words)
    cost = done.document["cost"]
    assert done.code == 0, done.err
    window_s = cost["energy"][0]["window_s"]
    assert cost["energy_j"] == pytest.approx(100 * window_s, rel=1e-3)
    assert cost["energy_grade"] == "D"
    assert cost["energy_facility_kwh"] == pytest.approx(2 * cost["energy_j"] / 3.6e6)
    grams = cost["energy_facility_kwh"] * cost["grid"]["g_per_kwh"]
    assert cost["carbon_gco2e"] == pytest.approx(grams)
    assert cost["cost_usd"] == pytest.approx(cost["total_s"] * 0.36 / 3600)
    unknown = command("train", "digits_mlp", *WORDS, "--out", tmp_path, "--region", "Atlantis")
    assert unknown.code == 1 and "Atlantis" in unknown.err
