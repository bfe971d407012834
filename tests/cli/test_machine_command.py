"""`efficient machine`: facts, grades and reasons, the table of chips, and the calibration."""

from __future__ import annotations

import pytest

from efficient.cost import calibration
from efficient.cost.chip import chips
from efficient.cost.energy.meter import Meter
from efficient.cost.energy.modelled import Modelled
from efficient.cost.energy.source import Access, Line
from efficient.ledger.bill import Calibration

KEYS = {
    "machine",
    "versions",
    "chip",
    "meters",
    "calibration",
    "notes",
    "unknown",
    "grid",
    "price",
}


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache of this test alone."""
    monkeypatch.setenv("EFFICIENT_CACHE_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def metered(monkeypatch):
    """`metered(line, ...)`: these are the meters of this machine."""

    def have(*lines):
        access = Access()
        monkeypatch.setattr(Meter, "open", lambda *facts: Meter(list(lines), access))

    return have


def measured() -> Calibration:
    return Calibration(
        machine=calibration.description(),
        measured_utc="2026-10-01T12:00:00+00:00",
        seconds=20.0,
        matmul={"8x8x8": 1e9, "768x768x768": 1e11},
        convolution={"64x32x1x8x5": 5e9},
        copy={"1024": 2e10},
        dispatch_s=7e-6,
        spread=0.04,
    )


def test_every_key_is_there_and_every_null_has_a_reason(command, cache, metered):
    metered(Line("cpu", None, "no power counter: give --power-w"))
    done = command("machine", "--json")
    assert done.code == 0
    found = done.document
    assert set(found) == KEYS and found["machine"]["cores"] >= 1
    (part,) = found["meters"]
    assert part == {
        "part": "cpu",
        "source": "none",
        "grade": "",
        "reason": "no power counter: give --power-w",
        "watts": None,
    }
    for name in ("chip", "calibration", "grid", "price"):
        assert found[name] is None and found["unknown"][name]


def test_what_can_be_metered_is_shown_with_its_grade(command, cache, metered):
    modelled = Modelled("published_power", 200.0)
    metered(Line("machine", modelled, "no counter"), Line("cpu", None, "for root only: sudo"))
    shown = " ".join(command("machine").out.split())
    assert "by published_power, grade D: modelled from a published power; no counter" in shown
    assert "for root only: sudo" in shown and "give --chip" not in shown
    found = command("machine", "--json").document
    assert found["meters"][0]["watts"] == pytest.approx(200)


def test_what_the_user_says_of_the_place(command, cache):
    words = ("--chip", "H100-SXM", "--region", "FRA", "--usd-per-chip-hour", "2")
    found = command("machine", *words, "--json").document
    assert found["chip"]["name"] == "H100-SXM" and found["chip"]["flops_per_s"]["bfloat16"] > 9e14
    assert found["grid"]["region"] == "FRA" and found["price"]["usd_per_chip_hour"] == 2
    assert not {"chip", "grid", "price"} & set(found["unknown"])
    shown = command("machine", *words).out
    assert "bfloat16 989 TFLOP/s" in shown and "FRA 2023" in shown and "$2" in shown
    assert command("machine", "--region", "Atlantis").code == 2


def test_a_calibration_is_made_kept_and_shown(command, cache, monkeypatch):
    assert "efficient machine --calibrate" in command("machine").out
    monkeypatch.setattr(calibration, "calibrate", lambda tell: measured())
    done = command("machine", "--calibrate")
    assert "calibration: about 20 seconds" in done.err
    assert "100 GFLOP/s" in done.out and "768x768x768" in done.out and "2026-10-01" in done.out
    assert command("machine", "--json").document["calibration"]["spread"] == 0.04


def test_gpu_that_jax_does_not_use_is_noted(command, cache, monkeypatch):
    monkeypatch.setattr("efficient.cost.energy.nvml.names", lambda *facts: ("NVIDIA H200",))
    done = command("machine", "--json")
    (note,) = done.document["notes"]
    assert "although NVIDIA H200 is here" in note and note in done.err


def test_table_of_chips(command):
    found = command("machine", "--chips", "--json").document
    assert [chip["name"] for chip in found] == list(chips())
    assert all(chip["source"] and chip["status"] for chip in found)
    shown = command("machine", "--chips").out
    assert all(name in shown for name in chips())
