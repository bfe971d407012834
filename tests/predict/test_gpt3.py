"""GPT-3 told three times: each account is reproduced, and the quoted trio is two of them."""

from __future__ import annotations

import re

import pytest

from efficient.predict.gpt3 import tellings, verdict

TOLD = {telling.name: telling for telling in tellings()}
MEASURED, PRICED, QUOTED = TOLD.values()


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("measured power", "energy_kwh", 1_287_000),
        ("measured power", "carbon_kgco2e", 552_000),
        ("measured power", "chip_hours", 3.54e6),
        ("measured power", "cost_usd", 5.3e6),
        ("Lambda's price", "cost_usd", 4.6e6),
        ("Lambda's price", "chip_hours", 3.12e6),
        ("quoted energy", "energy_kwh", 190_000),
        ("quoted energy", "carbon_kgco2e", 85_000),
        ("quoted energy", "chip_hours", 0.70e6),
    ],
)
def test_each_account_is_reproduced(name, field, value):
    assert TOLD[name].value(field) == pytest.approx(value, rel=0.02)


def test_errors_are_against_what_is_told():
    assert set(MEASURED.errors) == {"energy_kwh", "carbon_kgco2e"}
    assert set(PRICED.errors) == {"cost_usd"}
    for telling in TOLD.values():
        assert all(abs(error) < 0.02 for error in telling.errors.values())


def test_the_trio_does_not_fit_together():
    """Its dollars pay for hours in which its energy would be a fifth of the rated power."""
    watt = 1000 * QUOTED.quoted["energy_kwh"] / PRICED.value("chip_hours")
    assert watt < 300 / 4
    assert PRICED.value("chip_hours") > 4 * QUOTED.value("chip_hours")
    assert QUOTED.forecast.assumptions["mfu"].range.central == 1.0


def test_the_verdict_says_so_with_numbers():
    text = verdict(tellings())
    assert "mixes assumptions that do not fit together" in text
    for number in ("190,000 kWh", "85,000 kg", "$4.6M", "209,520 kWh", "61 W", "6.8 and 6.5 times"):
        assert number in text
    assert re.search(r"1,28\d,\d{3} kWh and 55\d t", text)
