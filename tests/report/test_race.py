"""Tables of targets: what a table, a document and a profile say of curves that are invented."""

from __future__ import annotations

import dataclasses
import json

import pytest
from fabrication import record

from efficient.cli import main
from efficient.compare.error import CompareError
from efficient.compare.target import reaches
from efficient.ledger.notation import trial
from efficient.ledger.record import Point, Score
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
