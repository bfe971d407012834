"""Numbers are shown with units and three digits."""

from __future__ import annotations

import pytest
from fabrication import record
from hypothesis import given
from hypothesis import strategies as st

from efficient.compare.column import BY_KEY
from efficient.compare.spread import Spread
from efficient.compare.summary import rows
from efficient.report import number

ROW = rows([record()])[0]
TEXT = rows([record("shakespeare")])[0]


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (0, "flop", "0"),
        (1, "flop", "1.00 FLOP"),
        (999.9, "flop", "1.00 kFLOP"),
        (1234, "flop", "1.23 kFLOP"),
        (9.6e11, "flop", "960 GFLOP"),
        (3e27, "flop", "3000 YFLOP"),
        (214_900, "byte", "215 kB"),
        (1_067_400, "byte", "1.07 MB"),
        (266_610, "count", "266,610"),
        (0.2149, "s", "0.215 s"),
        (8.2, "s", "8.20 s"),
        (148.4, "s", "148 s"),
        (1500, "s", "25 min"),
        (4321, "s", "1 h 12 min"),
        (86_400, "s", "24 h 0 min"),
        (0, "j", "0"),
        (10_840, "j", "10.8 kJ"),
        (359_999, "j", "360 kJ"),
        (360_000, "j", "100 Wh"),
        (4.6332e12, "j", "1.29 GWh"),
        (0.193, "g", "193 mg"),
        (4.02, "g", "4.02 g"),
        (1234, "g", "1.23 kg"),
        (5.52e8, "g", "552 t"),
        (0, "g", "0"),
        (0.00876, "usd", "$0.00876"),
        (1.2e-7, "usd", "$0.000000120"),
        (1234.5, "usd", "$1,234.50"),
        (0.26, "fraction", "26.0 %"),
        (5.46e8, "bitop", "546 Mbitop"),
    ],
)
def test_quantity(value, unit, shown):
    assert number.quantity(value, unit) == shown


def test_quality_is_percent_or_bits():
    assert number.quality(ROW, 0.97425) == "97.42 %"
    assert number.quality_spread(ROW, Spread(0.9742, 0.0016, ())) == "97.42 % ± 0.16"
    assert number.quality_spread(TEXT, Spread(2.2316, 0.0073, ())) == "2.232 ± 0.007"
    assert number.quality_spread(TEXT, Spread(2.2316, None, ())) == "2.232"
    assert number.quality_change(ROW, -0.0018) == f"{number.MINUS}0.18 points"
    assert number.quality_change(TEXT, 0.03) == "+0.030"


def test_unknown_cost_is_a_dash_and_never_zero():
    assert number.cost(ROW, BY_KEY["memory_peak_bytes"]) == number.NONE
    assert number.cost(ROW, BY_KEY["flops_scoring"]) == "0"


@pytest.mark.parametrize(
    ("mean", "sd", "shown"),
    [(8.38, 0.114, "8.38 ± 0.11 s"), (152.3, 3.3, "152.3 ± 3.3 s"), (349, 6.2, "349 ± 6 s")],
)
def test_seconds_show_their_spread(mean, sd, shown):
    assert number.seconds_spread(Spread(mean, sd, ())) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"), [(148.4, "148 s"), (3600, "1.00 h"), (1.2744e10, "3,540,000 h")]
)
def test_hours_stay_hours(seconds, shown):
    assert number.hours(seconds) == shown


@given(st.floats(1e-6, 1e15), st.sampled_from(["j", "g", "usd", "fraction"]))
def test_a_known_amount_is_never_shown_as_nothing(value, unit):
    assert any(digit in number.quantity(value, unit) for digit in "123456789")


@given(
    st.floats(1e-3, 1e24), st.floats(2.0, 1e9), st.sampled_from(["flop", "s", "byte", "count", "j"])
)
def test_axis_has_three_to_seven_round_ticks_inside(low, factor, unit):
    high = low * factor
    found = number.ticks(low, high, unit)
    assert 2 <= len(found) <= 7
    assert found == sorted(set(found))
    assert all(low <= tick <= high for tick in found)
    labels = [number.tick(tick, unit) for tick in found]
    assert len(set(labels)) == len(labels)
