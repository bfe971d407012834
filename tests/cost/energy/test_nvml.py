"""NVML through fake boards, and through a fake of the library itself."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest
from hardware import Board
from hypothesis import given
from hypothesis import strategies as st

from efficient.cost.energy import nvml
from efficient.cost.energy.channel import EnergyError

PAIR = (Board("GPU-aa-1", watts=300.0), Board("GPU-ab-2", watts=100.0))


def test_counters_of_all_boards_are_added():
    first, second = Board("GPU-1"), Board("GPU-2", watts=100.0)
    channel = nvml.channel((first, second))
    for board in (first, second):
        board.draw(2.5)
    assert channel.joules(0.0) == pytest.approx(1000)
    assert (channel.source, channel.grade) == ("nvml_counter", "B")
    assert channel.devices == ("GPU-1", "GPU-2") and channel.watts() == 400


def test_a_counter_that_falls_is_a_reloaded_driver():
    board = Board()
    channel = nvml.channel((board,))
    board.counted_mj = 7
    with pytest.raises(EnergyError, match="NVIDIA H200 fell from 5000000000 to 7 mJ"):
        channel.joules(0.0)


@given(st.lists(st.tuples(st.floats(0.01, 5), st.floats(0, 1000)), max_size=20))
def test_power_is_integrated_by_trapezoids(samples):
    """Exact for a straight line between two samples, but for the milliwatts that NVML rounds to."""
    now_s, board = 17.0, Board(counter="not supported", watts=50.0)
    channel = nvml.channel((board,))
    assert channel.joules(now_s) == 0
    expected, before = 0.0, 50.0
    for seconds, watts in samples:
        now_s += seconds
        board.watts = watts
        expected += seconds * (before + watts) / 2
        before = watts
        assert channel.joules(now_s) == pytest.approx(expected, abs=1e-3 * (now_s - 17) + 1e-9)
    assert (channel.source, channel.grade) == ("nvml_power", "C")
    assert channel.tick_s <= 0.1


def test_one_board_without_a_counter_makes_all_of_them_sampled():
    boards = (Board("GPU-1"), Board("GPU-2", counter="not supported"))
    assert nvml.channel(boards).source == "nvml_power"
    with pytest.raises(EnergyError, match="neither"):
        nvml.channel((Board(counter="not supported", power="neither"),))


@pytest.mark.parametrize(
    ("named", "devices", "expected"),
    [
        (None, None, [0, 1]),
        (None, 1, [0]),
        ("1", None, [1]),
        ("1,0", None, [1, 0]),
        (" 1 , 0", 1, [1]),
        ("GPU-ab", None, [1]),
        ("GPU-a", None, []),  # the beginning of two
        ("0,7,1", None, [0]),  # CUDA stops at the first that it does not know
        ("-1", None, []),
        ("", None, []),
    ],
)
def test_boards_of_this_process(named, devices, expected):
    environment = {} if named is None else {"CUDA_VISIBLE_DEVICES": named}
    assert nvml.visible(PAIR, environment, devices) == tuple(PAIR[i] for i in expected)


def test_boards_that_cannot_be_told_apart():
    mixed = (PAIR[0], Board("GPU-zz", name="Tesla T4"))
    with pytest.raises(EnergyError, match="CUDA_DEVICE_ORDER=PCI_BUS_ID"):
        nvml.visible(mixed, {"CUDA_VISIBLE_DEVICES": "0"})
    order = {"CUDA_VISIBLE_DEVICES": "1", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    assert nvml.visible(mixed, order) == mixed[1:]
    with pytest.raises(EnergyError, match="slice"):
        nvml.visible(PAIR, {"CUDA_VISIBLE_DEVICES": "MIG-3f"})
    with pytest.raises(EnergyError, match="CUDA_VISIBLE_DEVICES"):
        nvml.channel(())


class Library(ModuleType):
    """As much of nvidia-ml-py as is called; `refused` functions raise its error."""

    class NVMLError(Exception):
        pass

    def __init__(self, refused=()):
        super().__init__("pynvml")
        answers = {
            "nvmlInit": None,
            "nvmlDeviceGetCount": 2,
            "nvmlDeviceGetHandleByIndex": "handle",
            "nvmlDeviceGetUUID": "GPU-1",
            "nvmlDeviceGetName": "NVIDIA H200",
            "nvmlDeviceGetTotalEnergyConsumption": 1234,
            "nvmlDeviceGetPowerUsage": 75_000,
        }
        for name, value in answers.items():
            setattr(self, name, self._function(value, name in refused))

    def _function(self, value, refuse):
        def function(*arguments):
            if refuse:
                raise self.NVMLError("Driver/library version mismatch")
            return value

        return function


def test_library_is_asked(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", Library())
    boards = nvml.boards()
    assert [(board.uuid, board.name) for board in boards] == [("GPU-1", "NVIDIA H200")] * 2
    assert boards[0].energy_mj() == 1234 and boards[0].power_mw() == 75_000


@pytest.mark.parametrize("refused", ["nvmlInit", "nvmlDeviceGetCount", "nvmlDeviceGetUUID"])
def test_driver_that_does_not_answer(monkeypatch, refused):
    monkeypatch.setitem(sys.modules, "pynvml", Library([refused]))
    with pytest.raises(EnergyError, match="NVML does not answer: Driver/library version mismatch"):
        nvml.boards()


def test_board_that_does_not_answer(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", Library(["nvmlDeviceGetTotalEnergyConsumption"]))
    with pytest.raises(EnergyError, match="TotalEnergyConsumption of NVIDIA H200: Driver"):
        nvml.boards()[0].energy_mj()
    assert nvml.channel(nvml.boards()).source == "nvml_power"


def test_library_that_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    with pytest.raises(EnergyError, match=r"pip install 'efficient-jax\[nvml\]'"):
        nvml.boards()
