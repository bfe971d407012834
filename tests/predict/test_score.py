"""A prediction is held against the bill, field by field."""

from __future__ import annotations

import dataclasses

from fabrication import record

from efficient.ledger.bill import Estimate, Range
from efficient.predict.score import MEASURED, score

COST = dataclasses.replace(
    record().cost, train_s=8.0, total_s=10.0, flops_executed=1000, memory_static_bytes=400
)
ESTIMATE = Estimate(
    made_utc="2026-01-01T00:00:00Z",
    steps=10,
    flops_executed=1000,
    memory_bytes=300,
    train_s=Range(5.0, 10.0, 20.0),
    total_s=Range(5.0, 9.0, 20.0),
    energy_j=Range(1.0, 2.0, 3.0),
    carbon_gco2e=None,
    cost_usd=None,
)


def test_error_is_the_central_prediction_over_the_measurement():
    errors = score(ESTIMATE, COST).errors
    assert errors == {
        "train_s": 0.25,
        "total_s": 9 / 10 - 1,
        "flops_executed": 0.0,
        "memory_bytes": -0.25,
    }


def test_what_is_unknown_on_one_side_has_no_error():
    assert COST.energy_j is None and "energy_j" not in score(ESTIMATE, COST).errors
    known = dataclasses.replace(COST, energy_j=4.0, carbon_gco2e=1.0)
    assert score(ESTIMATE, known).errors["energy_j"] == -0.5
    assert "carbon_gco2e" not in score(ESTIMATE, known).errors


def test_nothing_else_of_the_estimate_changes():
    assert dataclasses.replace(score(ESTIMATE, COST), errors={}) == ESTIMATE


def test_names_are_fields_of_both():
    names = {field.name for field in dataclasses.fields(Estimate)}
    bill = {field.name for field in dataclasses.fields(COST)}
    assert set(MEASURED) <= names and set(MEASURED.values()) <= bill
