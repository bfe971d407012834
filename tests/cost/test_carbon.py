"""Grids: by code or name and year, with basis and source; nothing is guessed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from efficient.cost.carbon import (
    NO_REGION,
    CarbonError,
    carbon_gco2e,
    facility_kwh,
    grid,
    region,
    regions,
)
from efficient.cost.site import Site
from efficient.ledger.bill import Grid


@pytest.mark.parametrize(
    ("text", "code", "year", "grams"),
    [
        ("FRA", "FRA", 2023, 56.039),
        ("fr", "FRA", 2023, 56.039),
        ("France", "FRA", 2023, 56.039),
        (" united  kingdom", "GBR", 2023, 237.589),
        ("UK", "GBR", 2023, 237.589),
        ("USA", "USA", 2023, 369.473),
        ("USA@2023", "USA", 2023, 369.473),
        ("us@2020", "USA", 2020, 429.0),
        ("WORLD", "WORLD", 2019, 475.0),
    ],
)
def test_a_region_is_found(text, code, year, grams):
    found, reason = grid(Site(region=text))
    assert found is not None and reason == ""
    assert (found.region, found.year, found.g_per_kwh) == (code, year, grams)
    assert found.basis == "location" and len(found.source) > 10


def test_no_region_is_unknown_with_the_remedy():
    assert grid(Site()) == (None, NO_REGION)
    assert "--region" in NO_REGION and "EFFICIENT_REGION" in NO_REGION


def test_the_users_number_wins():
    site = Site(region="Atlantis", gco2e_per_kwh=12.0, basis="market")
    assert grid(site) == (Grid(12.0, "Atlantis", None, "market", "given by the user"), "")


def test_a_market_figure_is_not_made_of_a_location_figure():
    found, reason = grid(Site(region="FRA", basis="market"))
    assert found is None and "FRA" in reason and "--gco2e-per-kwh" in reason


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("FRZ", "region 'FRZ' is not known: the nearest is FRA"),
        ("Germny", "the nearest is DEU"),
        ("USA@1999", "its years are 2020, 2023"),
        ("FRA@", None),
    ],
)
def test_an_unknown_region_is_an_error(text, said):
    if said is None:
        assert region(text).code == "FRA"
        return
    with pytest.raises(CarbonError, match=said) as error:
        grid(Site(region=text))
    assert "\n" not in str(error.value)


def test_the_table_is_consistent():
    codes = {row.code for row in regions()}
    assert len(codes) >= 17 and "WORLD" in codes
    assert all(len(code) == 3 for code in codes - {"WORLD"})
    for row in regions():
        assert 10 < row.gco2e_per_kwh < 1000
        assert all(region(f"{name}@{row.year}") is row for name in (row.code, *row.names))


JOULES, FACTOR = st.floats(0, 1e15), st.floats(1, 3)


@given(JOULES, FACTOR, st.floats(0, 2000))
def test_carbon_is_a_product(joules, pue, grams):
    kwh = facility_kwh(joules, pue)
    assert kwh == pytest.approx(joules * pue / 3.6e6)
    assert carbon_gco2e(kwh, Grid(grams, "X", 2023, "location", "s")) == pytest.approx(kwh * grams)


def test_a_kilowatt_hour_is_a_kilowatt_for_an_hour():
    assert facility_kwh(1000 * 3600, 1.0) == 1.0
