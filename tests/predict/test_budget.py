"""A budget is read, written, judged before a run, and enforced in it."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from efficient.ledger.bill import Estimate, Range
from efficient.predict.budget import UNITS, Amounts, Budget, BudgetError, Limit

FIELDS = tuple(field.name for field in dataclasses.fields(Amounts))
ESTIMATE = Estimate(
    made_utc="2026-01-01T00:00:00Z",
    steps=100,
    flops_executed=3 * 10**15,
    memory_bytes=1000,
    train_s=Range(400.0, 500.0, 700.0),
    total_s=Range(500.0, 590.0, 800.0),
    energy_j=None,
    carbon_gco2e=None,
    cost_usd=Range(1.0, 4.0, 6.0),
    unknown={"energy_j": "no power is published for this chip"},
)


@st.composite
def budgets(draw) -> Budget:
    chosen = draw(st.lists(st.sampled_from(FIELDS), min_size=1, unique=True))
    sizes = st.floats(1e-6, 1e30, exclude_min=True)
    units = [draw(st.sampled_from([u for u, (f, _) in UNITS.items() if f == n])) for n in chosen]
    return Budget(tuple(Limit(draw(sizes), unit) for unit in units))


def test_reads_every_kind_of_limit():
    budget = Budget.parse("2e15 FLOP, 10 min,0.05kWh, 3 USD, 50 g CO2e")
    assert [(limit.field, limit.value * limit.scale) for limit in budget.limits] == [
        ("flops_executed", 2e15),
        ("total_s", 600),
        ("energy_j", 0.05 * 3.6e6),
        ("cost_usd", 3),
        ("carbon_gco2e", 50),
    ]
    assert str(budget) == "2e15 FLOP, 10 min, 0.05 kWh, 3 USD, 50 gCO2e"


@given(budgets())
def test_text_round_trip(budget):
    assert Budget.parse(str(budget)) == budget


@pytest.mark.parametrize(
    "text",
    ["", "10", "min", "10 parsec", "0 s", "-3 USD", "nan s", "inf s", "1e999 s", "3 USD,", "1..2 s",
     "10 min, 600 s", "1 kWh, 5 J", "1e FLOP", "2 g"],
)  # fmt: skip
def test_refuses_in_one_line(text):
    with pytest.raises(BudgetError) as caught:
        Budget.parse(text)
    assert "\n" not in str(caught.value) and "budget" in str(caught.value)


def test_says_what_a_prediction_exceeds_and_what_it_cannot_judge():
    assert Budget.parse("4e15 FLOP, 10 min, 5 USD").over(ESTIMATE) == []
    assert Budget.parse("2e15 FLOP, 0.1 h, 0.1 kWh, 3 USD").over(ESTIMATE) == [
        "3e15 FLOP predicted, limit 2e15 FLOP",
        "0.164 h predicted (0.139 to 0.222 h), limit 0.1 h",
        "the limit of 0.1 kWh cannot be judged: no power is published for this chip",
        "4 USD predicted (1 to 6 USD), limit 3 USD",
    ]


def test_carbon_without_a_reason_is_not_judged_either():
    assert Budget.parse("50 gCO2e").over(ESTIMATE) == [
        "the limit of 50 gCO2e cannot be judged: it was not predicted"
    ]


@given(budgets(), st.floats(0, 2))
def test_is_spent_exactly_when_a_limit_is_reached(budget, share):
    assume(not 1 - 1e-9 < share < 1 + 1e-9)
    for limit in budget.limits:
        so_far = Amounts(**{limit.field: share * limit.value * limit.scale})
        words = budget.spent(so_far)
        assert bool(words) == (share > 1)
        assert not words or str(limit) in words


def test_what_is_unknown_reaches_no_limit():
    assert Budget.parse("1 J").spent(Amounts(total_s=1e9)) == ""


@given(budgets(), st.floats(0, 0.99), st.floats(0, 0.99))
def test_what_remains_is_reached_when_the_whole_is(budget, first, second):
    """Amounts `first` of the whole and then `second` of the rest leaves the product."""
    whole = {limit.field: limit.value * limit.scale for limit in budget.limits}
    rest = budget.remaining(Amounts(**{name: first * value for name, value in whole.items()}))
    left = {limit.field: limit.value * limit.scale for limit in rest.limits}
    assert left == pytest.approx({name: (1 - first) * value for name, value in whole.items()})
    again = Amounts(**{name: second * value for name, value in left.items()})
    assert rest.spent(again) == "" and [x.unit for x in rest.limits] == [
        x.unit for x in budget.limits
    ]


def test_nothing_remains_of_what_is_used_up():
    with pytest.raises(BudgetError, match="budget of 10 s is used up: 12 s"):
        Budget.parse("10 s").remaining(Amounts(total_s=12))
