"""RAPL from a powercap tree of files: what is added, wraps, resets and what cannot be read."""

from __future__ import annotations

import shutil

import pytest
from hardware import Clock, Package
from hypothesis import given
from hypothesis import strategies as st

from efficient.cost.energy import rapl
from efficient.cost.energy.channel import EnergyError


@pytest.fixture
def powercap(machine):
    return machine.folder / "powercap"


@given(
    highest=st.integers(1, 2**40),
    start=st.integers(0, 2**40),
    steps=st.lists(st.integers(0, 2**40), max_size=30),
)
def test_steps_of_a_counter_add_up_through_every_wrap(highest, start, steps):
    """Any steps that are no more than the counter's range, wherever it stood at first."""
    value, total = start % (highest + 1), 0
    for step in (step % (highest + 1) for step in steps):
        after = (value + step) % (highest + 1)
        assert 0 <= rapl.wrapped(value, after, highest) <= highest
        total += rapl.wrapped(value, after, highest)
        value = after
    assert total == sum(step % (highest + 1) for step in steps)


def test_packages_are_added_and_what_they_contain_is_not(machine, powercap):
    machine.with_server()
    cpu, dram = (open(powercap) for open in (rapl.packages, rapl.memory))
    machine.clock.sleep(10)
    assert cpu.joules(machine.clock()) == pytest.approx(
        1500
    )  # 100 + 50 W: no core, no psys, no second view
    assert dram.joules(machine.clock()) == pytest.approx(120)
    assert cpu.devices == ("intel-rapl:0", "intel-rapl:1")
    assert (cpu.source, cpu.grade, cpu.part, dram.part) == ("rapl", "B", "cpu", "dram")


def test_a_counter_that_starts_again_loses_nothing(powercap):
    clock = Clock()
    zone = Package(powercap / "intel-rapl:0", "package-0", 200.0, highest_uj=65_532_610_987)
    clock.drawing.append(zone)
    cpu = rapl.packages(powercap)
    for _ in range(60):  # 120 kJ: the counter is full at 65.5
        clock.sleep(10)
        joules = cpu.joules(clock())
    assert joules == pytest.approx(120_000)


def test_a_counter_that_was_reset_is_not_taken_for_a_wrap(machine, powercap):
    zone = machine.with_server()["intel-rapl:0"]
    cpu = rapl.packages(powercap)
    machine.clock.sleep(2)
    assert cpu.joules(machine.clock()) > 0
    zone.counted_uj = 0
    machine.clock.sleep(2)
    with pytest.raises(EnergyError, match=r"package-0 fell from .* it was reset"):
        cpu.joules(machine.clock())


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("energy_uj", "", "holds '' and no number"),
        ("energy_uj", "-5", "holds '-5' and no number"),
        ("max_energy_range_uj", "much", "holds 'much' and no number"),
    ],
)
def test_a_file_that_holds_no_number(machine, powercap, name, text, said):
    machine.with_server()["intel-rapl:0"]
    (powercap / "intel-rapl:0" / name).write_text(text)
    with pytest.raises(EnergyError, match=said):
        rapl.packages(powercap)


def test_a_counter_for_root_only_names_the_remedy(machine, powercap, monkeypatch):
    machine.with_server()
    read = type(powercap).read_text

    def refuse(path, *rest, **options):
        if path.name == "energy_uj":
            raise PermissionError(13, "Permission denied")
        return read(path, *rest, **options)

    monkeypatch.setattr(type(powercap), "read_text", refuse)
    with pytest.raises(EnergyError, match=r"root only: sudo chmod a\+r .*intel-rapl:\*/energy_uj"):
        rapl.packages(powercap)


def test_a_tree_that_is_absent_empty_or_goes_away(machine, powercap):
    with pytest.raises(EnergyError, match="powercap is absent"):
        rapl.packages(powercap)
    powercap.mkdir()
    with pytest.raises(EnergyError, match="no processor package"):
        rapl.packages(powercap)
    with pytest.raises(EnergyError, match="no counter of its memory"):
        rapl.memory(powercap)
    machine.with_server()
    cpu = rapl.packages(powercap)
    shutil.rmtree(powercap / "intel-rapl:1")
    with pytest.raises(EnergyError, match="cannot be read: No such file"):
        cpu.joules(machine.clock())
