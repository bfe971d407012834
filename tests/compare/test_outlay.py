"""What was spent until the first model: parents, trials and failures are on the bill."""

from __future__ import annotations

import dataclasses
import statistics

from fabrication import record

from efficient.compare.comparison import compare
from efficient.compare.decision import decide
from efficient.compare.note import notes
from efficient.compare.summary import rows
from efficient.ledger.notation import budget, trial, tuned_for
from efficient.ledger.record import FINISHED, INTERRUPTED, NONFINITE
from efficient.report.layout import tables

ARMS = ("teacher", "baseline", "distilled")


def attempt(arm, number, status=FINISHED, label=None):
    """A record of an arm that is none of its models."""
    made = record("digits", arm, 7)
    run_id = f"{made.run_id}-{label or arm}-{number}"
    return dataclasses.replace(made, run_id=run_id, arm=label or arm, status=status)


def models(*arms, seeds=(0, 1, 2)):
    return [
        record("digits", arm, seed)
        for arm in arms
        for seed in (seeds[:1] if arm == "teacher" else seeds)
    ]


def only(records, arm):
    return next(row for row in rows(records) if row.arm == arm)


def test_labels_say_what_a_run_was_for():
    assert budget("baseline", 0.25) == "baseline @ 0.25x" and budget("baseline", 2) == (
        "baseline @ 2x"
    )
    assert tuned_for(trial("baseline @ 2x", 3)) == "baseline @ 2x"
    assert tuned_for("baseline @ 2x") == ""


def test_trials_have_no_row_and_are_charged_diverged_ones_too():
    trials = [
        attempt("baseline", k, status, trial("baseline", k))
        for k, status in enumerate((FINISHED, NONFINITE, FINISHED))
    ]
    found = rows([*models(*ARMS), *trials])
    assert found[0].arm == "baseline" and {row.arm for row in found} == set(ARMS)
    baseline = found[0]
    assert (baseline.trials, baseline.failures) == (3, 0)
    for key, outlay in baseline.outlays.items():
        costs = [getattr(one.cost, key) for one in trials]
        assert outlay.tuning == (None if None in costs else sum(costs)), key
    flops = baseline.outlays["flops_executed"]
    assert flops.first == statistics.fmean(flops.run) + 3 * trials[0].cost.flops_executed
    assert baseline.outlays["energy_j"].first is None  # nobody knows it, so it is not free


def test_a_student_is_charged_the_search_for_its_teacher():
    lost = attempt("distilled", 1, INTERRUPTED)
    searched = attempt("teacher", 1, label=trial("teacher", 1))
    found = only([*models(*ARMS), lost, searched], "distilled")
    outlay = found.outlays["flops_executed"]
    teacher, run = record("digits", "teacher").cost, record("digits", "distilled").cost
    assert outlay.parents == (teacher.flops_executed,) * 3
    assert outlay.tuning == teacher.flops_executed and outlay.failed == run.flops_executed
    assert outlay.first == 2 * (run.flops_executed + teacher.flops_executed)
    assert (found.trials, found.failures) == (0, 1)
    (one,) = compare(rows([*models(*ARMS), lost, searched]))
    text = one.sentences["distilled"]
    whole = record("digits", "baseline").cost.flops_executed
    assert f"its first model cost {outlay.first / whole:.2f} times the baseline's executed" in text
    assert "of it trials 10.00 and failed attempts 4.33" in text


def test_a_missing_parent_leaves_the_first_model_unknown():
    outlay = only(models("baseline", "distilled"), "distilled").outlays["flops_executed"]
    assert outlay.run and outlay.parents is outlay.full is outlay.first is None


def test_notes_say_who_was_tuned():
    plain = models("baseline", "pruned")
    assert "untuned: no arm's setting was searched" in "\n".join(notes(rows(plain)))
    one = attempt("baseline", 1, label=trial("baseline", 1))
    said = "\n".join(notes(rows([*plain, one])))
    assert "tuned unequally, trials of each arm: baseline 1, pruned untuned" in said
    both = [*plain, one, attempt("pruned", 1, label=trial("pruned", 1))]
    assert "tuned: 1 trial of each arm" in "\n".join(notes(rows(both)))


def test_the_baseline_at_another_budget_is_a_point_and_no_claim():
    shorter = [
        dataclasses.replace(one, arm="baseline @ 0.5x", run_id=f"{one.run_id}-half")
        for one in models("baseline")
    ]
    found = rows([*models("baseline", "pruned"), *shorter])
    assert [row.arm for row in found if row.at_budget] == ["baseline @ 0.5x"]
    (decision,) = decide(found)
    assert (decision.arm, decision.family) == ("pruned", 1)
    assert set(compare(found)[0].sentences) == {"pruned"}


def test_the_table_of_first_models_adds_up_and_is_left_out_where_nothing_was_searched():
    trials = [attempt("baseline", k, label=trial("baseline", k)) for k in (1, 2)]
    found = rows([*models(*ARMS), *trials, attempt("distilled", 1, INTERRUPTED)])
    made = {table.title: table for table in tables(compare(found)[0])}
    flops = made["Cost to first model: executed training FLOPs"]
    cells = {row[0].text: [cell.text for cell in row[1:]] for row in flops.rows}
    assert cells["baseline"] == ["960 GFLOP", "0", "1.92 TFLOP", "0", "2.88 TFLOP"]
    assert cells["distilled"] == ["4.16 TFLOP", "9.60 TFLOP", "0", "4.16 TFLOP", "17.9 TFLOP"]
    asides = {row[0].text: row[-1].aside for row in flops.rows}
    assert asides["baseline"] == "" and asides["distilled"] == "\N{MULTIPLICATION SIGN}6.22"
    assert "Cost to first model: total seconds" in made
    assert "Cost to first model: energy" not in made  # unknown of digits
    titles = [table.title for table in tables(compare(rows(models(*ARMS)))[0])]
    assert not any(title.startswith("Cost to first") for title in titles)
