"""Where nobody says otherwise there is a range with its source; what is unknown says why."""

from __future__ import annotations

import pytest

from efficient.cost.chip import chip
from efficient.cost.site import Site
from efficient.ledger.bill import Range
from efficient.predict.assumption import assume, peak_16, peak_executed, platform
from efficient.predict.estimate import EstimateError, Quantity, exactly

NOWHERE = Site()
FLOPS = exactly(1e20, "FLOP", "drawn")


def central(quantity: Quantity) -> float:
    assert quantity.range is not None
    return quantity.range.central


def on(name: str, site: Site = NOWHERE, **given):
    part = chip(name)
    return assume(FLOPS, site, part, peak_16(part), **given)


def test_defaults_are_ranges_with_sources():
    found = on("H100-SXM")
    assert found.mfu.range is not None
    assert (found.mfu.range.low, found.mfu.range.high) == (0.25, 0.45)
    assert found.mfu.range.central == pytest.approx((0.25 * 0.45) ** 0.5)
    assert found.power_w.range == Range(
        pytest.approx(0.55 * 700), pytest.approx(700 * (0.55 * 1.10) ** 0.5), pytest.approx(770)
    )
    assert central(found.pue) == 1.1 and central(found.goodput) == 1.0
    for quantity in (found.mfu, found.goodput, found.power_w, found.pue, found.usd_per_chip_hour):
        assert len(quantity.source) > 10


def test_a_published_average_stands_above_the_rated_power():
    assert on("V100-SXM2").power_w.range == Range(330, 330, 330)
    assert "published average" in on("TPU-v4").power_w.source


def test_what_the_user_says_stands_above_everything():
    site = Site(pue=1.3, power_w=250, gco2e_per_kwh=50, usd_per_chip_hour=2.5)
    found = on("H100-SXM", site, mfu=0.4, goodput=0.9, chips=8)
    given = (found.pue, found.power_w, found.g_per_kwh, found.usd_per_chip_hour)
    assert [central(q) for q in given] == [1.3, 250, 50, 2.5]
    assert [central(q) for q in (found.mfu, found.goodput, found.chips)] == [0.4, 0.9, 8]
    assert all(q.range and q.range.low == q.range.high for q in given)


def test_a_surveyed_price_is_a_range():
    ends = on("H100-SXM").usd_per_chip_hour.range
    assert ends is not None and ends.low < ends.central < ends.high


def test_a_region_gives_the_grid():
    assert central(on("H100-SXM", Site(region="FRA")).g_per_kwh) == pytest.approx(56, abs=1)


def test_unknown_is_none_with_a_reason():
    found = assume(FLOPS, Site(), None, peak_16(None))
    for quantity, words in (
        (found.peak, "--chip"),
        (found.power_w, "--power-w"),
        (found.g_per_kwh, "--region"),
        (found.usd_per_chip_hour, "--usd-per-chip-hour"),
    ):
        assert quantity.range is None and words in quantity.source


@pytest.mark.parametrize("given", [{"mfu": 1.2}, {"goodput": 3.0}, {"mfu": -0.1}])
def test_a_share_above_the_whole_is_refused(given):
    with pytest.raises(EstimateError, match=f"--{next(iter(given))}"):
        on("H100-SXM", **given)


def test_16_bits_are_what_the_chip_has():
    assert central(peak_16(chip("A100-SXM-40GB"))) == 312e12
    assert central(peak_16(chip("V100-SXM2"))) == 125e12
    assert "float16" in peak_16(chip("V100-SXM2")).source


def test_a_mixture_of_types_takes_the_time_of_each():
    """Half of the FLOPs at a double rate: three quarters of the time."""
    part = chip("A100-SXM-40GB")
    alone = central(peak_executed(part, {"float32": 10}))
    mixed = central(peak_executed(part, {"float32": 10, "bfloat16": 10}))
    assert alone == 156e12  # TF32, as jax multiplies float32 there
    assert mixed == pytest.approx(156e12 / 0.75)
    assert peak_executed(part, {}).range is None
    assert peak_executed(chip("TPU-v4"), {"float8_e4m3fn": 1}).range is None


def test_kinds_of_chips():
    assert (platform(chip("TPU-v5e")), platform(chip("L4"))) == ("tpu", "gpu")
