"""A statement adds up its records, marks what is a bound, and every form can be read back."""

from __future__ import annotations

import dataclasses
import json
import re

import pytest
import yaml
from fabrication import record, records

from efficient.compare.error import CompareError
from efficient.compare.terms import Terms
from efficient.ledger.bill import Grid, Process
from efficient.ledger.codec import to_dict
from efficient.report import number, prose
from efficient.report.statement import statement

EVERYTHING = records()
TEXT = [r for r in EVERYTHING if r.workload == "shakespeare"]
IMAGE = [r for r in EVERYTHING if r.workload == "digits"]
GERMANY = Grid(381.0, "DEU", 2023, "location", "a table")
FORMS = pytest.mark.parametrize("form", [prose.markdown, prose.latex, prose.card])
AMOUNTS = ("train_s", "total_s", "energy_j", "energy_facility_kwh", "carbon_gco2e", "cost_usd")
COUNTS = ("flops_executed", "flops_model", "flops_teacher", "flops_scoring", "flops_eval")


def one_line(text):
    return " ".join(re.sub(r"^(% {1,3}|# {1,3})", "", text, flags=re.MULTILINE).split())


def table(made):
    return {name: (everything, own) for name, everything, own in prose.lines(made)}


def with_status(made, status, **changes):
    return dataclasses.replace(made, run_id=f"{made.run_id}-{status}", status=status, **changes)


# -- numbers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", AMOUNTS + COUNTS)
def test_every_sum_is_that_of_the_records(key):
    made = statement(TEXT)
    final = [r for r in TEXT if r.run_id in made.final]
    assert len(final) == 13
    for amount, runs in ((made.spent[key], TEXT), (made.reported[key], final)):
        assert amount.whole
        assert amount.value == pytest.approx(sum(getattr(r.cost, key) for r in runs))


def test_every_number_of_the_table_is_that_of_the_sums():
    made = statement(TEXT)
    cells = table(made)
    assert cells["runs"] == ("14", "13")
    for key, name, unit in prose.ROWS:
        if name in cells and unit not in ("hours", "kwh", "j"):
            shown = [number.quantity(a[key].value, unit) for a in (made.spent, made.reported)]
            assert cells[name] == tuple(shown)
    joules = number.energy(made.spent["energy_j"].value)
    assert cells["energy of the computers"][0] == f"{joules}, grade B"
    assert joules in one_line(prose.markdown(made))


def test_runs_are_counted_by_how_they_ended():
    gone = Process(1, "killed", 3, 9.0, {"train": 8.0}, 10, 1, 0)
    base = record("shakespeare")
    cost = dataclasses.replace(base.cost, processes=(gone, *base.cost.processes))
    made = statement(
        [
            dataclasses.replace(base, cost=cost),
            with_status(base, "nonfinite"),
            with_status(base, "budget"),
            with_status(base, "interrupted"),
        ],
        attempts=[(gone,)],
    )
    counts = {"finished": 1, "nonfinite": 1, "budget": 1, "interrupted": 1, "no record": 1}
    assert made.runs == counts and made.processes_killed == 1
    assert len(made.final) == 1
    text = one_line(prose.markdown(made))
    for words in ("failed", "stopped over budget", "interrupted", "processes were killed"):
        assert words in text
    assert made.multipliers["total_s"] == pytest.approx(4 + 9.0 / base.cost.total_s)


def test_hours_are_those_of_each_kind_of_machine():
    big = dataclasses.replace(record().machine, platform="gpu", device_kind="H200", devices=8)
    other = dataclasses.replace(record("shakespeare"), machine=big)
    made = statement([*IMAGE, other])
    assert [(h.devices, h.runs) for h in made.hardware] == [(1, 13), (8, 1)]
    assert made.hardware[1].hours == pytest.approx(other.cost.total_s / 3600)
    assert made.spent["device_s"].value == pytest.approx(
        sum(r.cost.total_s for r in IMAGE) + 8 * other.cost.total_s
    )


def test_the_grade_is_that_of_the_worst_reading():
    coarse = dataclasses.replace(TEXT[0], cost=dataclasses.replace(TEXT[0].cost, energy_grade="D"))
    assert statement(TEXT).energy_grade == "B"
    assert statement([coarse, *TEXT[1:]]).energy_grade == "D"
    assert statement(IMAGE).energy_grade == ""


# -- what is not known -----------------------------------------------------------------------------


def test_a_sum_that_lacks_runs_is_a_lower_bound():
    made = statement(EVERYTHING)
    cells = table(made)
    assert cells["money"][0].startswith(prose.AT_LEAST)
    assert "(14 of 27 runs)" in one_line(prose.markdown(made))
    assert made.unknown["cost_usd"].startswith("13 of 27 runs: no price")


@FORMS
def test_what_is_unknown_says_why_and_is_never_nothing(form):
    made = statement(IMAGE)
    text = one_line(form(made))
    assert "no counter can be read here" in text
    assert not re.search(r"(?<![\d.,:-])0 (J|Wh|g|mg|kg|t)\b|\$0\b(?!\.)|emissions: 0", text)
    for name in ("energy of the computers", "operational CO2e", "money"):
        assert table(made)[name] == ("unknown", "unknown")


def test_runs_that_a_report_refuses_leave_the_multiplier_unknown():
    other = dataclasses.replace(record(seed=1), config={"train": {"lr": 1.0}})
    made = statement([record(), other])
    assert made.reported is None and made.final == () and made.multipliers == {}
    assert "a report refuses these runs" in made.unknown["final"]
    assert table(made)["runs"] == ("2", "unknown")
    assert "development multiplier is unknown" in one_line(prose.markdown(made))


def test_nothing_finished_is_still_a_statement():
    made = statement([with_status(record(), "interrupted")])
    assert made.reported is None and made.unknown["final"] == "no run was finished"
    assert made.spent["total_s"].value == pytest.approx(record().cost.total_s)


def test_no_run_makes_no_statement():
    with pytest.raises(CompareError, match="no run to make a statement of"):
        statement([])


# -- what the user adds ----------------------------------------------------------------------------


def test_a_region_given_now_fills_in_the_carbon_and_says_so():
    cost = dataclasses.replace(TEXT[0].cost, grid=None, carbon_gco2e=None)
    made = statement([dataclasses.replace(TEXT[0], cost=cost)], terms=Terms(grid=GERMANY))
    assert made.spent["carbon_gco2e"].value == pytest.approx(381.0 * cost.energy_facility_kwh)
    assert made.grids == (GERMANY,)
    assert "the carbon intensity given now counts for 1 of 1 runs" in made.notes


def test_a_meter_replaces_the_sum_and_both_are_said():
    plain, made = statement(TEXT), statement(TEXT, metered_kwh=2.0)
    assert made.spent["energy_j"].value == 7.2e6 and made.energy_grade == "A"
    assert made.energy_summed == plain.spent["energy_j"]
    assert made.spent["energy_facility_kwh"].value == pytest.approx(2.0 * 1.15)
    assert made.spent["carbon_gco2e"].value == pytest.approx(2.0 * 1.15 * 56.0)
    assert made.reported == plain.reported and made.energy_grade_reported == "B"
    assert "energy_j" not in made.multipliers, "one sum is metered, the other is not"
    text = one_line(prose.markdown(made))
    assert number.energy(7.2e6) in text and number.energy(made.energy_summed.value) in text


def test_a_meter_knows_the_energy_of_runs_that_do_not():
    made = statement(IMAGE, metered_kwh=2.0, terms=Terms(grid=GERMANY))
    assert made.spent["energy_j"].whole
    assert made.spent["carbon_gco2e"].value == pytest.approx(2.0 * 381.0)
    missing = statement(IMAGE, metered_kwh=2.0)
    assert missing.spent["carbon_gco2e"].value is None
    assert missing.unknown["carbon_gco2e"].endswith("none is recorded: give --region")
    mixed = statement(EVERYTHING, metered_kwh=2.0)
    assert "2 are recorded: give --pue" in mixed.unknown["carbon_gco2e"]
    blank = dataclasses.replace(TEXT[0].cost, pue=None, grid=None, carbon_gco2e=None)
    blank = statement([dataclasses.replace(TEXT[0], cost=blank)], metered_kwh=2.0)
    assert "--pue; needs one carbon intensity" in blank.unknown["carbon_gco2e"], "both remedies"


def test_the_reported_runs_may_be_named():
    few = [r.run_id for r in TEXT if r.arm == "baseline"]
    made = statement(TEXT, reported=few)
    assert len(made.final) == 3
    assert made.multipliers["total_s"] > statement(TEXT).multipliers["total_s"]


def test_old_rows_and_complaints_are_notes():
    late = dataclasses.replace(TEXT[0], started_utc="2027-01-01T00:00:00Z")
    made = statement([late], ["a/record.json: damaged"])
    assert "a/record.json: damaged" in made.notes
    assert any("the price of aws" in note for note in made.notes)


# -- forms -----------------------------------------------------------------------------------------


def test_markdown_is_a_paragraph_a_table_and_a_list():
    text = prose.markdown(statement(EVERYTHING))
    assert max(len(line) for line in text.splitlines()) <= 80
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in rows} == {4} and len(rows) > 10
    assert text.endswith("\n") and not text.endswith("\n\n")
    for words in ("digits 1.0.0", "shakespeare 1.0.0", "jax 0.10.2", "abababababab"):
        assert words in text


def test_latex_escapes_what_records_say():
    odd = dataclasses.replace(record().machine, cpu=r"50% A&B_C #1 {x} ~ ^ \ $")
    text = prose.latex(statement([dataclasses.replace(r, machine=odd) for r in EVERYTHING]))
    escaped = r"50\% A\&B\_C \#1 \{x\} \textasciitilde{} \textasciicircum{} \textbackslash{} \$"
    assert escaped in one_line(text)
    body = [line for line in text.splitlines() if not line.startswith("%")]
    rows = [line for line in body if line.endswith(r"\\")]
    words = [line.replace("CO$_2$e", "").replace(r"$\geq$", "") for line in body]
    assert not any(re.search(r"(?<!\\)[%#_$]", line) for line in words)
    assert all(len(re.findall(r"(?<!\\)&", row)) == 2 for row in rows) and len(rows) > 10
    assert not any(re.search(r"(?<!\\)&", line) for line in body if line not in rows)
    assert text.count("\\begin{tabular}") == text.count("\\end{tabular}") == 1


def test_latex_comments_stay_comments():
    text = prose.latex(statement(TEXT, ["first\nsecond % third"]))
    above = text[: text.index("\n14 runs were made")].splitlines()
    assert above and all(line.startswith("%") for line in above)
    assert "first second % third" in "\n".join(above)


def test_card_is_the_emissions_block_of_a_model_card():
    made = statement(TEXT)
    block = yaml.safe_load(prose.card(made))["co2_eq_emissions"]
    assert set(block) == {
        "emissions",
        "source",
        "training_type",
        "geographical_location",
        "hardware_used",
    }
    assert block["emissions"] == pytest.approx(made.spent["carbon_gco2e"].value, rel=1e-5)
    assert block["geographical_location"] == "FRA 2023"
    assert block["training_type"] == "pre-training" and "grade B" in block["source"]
    assert block["hardware_used"] == "AMD EPYC 9R14, 2 CPU cores"


def test_card_leaves_out_what_is_unknown_and_says_why():
    text = prose.card(statement(IMAGE))
    block = yaml.safe_load(text)["co2_eq_emissions"]
    assert not {"emissions", "geographical_location"} & set(block)
    assert "emissions are left out; unknown for 13 of 13 runs: no counter" in one_line(text)


def test_card_survives_texts_that_are_yaml():
    odd = dataclasses.replace(record().machine, cpu='a: "b" # c\n- d')
    made = statement([dataclasses.replace(TEXT[0], machine=odd)])
    block = yaml.safe_load(prose.card(made))["co2_eq_emissions"]
    assert block["hardware_used"].startswith('a: "b" # c\n- d')


def test_json_is_strict():
    plain = json.loads(json.dumps(to_dict(statement(EVERYTHING)), allow_nan=False))
    assert plain["spent"]["flops_executed"]["value"] == sum(
        r.cost.flops_executed for r in EVERYTHING
    )
    assert plain["schema"] == 1 and plain["runs"] == {"finished": 26, "interrupted": 1}


def test_the_same_records_give_the_same_statement():
    for form in (prose.markdown, prose.latex, prose.card):
        assert form(statement(EVERYTHING)) == form(statement(records()))
