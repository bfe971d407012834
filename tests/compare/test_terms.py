"""What a user adds afterwards fills in what is unknown, never what is known, and says so."""

from __future__ import annotations

import pytest
from fabrication import record, records

from efficient.compare.terms import Terms, apply
from efficient.ledger.bill import Grid, Price

GERMANY = Grid(381.0, "DEU", 2023, "location", "a table")
ASKED = Price(3.0, "user", "", "given by the user")


def test_nothing_given_changes_nothing():
    made = records()
    assert apply(made, Terms()) == (made, [])


def test_what_a_run_was_told_is_kept():
    made = [record("shakespeare")]
    found, notes = apply(made, Terms(grid=GERMANY, pue=1.5, price=ASKED, power_w=99.0))
    assert found == made
    assert len(notes) == 4
    assert all("0 of 1 runs; 1 kept what they were told" in note for note in notes)


def test_power_gives_energy_of_grade_d_and_all_that_follows():
    made = record("digits")
    terms = Terms(grid=GERMANY, pue=1.5, price=ASKED, power_w=90.0)
    ((found,), notes) = apply([made], terms)
    cost = found.cost
    assert cost.energy_j == pytest.approx(90.0 * made.cost.total_s)
    assert cost.energy_grade == "D" and cost.energy[0].source == "user"
    assert cost.energy_facility_kwh == pytest.approx(cost.energy_j / 3.6e6 * 1.5)
    assert cost.carbon_gco2e == pytest.approx(cost.energy_facility_kwh * 381.0)
    assert cost.cost_usd == pytest.approx(made.cost.total_s / 3600 * 3.0)
    assert len(notes) == 4 and all("1 of 1 runs" in note for note in notes)


def test_a_default_overhead_is_not_something_that_was_told():
    ((found,), _) = apply([record("digits")], Terms(power_w=90.0))
    assert found.cost.pue == 1.0
    assert found.cost.energy_facility_kwh == pytest.approx(found.cost.energy_j / 3.6e6)
    ((given,), _) = apply([record("digits")], Terms(power_w=90.0, pue=1.3))
    assert given.cost.energy_facility_kwh == pytest.approx(1.3 * found.cost.energy_facility_kwh)


def test_a_region_without_energy_makes_no_carbon():
    ((found,), _) = apply([record("digits")], Terms(grid=GERMANY, pue=1.5))
    assert found.cost.carbon_gco2e is None and found.cost.energy_facility_kwh is None


def test_devices_of_one_chip_share_its_power_and_price():
    made = record("digits")
    one, half = (
        apply([made], Terms(price=ASKED, power_w=90.0, devices_per_chip=n))[0][0].cost
        for n in (1, 2)
    )
    assert half.energy_j == one.energy_j / 2 and half.cost_usd == one.cost_usd / 2
