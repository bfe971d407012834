"""The meter as a run sees it, on fake hardware: sources, windows, failures, sharing, idle power."""

from __future__ import annotations

import itertools
import threading

import pytest
from hardware import Board

from efficient.cost.chip import chip
from efficient.cost.energy import owner
from efficient.cost.energy.meter import Meter
from efficient.cost.site import Site

KIND = "NVIDIA H200"


def metered(machine, platform="gpu", site=None, chip=None, devices=None, kind=KIND, quiet_s=0.0):
    meter = Meter.open(site or Site(), chip, kind, devices, platform, machine.access)
    meter.start(quiet_s)
    return meter


def parts(meter):
    return {part.part: part for part in meter.read()}


def test_counter_of_a_gpu_and_of_its_host(machine):
    machine.with_boards(Board("GPU-1"), Board("GPU-2"))
    machine.with_server()
    with metered(machine) as meter:
        machine.clock.sleep(10)
        found = parts(meter)
    assert list(found) == ["accelerator", "cpu", "dram"]
    joules = {name: part.joules for name, part in found.items()}
    assert joules == pytest.approx({"accelerator": 6000, "cpu": 1500, "dram": 120})
    sources = {name: (part.source, part.grade) for name, part in found.items()}
    assert sources == {
        "accelerator": ("nvml_counter", "B"), "cpu": ("rapl", "B"), "dram": ("rapl", "B")
    }  # fmt: skip
    assert {part.window_s for part in found.values()} == {10.0}


def test_joules_are_cumulative_and_begin_at_the_start(machine):
    machine.with_boards(Board())
    meter = Meter.open(Site(), None, KIND, 1, "gpu", machine.access)
    machine.clock.sleep(50)
    assert "too short" in parts(meter)["accelerator"].reason  # not started
    meter.start()
    for seconds in (2, 4, 6):
        machine.clock.sleep(2)
        assert parts(meter)["accelerator"].joules == pytest.approx(300 * seconds)
    meter.close()


@pytest.mark.parametrize(("seconds", "known"), [(0.02, "cpu"), (0.99, "cpu"), (1.01, "both")])
def test_a_window_shorter_than_ten_updates_is_no_number(machine, seconds, known):
    machine.with_boards(Board())
    machine.with_server()
    with metered(machine) as meter:
        machine.clock.sleep(seconds)
        found = parts(meter)
    assert (found["accelerator"].joules is None) == (known == "cpu")
    assert found["cpu"].joules is not None
    if known == "cpu":
        part = found["accelerator"]
        assert "too short for nvml_counter, which changes once in 0.1 s: 10 times" in part.reason
        assert (part.source, part.grade) == ("none", "")


def test_a_failure_on_the_way_is_final_and_leaves_the_rest(machine):
    board = Board()
    machine.with_boards(board).with_server()
    with metered(machine) as meter:
        machine.clock.sleep(5)
        assert parts(meter)["accelerator"].joules
        board.counter = board.power = "GPU is lost"
        machine.clock.sleep(5)
        assert parts(meter)["accelerator"].reason == "GPU is lost"
        board.counter = board.power = ""
        machine.clock.sleep(5)
        found = parts(meter)
    assert found["accelerator"].joules is None and found["accelerator"].grade == ""
    assert found["cpu"].joules == pytest.approx(2250)


def test_a_shared_device_belongs_to_nobody(machine, stranger):
    machine.with_boards(Board("GPU-1")).with_server()
    with metered(machine) as meter:
        machine.clock.sleep(5)
        assert parts(meter)["accelerator"].joules == pytest.approx(1500)
        claim = machine.folder / f"{owner.PREFIX}.GPU-1.{stranger}.0"
        claim.write_text(owner.started(stranger))
        machine.clock.sleep(5)
        assert parts(meter)["accelerator"].joules is None
        claim.unlink()
        machine.clock.sleep(5)
        found = parts(meter)
    assert found["accelerator"].joules is None  # what was shared stays unknown
    assert f"GPU-1 is metered by process {stranger}" in found["accelerator"].reason
    assert found["cpu"].joules == pytest.approx(2250)


def test_devices_are_claimed_while_the_meter_runs(machine):
    machine.with_boards(Board("GPU-1")).with_server()
    with metered(machine):
        claimed = {path.name.split(".")[1] for path in machine.folder.glob(f"{owner.PREFIX}.*")}
    assert claimed == {
        "GPU-1", "intel-rapl-0", "intel-rapl-1", "intel-rapl-0-1", "intel-rapl-1-0"
    }  # fmt: skip
    assert not list(machine.folder.glob(f"{owner.PREFIX}.*"))


def test_idle_power(machine):
    board = Board(watts=80.0)
    machine.with_boards(board).with_server()
    with metered(machine) as meter:
        assert parts(meter)["accelerator"].idle_w == 80  # one reading of power
        assert parts(meter)["cpu"].idle_w is None
    with metered(machine, quiet_s=2.0) as meter:
        board.watts = 300.0
        machine.clock.sleep(10)
        found = parts(meter)
    assert found["accelerator"].idle_w == pytest.approx(80)
    assert found["cpu"].idle_w == pytest.approx(150)
    assert found["accelerator"].joules == pytest.approx(3000)  # the quiet window is not in it


def test_power_is_sampled_between_readings(machine):
    board = Board(counter="not supported")
    sampled = threading.Event()

    asked = itertools.count()

    def power_mw():
        if next(asked) > 5:
            sampled.set()
        return 300_000

    board.power_mw = power_mw
    machine.with_boards(board)
    with metered(machine) as meter:
        assert sampled.wait(30)
        machine.clock.sleep(4)
        part = parts(meter)["accelerator"]
    assert part.joules == pytest.approx(1200) and (part.source, part.grade) == ("nvml_power", "C")


def test_no_counter_on_a_cpu_is_null_with_the_remedy(machine):
    with metered(machine, "cpu", kind="some CPU") as meter:
        machine.clock.sleep(10)
        (part,) = meter.read()
    assert (part.part, part.joules, part.source, part.grade) == ("cpu", None, "none", "")
    assert "powercap is absent" in part.reason and part.reason.endswith("; give --power-w")


@pytest.mark.parametrize(
    ("platform", "site", "devices", "watts"),
    [
        ("cpu", Site(power_w=60.0), 8, 60.0),
        ("cpu", Site(power_w=60.0, chips=2), 8, 120.0),
        ("gpu", Site(power_w=60.0), 4, 240.0),
        ("tpu", Site(power_w=60.0), None, 60.0),
    ],
)
def test_a_power_that_the_user_gives_is_of_the_whole_machine(
    machine, platform, site, devices, watts
):
    machine.with_boards(Board()).with_server()
    with metered(machine, platform, site, devices=devices, quiet_s=1.0) as meter:
        machine.clock.sleep(10)
        (part,) = meter.read()
    assert part.joules == pytest.approx(10 * watts)
    assert (part.part, part.source, part.grade, part.idle_w) == ("machine", "user", "D", None)


def test_published_power_of_a_known_chip(machine):
    machine.with_server()
    known = chip("TPU v3")
    with metered(machine, "tpu", chip=known, devices=8) as meter:
        machine.clock.sleep(10)
        (part,) = meter.read()
    assert part.joules == pytest.approx(10 * 4 * known.power_w)  # two devices are a chip
    assert (part.part, part.source, part.grade) == ("machine", "published_power", "D")
    assert part.reason == "a TPU has no public power counter"


def test_no_counter_and_no_published_power(machine):
    with metered(machine, chip=None, kind="Mystery 3000") as meter:
        reason = parts(meter)["accelerator"].reason
    assert "NVML shows no board" in reason and "'Mystery 3000' is not known" in reason
    with metered(machine, chip=chip("H200-SXM")) as meter:
        reason = parts(meter)["accelerator"].reason
    assert reason.endswith("no average power of H200-SXM was published, so give --power-w")
