"""A budget is held before, while and after; a duration in seconds is steps once, and for good."""

from __future__ import annotations

import dataclasses
import json

import pytest
import tiny

from efficient.config import ConfigError
from efficient.cost.site import Site
from efficient.ledger.bill import Calibration
from efficient.ledger.record import FINISHED, INTERRUPTED, OVER_BUDGET
from efficient.ledger.store import read_json, read_lines
from efficient.predict.budget import Budget, BudgetError
from efficient.predict.seconds import Seconds
from efficient.run import pace, train
from efficient.run.terms import Terms
from efficient.run.venue import Venue

CALIBRATION = Calibration("m", "2026-01-01T00:00:00+00:00", 20.0, {"a": 1e9}, {}, {}, 1e-5, 0.05)


def willing(complaints):
    return True


def at_pace(patch, step_s, unpriced=()):
    """A calibrated machine on which every step is predicted to take `step_s`."""
    made = Seconds(step_s, step_s / 2, step_s * 2, {"matmul": step_s}, 0.0, unpriced)
    patch.setattr(Venue, "calibration", lambda self, measure: CALIBRATION)
    patch.setattr(Venue, "bandwidth", lambda self, known: None)
    patch.setattr(pace, "predict_seconds", lambda jaxpr, steps, calibration, platform: made)


@pytest.fixture
def step_flops(trained):
    return trained(tiny.DIGITS).cost.flops_executed // tiny.STEPS


def test_a_prediction_over_the_budget_is_refused_and_leaves_nothing(step_flops, tmp_path):
    terms = Terms(budget=Budget.parse(f"{10 * step_flops} FLOP"))
    with pytest.raises(BudgetError, match=r"predicted.*limit.*--budget.*--yes"):
        train(tiny.DIGITS, tmp_path, terms=terms)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_predicted_is_asked_for(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(Venue, "calibration", lambda self, measure: None)
    asked = []
    terms = Terms(budget=Budget.parse("1 kWh"), agree=lambda said: asked.append(said) or True)
    record = train(tiny.DIGITS, tmp_path, terms=terms)
    assert "not calibrated" in asked[0][0]
    assert record.status == FINISHED and record.cost.budget == "1 kWh"


def test_a_run_stops_at_its_budget_and_goes_on_with_a_larger_one(trained, step_flops, tmp_path):
    """Chunks are of 8 steps, so 10 steps' worth stops at 16; the result is the uninterrupted."""
    terms = Terms(budget=Budget.parse(f"{10 * step_flops} FLOP"), agree=willing)
    stopped = train(tiny.DIGITS, tmp_path, terms=terms)
    assert stopped.status == OVER_BUDGET and stopped.steps == 16
    assert "budget" in stopped.notes[-1] and stopped.cost.budget == str(terms.budget)
    assert stopped.cost.processes[-1].outcome == OVER_BUDGET
    assert stopped.scores.keys() == {"validation"}
    record = train(tiny.DIGITS, tmp_path)
    assert record.run_id == stopped.run_id and record.status == FINISHED
    assert record.params_digest == trained(tiny.DIGITS).params_digest
    assert [process.outcome for process in record.cost.processes] == [OVER_BUDGET, FINISHED]


def test_a_budget_of_time_holds_over_all_processes(tmp_path, monkeypatch):
    at_pace(monkeypatch, 1e-6)
    terms = Terms(budget=Budget.parse("0.01 s"), agree=willing)
    first = train(tiny.DIGITS, tmp_path, terms=terms)
    assert first.status == OVER_BUDGET and first.steps == 8
    second = train(tiny.DIGITS, tmp_path, terms=terms)
    assert second.status == OVER_BUDGET and second.steps == 16


def test_seconds_become_steps_before_anything_runs(tmp_path, monkeypatch):
    at_pace(monkeypatch, 0.01)
    record = train(dataclasses.replace(tiny.DIGITS, train_for="0.0999 s"), tmp_path)
    assert record.steps == record.steps_planned == 9
    assert record.cost.estimate.train_s.central == pytest.approx(0.09)
    kept = read_json(tmp_path / record.run_id / "estimate.json")
    assert kept["steps"] == 9 and kept["errors"] == {}
    twin = train(dataclasses.replace(tiny.DIGITS, train_for="9 steps"), tmp_path)
    assert twin.params_digest == record.params_digest


def test_a_resumed_run_keeps_the_steps_that_were_planned(tmp_path, monkeypatch):
    config = dataclasses.replace(tiny.DIGITS, train_for="0.2 s", checkpoint_s=0.0)
    terms = Terms(budget=Budget.parse("1 FLOP"), agree=willing)
    at_pace(monkeypatch, 0.01)
    first = train(config, tmp_path, terms=terms)
    assert (first.status, first.steps_planned) == (OVER_BUDGET, 20)
    at_pace(monkeypatch, 0.001)
    second = train(config, tmp_path)
    assert (second.run_id, second.status, second.steps) == (first.run_id, FINISHED, 20)


def test_energy_becomes_steps_where_power_is_known(tmp_path, monkeypatch):
    at_pace(monkeypatch, 0.01)
    config = dataclasses.replace(tiny.DIGITS, train_for=f"{50 * 0.01 * 9.5 / 3.6e6} kWh")
    record = train(config, tmp_path, terms=Terms(site=Site(power_w=50.0)))
    assert record.steps == 9
    estimate = record.cost.estimate
    assert estimate.energy_j.central == pytest.approx(50 * estimate.total_s.central)
    with pytest.raises(ConfigError, match="--power-w"):
        train(config, tmp_path / "other")


def test_work_of_unknown_time_is_not_predicted(tmp_path, monkeypatch):
    at_pace(monkeypatch, 0.01, unpriced=("ffi_call",))
    record = train(tiny.DIGITS, tmp_path)
    assert record.cost.estimate.train_s is None
    assert "ffi_call" in record.cost.estimate.unknown["train_s"]
    with pytest.raises(ConfigError, match="ffi_call"):
        train(dataclasses.replace(tiny.DIGITS, train_for="1 s"), tmp_path)


def test_the_estimate_is_scored_when_the_run_is_over(tmp_path, monkeypatch):
    at_pace(monkeypatch, 0.01)
    cost = train(tiny.DIGITS, tmp_path).cost
    errors = cost.estimate.errors
    assert errors["flops_executed"] == 0
    assert errors["train_s"] == pytest.approx(0.01 * tiny.STEPS / cost.train_s - 1)
    assert errors["total_s"] == pytest.approx(cost.estimate.total_s.central / cost.total_s - 1)
    assert "energy_j" not in errors and cost.energy_j is None


def test_every_chunk_has_a_line_of_the_curve(trained):
    record = trained(tiny.DIGITS)
    lines = read_lines(trained.out / record.run_id / "curve.jsonl")
    assert [line["step"] for line in lines] == [8, 16, 24]
    assert sum(line["chunk_s"] for line in lines) == pytest.approx(record.cost.train_s, rel=1e-3)
    assert sum(line["steps"] for line in lines) == record.steps


def test_a_damaged_estimate_is_one_line(tmp_path, monkeypatch):
    terms = Terms(budget=Budget.parse("1 FLOP"), agree=willing)
    first = train(tiny.DIGITS, tmp_path, terms=terms)
    (tmp_path / first.run_id / "estimate.json").write_text(json.dumps({"steps": "many"}))
    with pytest.raises(ValueError, match=r"estimate.json") as raised:
        train(tiny.DIGITS, tmp_path)
    assert "\n" not in str(raised.value)
    assert first.status != INTERRUPTED
