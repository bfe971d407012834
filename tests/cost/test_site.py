"""A site is what its user says: options above environment, the same for child processes."""

import argparse
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from efficient.cost.site import VARIABLES, Site, SiteError

ALL = {
    "EFFICIENT_REGION": "FRA",
    "EFFICIENT_GCO2E_PER_KWH": "52.5",
    "EFFICIENT_PUE": "1.2",
    "EFFICIENT_CHIP": "H100-SXM",
    "EFFICIENT_POWER_W": "610",
    "EFFICIENT_USD_PER_CHIP_HOUR": "3",
}
SAID = Site("FRA", 52.5, "location", 1.2, "H100-SXM", None, 610.0, 3.0)


def test_nothing_is_said_by_default():
    assert Site.from_environment({}) == Site() == Site.from_environment({"EFFICIENT_PUE": " "})
    assert Site().to_environment() == {}


def test_the_environment_is_read():
    assert Site.from_environment(ALL) == SAID


def test_the_process_environment_is_the_default(monkeypatch):
    for variable in VARIABLES.values():
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("EFFICIENT_REGION", "SWE")
    assert Site.from_environment() == Site(region="SWE")


def test_options_stand_above_the_environment():
    arguments = argparse.Namespace(region="DEU", gco2e_per_kwh=None, pue=1.5, chip=None)
    site = Site.from_arguments(arguments, ALL)
    assert (site.region, site.pue) == ("DEU", 1.5)
    assert (site.gco2e_per_kwh, site.chip, site.power_w) == (52.5, "H100-SXM", 610.0)


POSITIVE = st.none() | st.floats(1, 1e6)


@given(st.sampled_from(["", "FRA", "USA@2020"]), POSITIVE, POSITIVE, POSITIVE, POSITIVE)
def test_a_child_process_hears_the_same(region, grams, pue, watts, dollars):
    site = Site(region, grams, "location", pue, "T4", None, watts, dollars)
    assert Site.from_environment(site.to_environment()) == site


@pytest.mark.parametrize(
    ("variable", "text", "said"),
    [
        ("EFFICIENT_PUE", "0.9", "--pue (EFFICIENT_PUE) 0.9 is not a number of at least 1"),
        ("EFFICIENT_PUE", "good", "EFFICIENT_PUE: 'good' is not a number"),
        ("EFFICIENT_POWER_W", "0", "--power-w (EFFICIENT_POWER_W) 0 is not a number above 0"),
        ("EFFICIENT_GCO2E_PER_KWH", "-3", "EFFICIENT_GCO2E_PER_KWH) -3 is not"),
        ("EFFICIENT_USD_PER_CHIP_HOUR", "inf", "inf is not a number"),
        ("EFFICIENT_USD_PER_CHIP_HOUR", "nan", "nan is not a number"),
    ],
)
def test_a_bad_value_is_one_line(variable, text, said):
    with pytest.raises(SiteError, match=re.escape(said)) as error:
        Site.from_environment({variable: text})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("wrong", [{"basis": "wishful"}, {"chips": 0}])
def test_a_site_cannot_be_anything(wrong):
    with pytest.raises(SiteError):
        Site(**wrong)
