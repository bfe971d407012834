"""What is metered, priced and compared with a peak is the one device that the loop computes on."""

from __future__ import annotations

import dataclasses

import pytest
import tiny

from efficient.cost.account import total_j
from efficient.cost.chip import chip
from efficient.cost.machine import machine
from efficient.cost.site import Site
from efficient.ledger.bill import EnergyPart
from efficient.run import train
from efficient.run.terms import Terms
from efficient.run.venue import Venue


@pytest.mark.parametrize("name", ["H100-SXM", "TPU-v3"])
@pytest.mark.parametrize("devices", [1, 8])
def test_more_devices_than_the_loop_uses_change_nothing(name, devices):
    part = chip(name)
    facts = dataclasses.replace(machine(), platform="gpu", devices=devices)
    venue = Venue(facts, part, Site())
    assert venue.chips == 1
    peak, _ = venue.peak("bfloat16", None, measured=False)
    assert peak.flops_per_s == part.flops_per_s["bfloat16"] / part.devices_per_chip
    assert venue.bandwidth(None) == part.bandwidth_bytes_per_s / part.devices_per_chip


def test_the_machine_holds_its_parts_wherever_joules_are_added():
    machine_part = EnergyPart("machine", 100.0, "user", "D", 10.0)
    cpu = EnergyPart("cpu", 40.0, "rapl", "B", 10.0)
    unread = EnergyPart("dram", None, "none", "", 10.0, reason="absent")
    assert total_j((machine_part, cpu, unread)) == 100
    assert total_j((cpu, unread)) == 40
    assert total_j((unread,)) is None


def test_every_share_that_is_null_has_its_reason(trained, tmp_path):
    bare = trained(tiny.DIGITS).cost
    known = train(tiny.DIGITS, tmp_path, terms=Terms(site=Site(chip="H100-SXM"))).cost
    for cost in (bare, known):
        for name in ("peak", "mfu", "hfu"):
            assert (getattr(cost, name) is None) == bool(cost.unknown.get(name))
        assert bool(cost.bound) != bool(cost.unknown.get("bound"))
    assert known.mfu == known.flops_model / known.train_s / known.peak.flops_per_s
    assert known.chip == "H100-SXM" and known.bound
