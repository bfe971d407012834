"""The bill of a block of code: adds up, is there when the block fails, and needs no jax."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import efficient
from efficient.cost.carbon import CarbonError
from efficient.cost.chip import ChipError
from efficient.cost.energy.source import Access
from efficient.cost.measurement import Measurement, MeasurementError, here, measure
from efficient.cost.site import Site

ALONE = """
import sys
import efficient
with efficient.measure(region="FRA", power_w=60, usd_per_chip_hour=2) as bill:
    sum(range(10**6))
assert "jax" not in sys.modules
print(bill.energy_j, bill.carbon_gco2e, bill.cost_usd)
"""
HELD = """
import efficient
with efficient.measure() as first:
    held = bytearray(b"x" * 200_000_000)
del held
with efficient.measure() as second:
    pass
why = second.unknown["memory_peak_bytes"]
print(first.memory_peak_bytes, second.memory_peak_bytes, why)
"""


def python(script):
    """What a process of its own prints; it says nothing else."""
    environment = {name: text for name, text in os.environ.items() if "EFFICIENT" not in name}
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env=environment | {"PYTHONPATH": str(Path(efficient.__file__).parents[1])},
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def access(tmp_path, driver=()):
    """A machine without counters, whose driver describes `driver` boards."""
    for number, model in enumerate(driver):
        folder = tmp_path / "driver" / f"0000:{number:02}:00.0"
        folder.mkdir(parents=True)
        (folder / "information").write_text(f"Model: \t\t {model}\nIRQ: \t 16\n")
    return Access(
        powercap=tmp_path / "powercap", driver=tmp_path / "driver", claims=tmp_path, environment={}
    )


def test_bill_adds_up():
    with measure(region="FRA", pue=1.5, power_w=3600.0, usd_per_chip_hour=36.0) as bill:
        sum(range(10**6))
    assert bill.total_s == pytest.approx(sum(bill.laps.values()))
    assert list(bill.laps) == ["start", "run"]
    (part,) = bill.energy
    assert bill.energy_j == part.joules == pytest.approx(3600 * part.window_s)
    assert 0 < part.window_s <= bill.total_s
    assert (bill.energy_grade, part.source) == ("D", "user")
    assert bill.energy_facility_kwh == pytest.approx(bill.energy_j / 3.6e6 * 1.5)
    assert bill.carbon_gco2e == pytest.approx(bill.energy_facility_kwh * bill.grid.g_per_kwh)
    assert bill.cost_usd == pytest.approx(bill.total_s / 100)
    assert bill.cpu_user_s + bill.cpu_system_s > 0


def test_every_unknown_has_a_reason(tmp_path):
    measurement = Measurement(Site(), access=access(tmp_path))
    measurement.start()
    bill = measurement.stop()
    assert measurement.result is bill
    unknown = ("energy_j", "energy_facility_kwh", "carbon_gco2e", "cost_usd", "grid", "price")
    for name in unknown:
        assert getattr(bill, name) is None and bill.unknown[name]
    assert "powercap is absent" in bill.unknown["energy_j"]
    assert (bill.memory_peak_bytes is None) == ("memory_peak_bytes" in bill.unknown)


def test_bill_of_a_block_that_fails_and_of_one_that_is_not_over():
    with pytest.raises(KeyError), measure() as bill:
        with pytest.raises(MeasurementError, match="behind the `with` block"):
            _ = bill.total_s
        raise KeyError("work")
    assert bill.total_s > 0
    with pytest.raises(AttributeError, match="a bill has no 'joules': started_utc, total_s"):
        _ = bill.joules


def test_memory_that_was_held_before_is_not_this_blocks():
    first, second, why = python(HELD).split(maxsplit=2)
    assert float(first) > 200e6
    assert second == "None" and "had held before" in why


def test_a_statement_that_cannot_be_is_refused_before_the_work(monkeypatch):
    for options, error in (({"region": "nowhere"}, CarbonError), ({"chip": "Z80"}, ChipError)):
        with pytest.raises(error), measure(**options):
            pytest.fail("the work began")
    monkeypatch.setenv("EFFICIENT_REGION", "FRA")
    with measure() as bill:
        pass
    assert bill.grid.region == "FRA"


def test_starts_without_jax():
    assert all(float(word) > 0 for word in python(ALONE).split())


def test_boards_are_found_without_nvml(tmp_path):
    machine, chip = here(Site(), access(tmp_path, ["NVIDIA H200", "NVIDIA H200"]))
    assert (machine.platform, machine.device_kind, machine.devices) == ("gpu", "NVIDIA H200", 2)
    assert chip is not None and chip.name == "H200-SXM"
    hidden = access(tmp_path)
    hidden.environment["CUDA_VISIBLE_DEVICES"] = ""
    assert here(Site(), hidden)[0].platform == "cpu"


@pytest.mark.parametrize(
    ("site", "platform", "devices"),
    [
        (Site(), "cpu", 1),
        (Site(chip="TPU-v4", chips=8), "tpu", 8),
        (Site(chip="H200-SXM"), "gpu", 1),
    ],
)
def test_the_chip_that_a_site_names_is_here(tmp_path, site, platform, devices):
    machine, chip = here(site, access(tmp_path))
    assert (machine.platform, machine.devices) == (platform, devices)
    assert (chip.name if chip else "") == site.chip


def test_host_is_the_one_that_jax_computes_on():
    from efficient.cost.machine import machine

    with_jax, without = machine(), here(Site(), Access())[0]
    for name in ("cpu", "cpu_features", "cores", "memory_bytes", "host"):
        assert getattr(with_jax, name) == getattr(without, name)
