"""Prices: the user's above a dated offer, unknown with a remedy, old ones with a warning."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from efficient.cost.chip import chip, chips
from efficient.cost.money import FRESH_DAYS, cost_usd, offers, price, stale
from efficient.cost.site import Site
from efficient.ledger.bill import Price


def dated(text):
    return Price(2.0, "Somebody", text, "a list")


def test_an_offer_is_of_a_known_chip_and_dated():
    for name, offer in offers().items():
        assert name in chips()
        assert 0.1 < offer.usd_per_chip_hour < 20
        assert (offer.usd_low is None) == (offer.usd_high is None)
        if offer.usd_low is not None and offer.usd_high is not None:
            assert offer.usd_low <= offer.usd_per_chip_hour <= offer.usd_high
        assert offer.provider and offer.basis


def test_an_offer_is_found():
    found, reason = price(Site(), chip("H100-SXM"))
    assert found is not None and reason == ""
    assert found.usd_per_chip_hour == offers()["H100-SXM"].usd_per_chip_hour
    assert found.provider.startswith("Lambda") and found.date == "2026-05" and found.source


@pytest.mark.parametrize("known", [None, chip("H100-SXM"), chip("RTX-3090")])
def test_the_users_price_wins(known):
    found, reason = price(Site(usd_per_chip_hour=2.5), known)
    assert found == Price(2.5, "user", "", "given by the user") and reason == ""


@pytest.mark.parametrize(
    ("known", "named"), [(None, "accelerator"), (chip("RTX-3090"), "RTX-3090")]
)
def test_an_unknown_price_says_what_to_do(known, named):
    found, reason = price(Site(), known)
    assert found is None
    assert named in reason and "--usd-per-chip-hour" in reason


@pytest.mark.parametrize(
    ("text", "first"),
    [("2026-05-17", date(2026, 5, 17)), ("2026-05", date(2026, 5, 1)), ("2026", date(2026, 1, 1))],
)
def test_an_old_offer_warns(text, first):
    assert stale(dated(text), first + timedelta(days=FRESH_DAYS)) == ""
    warning = stale(dated(text), first + timedelta(days=FRESH_DAYS + 1))
    assert f"{FRESH_DAYS + 1} days" in warning and text in warning and "Somebody" in warning
    assert "--usd-per-chip-hour" in warning and "\n" not in warning


def test_a_price_of_the_user_is_never_old():
    assert stale(dated(""), date(2099, 1, 1)) == ""


@given(st.floats(0, 1e9), st.integers(1, 10_000), st.floats(0, 100))
def test_dollars_are_hours_times_chips_times_price(seconds, count, dollars):
    paid = Price(dollars, "user", "", "s")
    cost = cost_usd(seconds, count, paid)
    assert cost == pytest.approx(seconds / 3600 * count * dollars)
    assert cost_usd(seconds, 2 * count, paid) == pytest.approx(2 * cost)


def test_an_hour_of_a_chip_costs_its_price():
    assert cost_usd(3600, 1, dated("2026")) == 2.0
