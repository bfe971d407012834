"""The forecast is one product: it reproduces GPT-3's, and never falls where an input rises."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from efficient.ledger.bill import Range
from efficient.predict.estimate import (
    Assumptions,
    EstimateError,
    Forecast,
    Quantity,
    between,
    exactly,
    forecast,
    unknown,
)

RESULTS = ("flops", "chip_hours", "days", "energy_kwh", "carbon_kgco2e", "cost_usd")
NAMES = tuple(field.name for field in dataclasses.fields(Assumptions))
#: What a result rests on; those after the semicolon divide it.
MULTIPLIED = {
    "flops": {"flops"},
    "chip_hours": {"flops"},
    "days": {"flops"},
    "energy_kwh": {"flops", "power_w", "pue"},
    "carbon_kgco2e": {"flops", "power_w", "pue", "g_per_kwh"},
    "cost_usd": {"flops", "usd_per_chip_hour"},
}
DIVIDED = {name: {"peak", "mfu", "goodput"} for name in RESULTS} | {"flops": set()}
DIVIDED["days"] = DIVIDED["days"] | {"chips"}

numbers = st.floats(1e-3, 1e3)
ranges = st.lists(numbers, min_size=3, max_size=3).map(lambda ends: Range(*sorted(ends)))
assumptions = st.builds(
    Assumptions, **{name: ranges.map(lambda r: Quantity(r, "", "drawn")) for name in NAMES}
)


def known(forecast: Forecast, name: str) -> Range:
    found = getattr(forecast, name)
    assert found is not None
    return found


GPT3 = Assumptions(
    flops=exactly(3.1428e23, "FLOP", "6 N D"),
    peak=exactly(125e12, "FLOP/s", ""),
    chips=exactly(10_000, "", ""),
    mfu=exactly(0.197, "", ""),
    goodput=exactly(1.0, "", ""),
    power_w=exactly(330, "W", ""),
    pue=exactly(1.1, "", ""),
    g_per_kwh=exactly(429, "", ""),
    usd_per_chip_hour=exactly(1.5, "", ""),
)


def test_gpt3_is_reproduced():
    found = forecast(GPT3)
    published = {
        "chip_hours": 3.552e6,
        "days": 14.8,
        "energy_kwh": 1_287_000,
        "carbon_kgco2e": 552_100,
        "cost_usd": 5.3e6,
    }
    for name, value in published.items():
        assert known(found, name).central == pytest.approx(value, rel=0.01), name
    assert found.unknown == {}


@given(assumptions)
def test_ends_are_in_order(given_):
    found = forecast(given_)
    for name in RESULTS:
        ends = known(found, name)
        assert 0 < ends.low <= ends.central <= ends.high


@given(assumptions, st.sampled_from(NAMES), st.floats(1.01, 100))
def test_each_result_moves_with_exactly_what_it_rests_on(given_, name, factor):
    """Scaling one assumption scales, divides or leaves alone each result, at all three ends."""
    ends = getattr(given_, name).range
    scaled = Range(ends.low * factor, ends.central * factor, ends.high * factor)
    moved = dataclasses.replace(given_, **{name: Quantity(scaled, "", "scaled")})
    before, after = forecast(given_), forecast(moved)
    for result in RESULTS:
        power = (name in MULTIPLIED[result]) - (name in DIVIDED[result])
        for end in ("low", "central", "high"):
            expected = getattr(known(before, result), end) * factor**power
            assert getattr(known(after, result), end) == pytest.approx(expected, rel=1e-9)


@given(assumptions, st.sampled_from(NAMES), ranges)
def test_a_wider_assumption_never_narrows_a_result(given_, name, other):
    ends = getattr(given_, name).range
    wider = Range(min(ends.low, other.low), ends.central, max(ends.high, other.high))
    before = forecast(given_)
    after = forecast(dataclasses.replace(given_, **{name: Quantity(wider, "", "")}))
    for result in RESULTS:
        inner, outer = known(before, result), known(after, result)
        assert outer.low <= inner.low and inner.high <= outer.high
        assert outer.central == inner.central


@given(assumptions, st.sets(st.sampled_from(NAMES)))
def test_what_rests_on_something_unknown_is_unknown_with_its_reason(given_, missing):
    changes = {name: unknown("", f"no {name}") for name in missing}
    found = forecast(dataclasses.replace(given_, **changes))
    for result in RESULTS:
        needed = missing & (MULTIPLIED[result] | DIVIDED[result])
        assert (getattr(found, result) is None) == bool(needed)
        assert (result in found.unknown) == bool(needed)
        assert not needed or found.unknown[result] in {f"no {name}" for name in needed}


def test_every_assumption_is_echoed():
    assert forecast(GPT3).assumptions == {name: getattr(GPT3, name) for name in NAMES}


@given(numbers, numbers)
def test_centre_of_a_range_is_as_far_from_both_ends(one, other):
    ends = between(min(one, other), max(one, other), "", "").range
    assert ends is not None
    assert ends.central / ends.low == pytest.approx(ends.high / ends.central)


@pytest.mark.parametrize(
    "ends", [(2, 1, 3), (1, 3, 2), (-1, 1, 2), (1, 2, float("inf")), (float("nan"), 1, 2)]
)
def test_a_range_that_does_not_rise_is_refused(ends):
    with pytest.raises(EstimateError, match="rise"):
        Quantity(Range(*ends), "", "")


def test_nothing_is_divided_by_zero():
    idle = dataclasses.replace(GPT3, mfu=Quantity(Range(0, 0.1, 0.2), "of peak", ""))
    with pytest.raises(EstimateError, match="above 0"):
        forecast(idle)
