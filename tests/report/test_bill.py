"""The whole bill of a run: every number with its source, every unknown with its reason."""

from __future__ import annotations

import dataclasses

import pytest
from fabrication import record

from efficient.ledger.bill import Cost
from efficient.report import number
from efficient.report.bill import sections

METERED, UNMETERED = record("shakespeare", "distilled"), record("digits", "pruned")


GUESSED = "estimate against measured"


def shown(made, guessed=False, **changes):
    """Names and values of the bill, or of what was predicted of it."""
    made = dataclasses.replace(made, cost=dataclasses.replace(made.cost, **changes))
    chosen = (section for section in sections(made) if (section.title == GUESSED) == guessed)
    return {name: text for section in chosen for name, text in section.pairs}


def test_energy_is_said_part_by_part():
    found = shown(METERED)
    for words in ("by rapl", "grade B", "idle 18.5 W"):
        assert words in found["cpu energy"]
    assert found["accelerator energy"] == f"{number.NONE}  there is none"
    assert found["energy"] == f"{number.energy(METERED.cost.energy_j)}, grade B (hardware counter)"
    assert "PUE 1.15 (given by the user)" in found["energy with the building"]
    assert "56 g/kWh (FRA 2023" in found["carbon"]
    assert "aws, 2025-02-01" in found["money"]


def test_what_is_unknown_is_a_dash_with_its_reason():
    found = shown(UNMETERED)
    for name, key in (
        ("energy", "energy_j"),
        ("carbon", "carbon_gco2e"),
        ("money", "cost_usd"),
        ("model FLOPs utilisation", "mfu"),
        ("peak memory", "memory_peak_bytes"),
    ):
        assert found[name] == f"{number.NONE}  {UNMETERED.cost.unknown[key]}"


@pytest.mark.parametrize(
    "field",
    [f.name for f in dataclasses.fields(Cost) if f.default is None and f.name != "estimate"],
)
def test_a_bill_without_a_field_is_still_a_bill(field):
    assert sections(METERED) != []
    texts = "".join(shown(METERED, **{field: None}).values())
    assert "None" not in texts


def test_flops_are_split_exactly():
    found = shown(METERED)
    assert "f32 39,700,000,000,000 (100.0 %)" in found["executed, by type of operand"]
    phases = found["executed, by phase"].splitlines()
    assert [line.split()[0] for line in phases] == ["forward", "backward"]
    assert "39,700,000,000,000" in found["executed training FLOPs"]


@pytest.mark.parametrize(
    ("ratio", "words"), [(1.004, "agrees"), (1.3, "outside"), (0.5, "outside")]
)
def test_the_check_against_xla_has_a_verdict(ratio, words):
    assert words in shown(METERED, xla_flops_ratio=ratio)["check against XLA"]


def test_the_host_has_a_share_of_a_chunk():
    chunk_s = METERED.points[0].chunk_s
    share = number.quantity(METERED.cost.dispatch_floor_s / chunk_s, "fraction")
    assert f"{share} of the median chunk" in shown(METERED)["dispatch floor"]


def test_the_estimate_stands_beside_what_was_measured():
    found, estimate = shown(METERED, guessed=True), METERED.cost.estimate
    assert number.seconds(METERED.cost.train_s) in found["train seconds"]
    assert f"off by {100 * estimate.errors['train_s']:+.1f} %" in found["train seconds"]
    assert found["energy"] == f"{number.NONE}  {estimate.unknown['energy_j']}"
    assert found["assumed speed"] == estimate.assumptions["speed"]
    assert shown(METERED, guessed=True, estimate=None) == {}


def test_budget_and_age_are_said():
    assert shown(METERED, budget="0.05 kWh: stopped at 80 %")["budget"].startswith("0.05 kWh")
    old = dataclasses.replace(METERED, started_utc="2027-01-01T00:00:00Z")
    assert [s.title for s in sections(old)][-1] == "warnings"
    assert "warnings" not in [s.title for s in sections(METERED)]
