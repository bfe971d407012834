"""Budgets, trials and equal costs as plans, from records that nobody trained."""

from __future__ import annotations

import dataclasses
import json
import subprocess

import pytest
import tiny
from fabrication import DIGITS, record

from efficient.config import digest
from efficient.experiment import (
    Arm,
    Choice,
    Experiment,
    ExperimentError,
    LogUniform,
    plan,
    process,
    with_budgets,
    with_equal,
    with_trials,
)
from efficient.experiment.fairness import TRIAL_SEED
from efficient.ledger.record import FINISHED, NONFINITE, Parent, Score
from efficient.ledger.source import source
from efficient.ledger.store import write_record
from efficient.train.optimizer import Schedule
from efficient.variants import Distill

TEACHER = Arm("teacher", dataclasses.replace(tiny.DIGITS, batch_size=64), seeds=1)
BASELINE = Arm("baseline", tiny.DIGITS, minutes=2.0)
STUDENT = Arm("student", dataclasses.replace(tiny.DIGITS, variants=(Distill(),)), teacher="teacher")
SPACE = {"optimizer.lr": LogUniform(1e-4, 1e-1), "optimizer.weight_decay": Choice((0.0, 1e-2))}
QUESTION = Experiment(
    "Does a teacher help?", (TEACHER, BASELINE, STUDENT), seeds=2, name="help", space=SPACE
)


def labels(planned):
    return [(item.arm.label, item.arm.first_seed + item.seed) for item in planned]


def finish(out, item, accuracy=0.9, status=FINISHED, parents=(), **cost):
    """Leave the record that a planned run would, of some cost."""
    made, config = record("digits", "baseline"), item.config
    score = {} if status != FINISHED else {"validation": Score(1 - accuracy, accuracy, 10)}
    run_id = item.label.replace(" ", "-")
    made = dataclasses.replace(
        made,
        run_id=run_id,
        arm=item.arm.label,
        status=status,
        request=digest(config, DIGITS.fingerprint, source().digest),
        scores=score,
        parents=tuple(Parent(role, name, "") for role, name in parents),
        cost=dataclasses.replace(made.cost, **cost),
    )
    write_record(out / run_id, made)
    return made


def test_the_baseline_gets_arms_of_other_lengths_and_is_not_trained_twice(tmp_path):
    planned = plan(with_budgets(QUESTION, (0.25, 1.0, 2.0)), None, tmp_path)
    assert [label for label, seed in labels(planned) if seed == 1] == [
        "baseline",
        "baseline @ 0.25x",
        "baseline @ 2x",
        "student",
    ]
    lengths = {item.arm.label: item.arm.config.train_for for item in planned}
    assert lengths["baseline @ 0.25x"] == "6 steps" and lengths["baseline @ 2x"] == "48 steps"
    assert lengths["student"] == lengths["baseline"] == "24 steps"
    minutes = {item.arm.label: item.arm.minutes for item in planned}
    assert minutes["baseline @ 0.25x"] == 0.5


@pytest.mark.parametrize(
    ("length", "scaled"),
    [("20 epochs", "5 epochs"), ("3 epochs", "0.75 epochs"), ("1e9 FLOP", "250000000 FLOP"),
     ("2 min", "30 s"), ("0.5 kWh", "0.125 kWh")],
)  # fmt: skip
def test_a_length_is_scaled_in_its_own_unit(length, scaled):
    arm = dataclasses.replace(BASELINE, config=dataclasses.replace(tiny.DIGITS, train_for=length))
    made = with_budgets(Experiment("?", (arm,)), (0.25,))
    assert made.arms[1].config.train_for == scaled


@pytest.mark.parametrize("name", ["cosine", "linear", "step", "one_cycle"])
def test_a_schedule_has_decayed_at_the_end_of_every_budget(name):
    """The rate at the last step of the quarter is that at the end of the schedule."""
    arm = dataclasses.replace(
        BASELINE,
        config=dataclasses.replace(
            tiny.DIGITS,
            train_for="400 steps",
            optimizer=dataclasses.replace(tiny.DIGITS.optimizer, schedule=Schedule(name)),
        ),
    )
    made = with_budgets(Experiment("?", (arm,)), (0.25,)).arms
    ends = []
    for one in made:
        optimizer, steps = one.config.optimizer, int(one.config.train_for.split()[0])
        ends.append(float(optimizer.schedule.build(optimizer.lr, steps)(steps)))
    assert ends[0] == pytest.approx(ends[1], abs=1e-9) and ends[1] <= 0.02 * arm.config.optimizer.lr


def changed(arm, **fields):
    return dataclasses.replace(arm, config=dataclasses.replace(arm.config, **fields))


CONSTANT = dataclasses.replace(tiny.DIGITS.optimizer, schedule=Schedule("constant"))


@pytest.mark.parametrize(
    ("arms", "words"),
    [
        ((TEACHER,), "has no arm 'baseline'"),
        ((changed(BASELINE, optimizer=CONSTANT),), "never decays its learning rate"),
        ((changed(BASELINE, train_for="0 steps", start="x"),), "has no step"),
        (
            (TEACHER, dataclasses.replace(BASELINE, as_long_as=("train_s", "teacher"))),
            "is as long as 'teacher'",
        ),
    ],
)
def test_a_baseline_that_cannot_be_scaled_is_one_line(arms, words):
    with pytest.raises(ExperimentError, match=words) as caught:
        with_budgets(Experiment("?", arms, name="q"), (0.5,))
    assert "\n" not in str(caught.value)


def test_every_arm_has_the_same_trials_before_it_on_a_seed_that_is_not_its_own(tmp_path):
    planned = plan(with_trials(QUESTION, 2), None, tmp_path)
    assert labels(planned)[:9] == [
        ("teacher ~ trial 1", TRIAL_SEED),
        ("teacher ~ trial 2", TRIAL_SEED),
        ("teacher", 0),
        ("baseline ~ trial 1", TRIAL_SEED),
        ("baseline ~ trial 2", TRIAL_SEED),
        ("baseline", 0),
        ("student ~ trial 1", TRIAL_SEED),
        ("student ~ trial 2", TRIAL_SEED),
        ("student", 0),
    ]
    assert labels(planned)[9:] == [("baseline", 1), ("student", 1)]
    tried = {item.arm.label: item.arm.config.optimizer for item in planned}
    for number in (1, 2):
        same = {tried[f"{arm} ~ trial {number}"].lr for arm in ("teacher", "baseline", "student")}
        assert len(same) == 1
    assert planned[2].config is None and planned[3].config is not None


def test_the_best_trial_on_validation_gives_the_setting_and_is_not_trained_again(tmp_path):
    asked = with_trials(dataclasses.replace(QUESTION, arms=(BASELINE,)), 3)
    for item, accuracy in zip(plan(asked, 1, tmp_path), (0.8, 0.95, 0.9), strict=False):
        finish(tmp_path, item, accuracy)
    planned = plan(asked, None, tmp_path)
    assert [item.done for item in planned] == [True, True, True, False, False]
    best = planned[1].config
    for seed, item in enumerate(planned[3:]):
        assert item.config.optimizer == best.optimizer
        assert (item.config.seed, item.config.arm) == (seed, "baseline")
    more = plan(with_trials(dataclasses.replace(QUESTION, arms=(BASELINE,)), 4), 1, tmp_path)
    assert [item.done for item in more] == [True, True, True, False, False]


def test_a_tie_in_accuracy_goes_to_the_smaller_loss(tmp_path):
    asked = with_trials(dataclasses.replace(QUESTION, arms=(BASELINE,)), 2)
    for item, loss in zip(plan(asked, 1, tmp_path), (0.5, 0.4), strict=False):
        made = finish(tmp_path, item)
        scores = {"validation": Score(loss, 0.9, 10)}
        write_record(tmp_path / made.run_id, dataclasses.replace(made, scores=scores))
    first, second, final = plan(asked, 1, tmp_path)
    assert final.config.optimizer == second.config.optimizer != first.config.optimizer


def test_a_trial_that_diverged_is_over_but_never_chosen(tmp_path):
    asked = with_trials(dataclasses.replace(QUESTION, arms=(BASELINE,)), 2)
    first, second, _ = plan(asked, 1, tmp_path)
    finish(tmp_path, first, status=NONFINITE)
    finish(tmp_path, second, 0.1)
    planned = plan(asked, 1, tmp_path)
    assert [item.done for item in planned] == [True, True, False]
    final = planned[2]
    assert final.config.optimizer == second.config.optimizer
    finish(tmp_path, final, status=NONFINITE)  # but a run that is no trial has to finish
    assert not plan(asked, 1, tmp_path)[2].done
    finish(tmp_path, second, status=NONFINITE)
    with pytest.raises(ExperimentError, match="all 2 trials of arm 'baseline' of digits diverged"):
        plan(asked, 1, tmp_path)


def test_the_process_of_a_trial_may_diverge_and_that_of_an_arm_may_not(tmp_path, monkeypatch):
    summary = {"status": NONFINITE, "steps": 7, "arm": "baseline ~ trial 1", "cost": {}}

    def diverged(command, **options):
        return subprocess.CompletedProcess(command, 3, stdout=json.dumps(summary).encode())

    monkeypatch.setattr(process.subprocess, "run", diverged)
    asked = with_trials(dataclasses.replace(QUESTION, arms=(BASELINE,)), 1)
    tried = plan(asked, 1, tmp_path)[0]
    assert process._train(tried, tmp_path, None, process.Terms()) == summary
    assert process._line(summary) == "nonfinite after 7 steps, charged and not chosen"
    finish(tmp_path, tried)
    with pytest.raises(ExperimentError, match="digits baseline seed 0 failed"):
        process._train(plan(asked, 1, tmp_path)[1], tmp_path, None, process.Terms())


def test_without_a_space_there_are_no_trials():
    with pytest.raises(ExperimentError, match="arm 'teacher' of experiment 'help' has no space"):
        with_trials(dataclasses.replace(QUESTION, space={}), 2)
    bare = dataclasses.replace(QUESTION, space={"optimizer.lr": 0.1})
    with pytest.raises(ExperimentError, match=r"'optimizer\.lr' is 0\.1; give Uniform, LogUniform"):
        with_trials(bare, 2)
    wrong = dataclasses.replace(QUESTION, space={"optimiser.lr": LogUniform(1e-4, 1e-1)})
    with pytest.raises(ExperimentError, match=r"'teacher'.*did you mean 'optimizer.lr'"):
        with_trials(wrong, 2)


def test_an_arm_searches_a_space_of_its_own_beside_that_of_all():
    own = dataclasses.replace(STUDENT, space={"variants.distill.mix": Choice((0.5, 0.9))})
    made = with_trials(dataclasses.replace(QUESTION, arms=(TEACHER, own)), 1)
    student = made.arms[2].config
    assert student.variants[0].mix in (0.5, 0.9) and student.optimizer.lr != 5e-3


def test_budgets_are_tuned_too():
    """A claim against a shorter baseline needs that baseline tuned for its length."""
    made = with_trials(with_budgets(QUESTION, (0.5,)), 1)
    assert "baseline @ 0.5x ~ trial 1" in [arm.label for arm in made.arms]


def trained(out, **costs):
    """The plan of equal costs after the teacher and the baseline are there."""

    def made(asked):
        for label in ("teacher", "baseline"):
            item = next(i for i in plan(asked, 1, out) if i.arm.label == label)
            finish(out, item, **costs[label])
        return [i for i in plan(asked, 2, out) if i.arm.label == "student"]

    return made


COSTS = {
    "teacher": {"flops_executed": 400, "train_s": 2.0, "total_s": 4.0, "energy_j": 30.0},
    "baseline": {"flops_executed": 1000, "train_s": 5.0, "total_s": 8.0, "energy_j": 160.0},
}


@pytest.mark.parametrize(
    ("column", "lineage", "length"),
    [
        ("flops_executed", "full", "600 FLOP"),
        ("flops_executed", "marginal", "1000 FLOP"),
        ("train_s", "full", "3 s"),
        ("train_s", "marginal", "5 s"),
        ("total_s", "full", "1 s"),  # 8 less 4 of the teacher, less 3 around training
        ("total_s", "marginal", "5 s"),
        ("energy_j", "full", "3.5 s"),  # 130 J left at 20 W are 6.5 s, less 3
        ("energy_j", "marginal", "5 s"),
    ],
)
def test_a_student_pays_its_teacher_out_of_the_budget(tmp_path, column, lineage, length):
    asked = with_equal(QUESTION, column, lineage)
    assert plan(asked, 1, tmp_path)[2].config is None
    students = trained(tmp_path, **COSTS)(asked)
    # The second seed has the length of the first: runs of an arm differ in the seed only.
    assert [item.config and item.config.train_for for item in students] == [length] * 2
    assert [arm.label for arm in asked.arms if arm.as_long_as] == ["student"]


@pytest.mark.parametrize(
    ("column", "teacher"),
    [("flops_executed", {"flops_executed": 1000}), ("total_s", {"total_s": 5.5, "train_s": 1.0})],
)
def test_a_teacher_that_takes_the_budget_is_named_with_it(tmp_path, column, teacher):
    costs = COSTS | {"teacher": COSTS["teacher"] | teacher}
    with pytest.raises(ExperimentError) as caught:
        trained(tmp_path, **costs)(with_equal(QUESTION, column))
    said = str(caught.value)
    assert "\n" not in said and "'student' has no step left" in said
    assert "digits-teacher-seed-0" in said and "digits-baseline-seed-0" in said


def test_an_unknown_cost_cannot_be_made_equal(tmp_path):
    costs = {name: cost | {"energy_j": None} for name, cost in COSTS.items()}
    with pytest.raises(ExperimentError, match="is unknown"):
        trained(tmp_path, **costs)(with_equal(QUESTION, "energy_j"))


def test_what_cannot_be_made_equal_is_one_line():
    with pytest.raises(ExperimentError, match="did you mean 'total_s'"):
        with_equal(QUESTION, "total")
    with pytest.raises(ExperimentError, match="digits has no arm 'baseline'"):
        with_equal(dataclasses.replace(QUESTION, arms=(TEACHER,)), "train_s")
    with pytest.raises(ExperimentError, match="no arm to give the budget to"):
        with_equal(dataclasses.replace(QUESTION, arms=(BASELINE,)), "train_s")


def test_folders_are_apart_where_labels_are_not():
    """A tuned run has the label of the untuned one."""
    assert with_budgets(QUESTION, (2.0,)).name == "help"
    assert with_trials(QUESTION, 1).name == "help-tuned"
    assert with_equal(QUESTION, "train_s").name == "help-equal-train_s-full"
