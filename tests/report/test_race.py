"""Tables of targets: what a table, a document and a profile say of curves that are invented."""

from __future__ import annotations

import dataclasses
import json

import pytest
from fabrication import record

from efficient.cli import main
from efficient.compare.error import CompareError
from efficient.compare.folder import read
from efficient.compare.target import reaches
from efficient.ledger.notation import trial
from efficient.ledger.record import Parent, Point, Score
from efficient.ledger.store import write_record
from efficient.report.race import profile, table, verdicts


def run(seed, arm, pace, last=0.98, workload="digits"):
    """Evaluated at 100 and 200 steps, `pace` seconds a step."""
    points = tuple(
        Point(step, "train", 0.1, Score(0.3, accuracy, 180), pace * step, pace * step, 10 * step)
        for step, accuracy in ((100, 0.9), (200, last))
    )
    made = record("digits", "baseline", seed)
    return dataclasses.replace(
        made, run_id=f"{workload}-{arm}-{seed}", arm=arm, points=points, workload=workload
    )


def arm(label, pace, last=0.98, workload="digits"):
    return [run(seed, label, pace * (1 + seed / 100), last, workload) for seed in range(6)]


NAMES = ("baseline", "fast", "poor")
DIGITS = [*arm("baseline", 1.0), *arm("fast", 0.5), *arm("poor", 0.5, last=0.96)]


def test_who_was_sooner_and_who_never_came():
    found = reaches(DIGITS, {"": 0.97})["digits"]
    made = table("digits", found)
    assert made.columns == ("arm", "at step", "executed", "train", "total", "verdict")
    cells = {row[0].text: [(cell.text, cell.aside) for cell in row[1:]] for row in made.rows}
    assert cells["fast"][0] == ("200", "") and cells["fast"][2] == (
        "102 s",
        "\N{MULTIPLICATION SIGN}0.50",
    )
    assert cells["poor"][:2] == [("never", ""), ("\N{EN DASH}", "")]
    assert {name: word for name, (word, _) in verdicts(found).items()} == {
        "fast": "sooner",
        "poor": "later",
    }
    assert made.footnotes[0].startswith("poor: 0.97 not reached; the best mean of 6 seeds")
    assert verdicts([one for one in found if one.arm != "baseline"]) == {}


def test_a_profile_is_of_the_arms_that_all_workloads_have():
    other = [*arm("baseline", 1.0, workload="b"), *arm("fast", 2.0, workload="b")]
    found = reaches([*DIGITS, *other], {"": 0.97})
    assert {one.arm: one.ratios for one in profile(found)} == {
        "fast": {"digits": 1.0, "b": pytest.approx(2.0)},
        "baseline": {"digits": pytest.approx(2.0), "b": 1.0},
    }
    assert profile(reaches(DIGITS, {"": 0.97})) == []


def test_each_model_is_read_against_its_own_baseline():
    wide = [dataclasses.replace(one, model="wide", run_id=f"w-{one.run_id}") for one in DIGITS]
    made = [dataclasses.replace(one, points=run(one.seed, one.arm, 9.0).points) for one in wide]
    found = reaches([*DIGITS, *made], {"": 0.97})["digits"]
    small = DIGITS[0].model
    labels = [f"{label} {model}" for model in (small, "wide") for label in NAMES]
    assert sorted(one.label for one in found) == sorted(labels)
    words = {name: word for name, (word, _) in verdicts(found).items()}
    assert words == {
        f"fast {small}": "sooner",
        f"poor {small}": "later",
        "fast wide": "undecided",
        "poor wide": "undecided",
    }
    asides = {row[0].text: row[3].aside for row in table("digits", found).rows}
    assert asides["fast wide"] == "\N{MULTIPLICATION SIGN}1.00" and asides["baseline wide"] == ""


def test_who_was_never_looked_at_has_missed_nothing():
    control = [dataclasses.replace(one, arm="svm", points=()) for one in arm("svm", 1.0)]
    found = reaches([*DIGITS, *control], {"": 0.97})["digits"]
    cells = {row[0].text: row[1:] for row in table("digits", found).rows}
    assert {cell.text for cell in cells["svm"][:-1]} == {"\N{EN DASH}"}
    assert set(verdicts(found)) == {"fast", "poor"}
    other = [dataclasses.replace(one, workload="b") for one in (*DIGITS, *control)]
    assert {one.arm for one in profile(reaches([*DIGITS, *control, *other], {"": 0.97}))} == {
        "baseline",
        "fast",
        "poor",
    }


def test_who_reached_it_at_an_unknown_cost_has_no_place_in_the_profile():
    orphan = [
        dataclasses.replace(one, parents=(Parent("teacher", "gone", "0" * 64),))
        for one in arm("taught", 0.1)
    ]
    here = [*DIGITS, *orphan]
    found = reaches([*here, *(dataclasses.replace(r, workload="b") for r in here)], {"": 0.97})
    assert "taught" not in {one.arm for one in profile(found)}
    assert "taught" not in verdicts(found["digits"])


def test_one_seed_has_no_verdict():
    found = reaches([*DIGITS, run(0, "single", 0.1)], {"": 0.97})["digits"]
    assert set(verdicts(found)) == {"fast", "poor"}


def test_folders_that_are_apart_are_asked_apart(tmp_path):
    """Two experiments have a baseline of the same name, and not of the same question."""
    for folder, pace in (("one", 1.0), ("two", 3.0)):
        for one in arm("baseline", pace):
            config, run_id = one.config | {"train": {"steps": pace}}, f"{folder}-{one.run_id}"
            made = dataclasses.replace(one, config=config, run_id=run_id)
            write_record(tmp_path / folder / run_id, made)
    found = reaches(read(tmp_path).compared, {"digits": 0.97})
    costs = {work: here[0].costs["train_s"].mean for work, here in found.items()}
    assert costs == {"one/digits": pytest.approx(205), "two/digits": pytest.approx(615)}
    assert all(len(here[0].seeds) == 6 for here in found.values())
    assert list(reaches(read(tmp_path).compared, {"two/digits": 0.97})) == ["two/digits"]


def test_trials_are_no_arms_and_unknown_workloads_are_named():
    tried = [run(0, trial("fast", 1), 0.1)]
    found = reaches([*DIGITS, *tried], {"digits": 0.97})["digits"]
    assert [one.arm for one in found] == ["baseline", "fast", "poor"]
    with pytest.raises(CompareError, match="no record is of workload 'mnst'; there are digits"):
        reaches(DIGITS, {"mnst": 0.97})


def test_the_command_tells_it_and_refuses_what_is_no_quality(tmp_path, capsys):
    for one in DIGITS:
        write_record(tmp_path / one.run_id, one)
    words = ["report", str(tmp_path), "--out", str(tmp_path / "site")]
    assert main([*words, "--target", "digits=0.97", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert {one["arm"]: one["step"] for one in said["targets"]["digits"]} == {
        "baseline": 200,
        "fast": 200,
        "poor": None,
    }
    assert said["targets"]["digits"][1]["verdict"][0] == "sooner" and said["profiles"] == []
    assert main([*words, "--target", "0.97"]) == 0
    assert "cost to 0.97 on validation" in capsys.readouterr().out
    assert main([*words, "--target", "mnist=best"]) == 2
    assert "--target 'mnist=best' is no quality" in capsys.readouterr().err
