"""Published runs: their arithmetic holds where it can be checked."""

import pytest

from efficient.cost.chip import chips
from efficient.cost.published import CIRCULAR, training_costs

RUNS = {run.id: run for run in training_costs()}


def case_of(*names):
    """Runs that have all of these numbers."""
    runs = [run for run in RUNS.values() if all(getattr(run, name) is not None for name in names)]
    assert len(runs) >= 10
    return [pytest.param(run, id=run.id) for run in runs]


def test_units_and_words():
    assert len(RUNS) == 40
    for run in RUNS.values():
        assert run.unit in ("tokens", "images", "")
        assert run.samples is None or run.unit
        assert run.status in ("verified", "secondary")
        assert run.energy_basis in ("", "measured", "sampled", "retrospective", *CIRCULAR)
        assert run.power_basis in ("", "measured", "borrowed", "sampled", "nominal")
        assert run.carbon_basis in ("", "location", "market", "implied")
        for number, basis in (
            (run.energy_kwh, run.energy_basis),
            (run.power_w, run.power_basis),
            (run.carbon_tco2e, run.carbon_basis),
            (run.chip_hours, run.chip_hours_basis),
            (run.cost_usd, run.cost_basis),
            (run.flops, run.flops_basis),
        ):
            assert (number is None) == (basis == ""), run.id


@pytest.mark.parametrize("run", case_of("chip_hours", "power_w", "energy_kwh"))
def test_energy_is_hours_times_power_times_pue(run):
    assert run.chip_hours * run.power_w / 1000 * (run.pue or 1.0) == pytest.approx(
        run.energy_kwh, rel=0.01
    )


@pytest.mark.parametrize("run", case_of("energy_kwh", "gco2e_per_kwh", "carbon_tco2e"))
def test_carbon_is_energy_times_the_grid(run):
    assert run.energy_kwh * run.gco2e_per_kwh / 1e6 == pytest.approx(run.carbon_tco2e, rel=0.015)


@pytest.mark.parametrize("run", case_of("chips", "wall_h", "chip_hours"))
def test_chip_hours_are_chips_times_hours(run):
    if run.chip_hours_basis != "published":
        assert run.chips * run.wall_h == pytest.approx(run.chip_hours, rel=1e-3)


def test_utilisation_by_six_n_d():
    found = {name: run.mfu_6nd for name, run in RUNS.items() if run.mfu_6nd is not None}
    inside = [name for name, mfu in found.items() if 0.25 <= mfu <= 0.45]
    assert (len(found), len(inside)) == (20, 15)
    assert found["gpt3-175b-patterson"] == pytest.approx(0.197, abs=5e-4)
    assert found["deepseek-v3"] == pytest.approx(0.331, abs=5e-4)  # active parameters
    assert RUNS["resnet18-cifar-96"].flops_6nd is None  # images


def test_peaks_are_those_of_the_chips():
    known = [run for run in RUNS.values() if run.chip in chips() and run.peak_flops_per_s]
    assert len(known) > 20
    for run in known:
        rates = chips()[run.chip].flops_per_s
        assert run.peak_flops_per_s == max(rates.get("bfloat16", 0.0), rates.get("float16", 0.0))
