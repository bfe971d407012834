"""`efficient statement`, `report --clock` and `show`: what people and programs read of the cost."""

from __future__ import annotations

import dataclasses

import pytest
import yaml
from fabrication import record, records

from efficient.compare.clock import RULES
from efficient.ledger.bill import Process
from efficient.ledger.codec import to_dict
from efficient.ledger.store import JOURNAL, append_line, write_record


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Final runs in one folder, a tuning run and an attempt without a record in another."""
    out = tmp_path_factory.mktemp("runs")
    for made in records():
        if made.workload == "shakespeare":
            write_record(out / "final" / made.run_id, made)
    tuned = dataclasses.replace(record("shakespeare"), arm="tuned", run_id="tuned-0001")
    write_record(out / "tuning" / tuned.run_id, tuned)
    lost = Process(1, "killed", 3, 9.0, {"train": 8.0}, 10, 1, 0)
    append_line(out / "tuning" / "lost-0001" / JOURNAL, to_dict(lost))
    return out


def test_statement_adds_up_everything_and_names_the_final_runs(command, runs):
    made = command("statement", runs, "--json").document
    assert made["runs"] == {"finished": 14, "interrupted": 1, "no record": 1}
    assert len(made["final"]) == 14
    chosen = command("statement", runs, "--final", runs / "final", "--format", "json").document
    assert len(chosen["final"]) == 13
    assert chosen["spent"] == made["spent"]
    assert chosen["multipliers"]["total_s"] > made["multipliers"]["total_s"] > 1


def test_every_form_is_printed_or_written(command, runs, tmp_path):
    for form in ("markdown", "latex", "card", "json"):
        printed = command("statement", runs, "--format", form)
        assert printed.code == 0 and printed.err == ""
        path = tmp_path / f"statement.{form}"
        done = command("statement", runs, "--format", form, "--out", path)
        assert done.code == 0 and done.out == "" and str(path) in done.err
        assert path.read_text() == printed.out
    block = yaml.safe_load((tmp_path / "statement.card").read_text())["co2_eq_emissions"]
    assert block["emissions"] > 0


def test_options_say_what_the_records_do_not(command, tmp_path, monkeypatch):
    monkeypatch.delenv("EFFICIENT_REGION", raising=False)
    write_record(tmp_path / "a", record("digits"))
    plain = command("statement", tmp_path, "--json").document
    assert plain["spent"]["carbon_gco2e"]["value"] is None
    words = ("--power-w", "90", "--gco2e-per-kwh", "100", "--pue", "1.5")
    given = command("statement", tmp_path, *words, "--json").document
    kwh = 90 * record("digits").cost.total_s / 3.6e6
    assert given["spent"]["carbon_gco2e"]["value"] == pytest.approx(150 * kwh)
    assert given["energy_grade"] == "D" and len(given["notes"]) == 3
    metered = command("statement", tmp_path, "--metered-kwh", "2", "--json").document
    assert metered["spent"]["energy_j"]["value"] == 7.2e6 and metered["energy_grade"] == "A"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--region", "ATLANTIS"), 2),
        (("--final", "/"), 2),
        (("--metered-kwh", "0"), 2),
        (("--format", "pdf"), 2),
    ],
)
def test_mistakes_are_one_line(command, runs, words, code):
    done = command("statement", runs, *words)
    assert done.code == code and done.out == ""
    assert done.err.startswith("efficient: error: ") and done.err.count("\n") == 1


def test_an_empty_folder_is_refused(command, tmp_path):
    done = command("statement", tmp_path)
    assert done.code == 1 and "no run to make a statement of" in done.err


def test_report_follows_the_clock(command, runs, tmp_path):
    words = ("report", runs / "final", "--out", tmp_path)
    for clock in ("train", "mlperf"):  # of all, tests/report has the tables
        assert clock in RULES
        done = command(*words, "--clock", clock)
        assert done.code == 0, done.err
        assert (f"clock: {clock} counts" in done.out) == (clock != "train")
    done = command(*words, "--clock", "all")
    assert "One run, several clocks" in done.out
    assert "One run, several clocks" in (tmp_path / "exports" / "tables.md").read_text()
    rows = command(*words, "--json").document["rows"]
    assert set(rows[0]["clocks"]) == set(rows[0]["clock_bounds"]) == set(RULES)
    assert command(*words, "--clock", "sundial").code == 2


def test_show_prints_the_whole_bill(command, finished):
    out, trained = finished
    done = command("show", trained.document["run_id"], "--out", out)
    assert done.code == 0, done.err
    for heading in (
        "cost in FLOPs",
        "size and memory",
        "speed",
        "the same run by published clocks",
    ):
        assert f"\n{heading}\n" in done.out
    for name in RULES:
        assert f"\n{name} " in done.out
    assert "None" not in done.out
