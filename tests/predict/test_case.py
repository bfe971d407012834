"""Published runs: our arithmetic on their inputs gives their results."""

from __future__ import annotations

import dataclasses

import pytest

from efficient.cost.published import training_costs
from efficient.predict.case import TOLERANCE, Check, replay, spread

RUNS = {run.id: run for run in training_costs()}
CASES = {name: replay(run) for name, run in RUNS.items()}


@pytest.mark.parametrize("name", TOLERANCE)
def test_every_row_with_the_inputs_is_reproduced(name):
    errors = {case.id: getattr(case, name).error for case in CASES.values()}
    known = {row: error for row, error in errors.items() if error is not None}
    assert len(known) >= 17
    assert {row: e for row, e in known.items() if abs(e) > TOLERANCE[name]} == {}
    assert TOLERANCE == {"energy_kwh": 0.01, "carbon_tco2e": 0.015}


def test_rows_inside_and_outside_of_the_range_are_told_apart():
    judged = [case for case in CASES.values() if case.inside is not None]
    assert len(judged) == 20
    assert {case.id for case in judged if not case.inside} == {
        "gpt3-175b-patterson",
        "llama1-33b",
        "llama1-65b",
        "llama31-8b",
        "bloomberggpt",
    }


def test_utilisation_counts_the_weights_that_are_active():
    """DeepSeek-V3: 37 of 671 billion parameters."""
    run = RUNS["deepseek-v3"]
    assert CASES[run.id].flops.computed == pytest.approx(6 * 37e9 * 14.8e12)
    assert CASES[run.id].mfu == pytest.approx(0.331, abs=5e-4)
    assert CASES[run.id].usd_per_chip_hour == pytest.approx(2.0)


def test_a_wrong_row_is_found():
    run = dataclasses.replace(RUNS["meena"], power_w=300.0)
    assert CASES["meena"].agrees is True and replay(run).agrees is False


def test_without_inputs_nothing_is_claimed():
    case = CASES["airbench94"]
    assert (case.agrees, case.inside, case.energy_kwh.error) == (None, None, None)


def test_error_is_relative_to_what_was_published():
    assert Check(200.0, 150.0).error == -0.25
    assert Check(None, 150.0).error is Check(200.0, None).error is None


def test_spread_is_smallest_median_and_largest():
    cases = [dataclasses.replace(CASES["meena"], mfu=mfu) for mfu in (0.4, 0.1, None, 0.2, 0.3)]
    found = spread(cases)
    assert found is not None and (found.low, found.central, found.high) == (0.1, 0.25, 0.4)
    assert spread([CASES["meena"]]) is None
