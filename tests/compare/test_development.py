"""Everything that was spent is added up, and what is unknown is never 0."""

from __future__ import annotations

import dataclasses

import pytest
from fabrication import record, records

from efficient.compare.development import final, multipliers, spent
from efficient.compare.error import CompareError
from efficient.ledger.bill import EnergyPart, Process

EVERYTHING = records()


def killed(**changes):
    laps = {"start": 1.0, "train": 4.0}
    return dataclasses.replace(Process(1, "killed", 10, 5.0, laps, 100, 7, 0), **changes)


def test_sums_are_those_of_the_records():
    found = spent(EVERYTHING)
    for key in ("train_s", "total_s", "flops_executed", "flops_model", "flops_teacher"):
        assert found[key].value == pytest.approx(sum(getattr(r.cost, key) for r in EVERYTHING))
        assert found[key].whole and found[key].runs == len(EVERYTHING) == 27
    assert isinstance(found["flops_executed"].value, int), "FLOPs are exact"


def test_a_sum_that_not_every_run_knows_says_so():
    energy = spent(EVERYTHING)["energy_j"]
    known = [r.cost.energy_j for r in EVERYTHING if r.cost.energy_j is not None]
    assert energy.value == pytest.approx(sum(known))
    assert (energy.known, energy.runs, energy.whole) == (len(known), 27, False)
    assert energy.reasons == (record("digits").cost.unknown["energy_j"],)


def test_what_no_run_knows_is_none():
    energy = spent([record("digits")])["energy_j"]
    assert energy.value is None and not energy.whole and energy.reasons
    assert spent([])["train_s"].value is None


def test_devices_multiply_hours():
    made = record()
    made = dataclasses.replace(made, machine=dataclasses.replace(made.machine, devices=8))
    found = spent([made])
    assert found["device_s"].value == pytest.approx(8 * made.cost.total_s)


def test_an_attempt_without_a_record_is_spent_too():
    alone = spent(EVERYTHING)
    found = spent(EVERYTHING, [(killed(), killed(number=2, flops_executed=50))])
    assert found["total_s"].value == pytest.approx(alone["total_s"].value + 10.0)
    assert found["train_s"].value == pytest.approx(alone["train_s"].value + 8.0)
    assert found["flops_executed"].value == alone["flops_executed"].value + 150
    assert found["total_s"].runs == 28
    assert not found["flops_model"].whole, "its journal does not know it"
    assert "journal" in found["flops_model"].reasons[0]


def test_energy_of_a_journal_counts_where_every_process_knows_it():
    part = EnergyPart("cpu", 30.0, "rapl", "B", 5.0)
    assert spent([], [(killed(energy=(part,)),)])["energy_j"].value == 30.0
    assert spent([], [(killed(energy=(part,)), killed(number=2))])["energy_j"].value is None


def test_final_runs_are_those_a_report_shows():
    shown = final(EVERYTHING)
    assert {r.run_id for r in EVERYTHING} - {r.run_id for r in shown} == {
        r.run_id for r in EVERYTHING if r.status == "interrupted"
    }
    early = record()
    late = dataclasses.replace(early, run_id="later", started_utc="2026-01-01T00:00:00Z")
    assert final([early, late]) == [late], "a repeated run is development"


def test_runs_that_a_report_refuses_have_no_final_ones():
    other = record(seed=1)
    other = dataclasses.replace(other, config=other.config | {"train": {"lr": 1.0}})
    with pytest.raises(CompareError):
        final([record(), other])


def test_the_multiplier_is_everything_over_the_final():
    everything, shown = spent(EVERYTHING), spent(final(EVERYTHING))
    found = multipliers(everything, shown)
    assert found["total_s"] == pytest.approx(
        sum(r.cost.total_s for r in EVERYTHING)
        / sum(r.cost.total_s for r in EVERYTHING if r.status == "finished")
    )
    assert found["total_s"] > 1
    assert "energy_j" not in found, "half of the runs do not know theirs"
    assert "flops_scoring" not in found, "nothing over nothing is no number"
    only = multipliers(spent([record()]), spent([record()]))
    assert only["total_s"] == only["flops_executed"] == 1
