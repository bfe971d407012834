"""Every number of energy, carbon and money says where it is from, and old rows warn."""

from __future__ import annotations

import dataclasses

import pytest
from fabrication import record

from efficient.compare.provenance import energy, intensity, outdated, price, provenance
from efficient.compare.summary import rows
from efficient.ledger.bill import EnergyPart, Grid, Price


def with_cost(made, **changes):
    return dataclasses.replace(made, cost=dataclasses.replace(made.cost, **changes))


def test_only_known_numbers_have_a_source():
    assert set(provenance(record("shakespeare").cost)) == {
        "energy_j",
        "carbon_gco2e",
        "cost_usd",
        "mfu",
    }
    assert provenance(record("digits").cost) == {}


def test_energy_names_its_parts_and_what_it_lacks():
    text = energy(record("shakespeare").cost)
    assert "cpu by rapl (grade B)" in text and "dram by rapl (grade B)" in text
    assert "without accelerator (there is none)" in text


def test_a_reading_of_the_machine_holds_the_other_parts():
    made = record("shakespeare").cost
    whole = EnergyPart("machine", 9e4, "user", "D", 100.0)
    text = energy(dataclasses.replace(made, energy=(*made.energy, whole)))
    assert text == "machine by user (grade D)"


def test_place_and_price_in_words():
    cost = record("shakespeare").cost
    assert intensity(cost.grid) == "56 g/kWh (FRA 2023, the grid's mix; Our World in Data 2024)"
    own = Grid(12.5, "", None, "market", "given by the user")
    assert intensity(own) == "12.5 g/kWh (the contracts' mix; given by the user)"
    assert price(cost.price) == "$0.2 per chip-hour (aws, 2025-02-01; c7a.large on demand)"
    assert price(Price(3.0, "user", "", "given by the user")) == (
        "$3 per chip-hour (given by the user)"
    )


@pytest.mark.parametrize(
    ("date", "old"),
    [("2025-02-01", False), ("2024-08-01", True), ("2024", True), ("2025-02", False), ("", False)],
)
def test_an_old_price_warns_on_the_day_of_the_run(date, old):
    made = record("shakespeare")
    made = with_cost(made, price=dataclasses.replace(made.cost.price, date=date))
    assert bool(outdated(made)) is old
    assert all("--usd-per-chip-hour" in text for text in outdated(made))


@pytest.mark.parametrize(
    ("year", "old"), [(2023, False), (2022, False), (2021, True), (None, False)]
)
def test_an_old_intensity_warns(year, old):
    made = record("shakespeare")
    made = with_cost(made, grid=dataclasses.replace(made.cost.grid, year=year))
    assert bool(outdated(made)) is old
    assert all("--gco2e-per-kwh" in text for text in outdated(made))


def test_a_record_is_not_aged_by_being_read_later():
    made = record("shakespeare")
    assert outdated(made) == []
    late = dataclasses.replace(made, started_utc="2027-01-01T00:00:00Z")
    assert len(outdated(late)) == 2


def test_a_row_carries_the_warning_once():
    made = [
        with_cost(record("shakespeare", seed=s), price=Price(0.2, "aws", "2020-01-01", "x"))
        for s in (0, 1)
    ]
    made = [dataclasses.replace(r, started_utc="2025-03-01T10:00:00Z") for r in made]
    (row,) = rows(made)
    assert [note for note in row.notes if "the price of aws" in note] == [row.notes[0]]
