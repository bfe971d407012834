"""Experiments: in which order runs are started, what is skipped, and one that really runs."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import tiny

import efficient.controls.run as control
from efficient import controls
from efficient.config import Config, ConfigError, digest
from efficient.controls import Control
from efficient.controls.tree import Forest
from efficient.experiment import (
    Arm,
    Experiment,
    ExperimentError,
    load,
    plan,
    planning,
    process,
    run,
)
from efficient.ledger.record import INTERRUPTED
from efficient.ledger.store import records, write_record
from efficient.run import train
from efficient.variants import Distill
from efficient.workloads import ImageClassification

SHORT = dataclasses.replace(tiny.DIGITS, train_for="8 steps", evaluations=1)
TEACHER = Arm("teacher", dataclasses.replace(SHORT, batch_size=64), seeds=1, minutes=4.0)
BASELINE = Arm("baseline", SHORT, minutes=2.0)
STUDENT = Arm(
    "student",
    dataclasses.replace(SHORT, variants=(Distill(),)),
    teacher="teacher",
    reference="baseline",
)
QUESTION = Experiment("Does a teacher help?", (TEACHER, BASELINE, STUDENT), seeds=2)


OURS = sorted(path.parent for path in Path("experiments").glob("*/experiment.py"))


@pytest.mark.parametrize("folder", OURS, ids=lambda path: path.name)
def test_an_arm_of_ours_needs_arms_that_stand_before_it_and_can_be_what_they_are_for(folder):
    whole = load(folder)
    for scale in ("", *dict(whole.scales)):
        before: dict[tuple[str, str], Arm] = {}
        for arm in whole.at(scale).arms:
            work = arm.config.workload.name
            for label in (arm.teacher, arm.start, arm.reference, *(arm.as_long_as or ("", ""))[1:]):
                assert not label or (work, label) in before, f"{arm.label}: {label}"
            if arm.start:
                assert before[work, arm.start].config.model == arm.config.model, arm.label
            taught = any(hasattr(variant, "teacher") for variant in arm.config.variants)
            assert taught == bool(arm.teacher), arm.label
            before[work, arm.label] = arm


def labels(planned):
    return [(item.arm.label, item.seed) for item in planned]


def test_the_plan_goes_seed_by_seed_with_the_teacher_first(tmp_path):
    assert labels(plan(QUESTION, None, tmp_path / "nothing yet")) == [
        ("teacher", 0),
        ("baseline", 0),
        ("student", 0),
        ("baseline", 1),
        ("student", 1),
    ]


def test_more_and_fewer_seeds_than_the_experiment_asks_for(tmp_path):
    more = labels(plan(QUESTION, 4, tmp_path))
    assert [seed for label, seed in more if label == "baseline"] == [0, 1, 2, 3]
    assert [seed for label, seed in more if label == "teacher"] == [0]
    assert {seed for _, seed in labels(plan(QUESTION, 1, tmp_path))} == {0}


def test_a_plan_starts_nothing_and_knows_what_it_will_take(tmp_path):
    planned = plan(QUESTION, None, tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert [item.minutes for item in planned] == [4.0, 2.0, 1.0, 2.0, 1.0]
    assert not any(item.done for item in planned)
    configs = [item.config for item in planned]
    assert [config is None for config in configs] == [False, False, True, False, True]
    assert [config.seed for config in configs if config] == [0, 0, 1]


def test_finished_runs_are_skipped_and_resolve_those_that_need_them(tmp_path):
    teacher, baseline, *_ = plan(QUESTION, None, tmp_path)
    first, second = train(teacher.config, tmp_path), train(baseline.config, tmp_path)
    planned = plan(QUESTION, None, tmp_path)
    assert [item.done for item in planned] == [True, True, False, False, False]
    assert planned[0].minutes == first.cost.total_s / 60
    student = planned[2].config
    assert student.variants == (Distill(teacher=first.run_id),)
    assert student.reference == second.run_id
    assert (student.seed, student.arm) == (0, "student")
    renamed = dataclasses.replace(
        QUESTION, arms=(TEACHER, dataclasses.replace(BASELINE, label="b"))
    )
    assert [item.done for item in plan(renamed, 1, tmp_path)] == [True, True]
    stopped = dataclasses.replace(second, status=INTERRUPTED)
    write_record(tmp_path / second.run_id, stopped)
    assert [item.done for item in plan(QUESTION, 1, tmp_path)] == [True, False, False]
    other_code = dataclasses.replace(first, request="other")
    write_record(tmp_path / first.run_id, other_code)
    assert [item.done for item in plan(QUESTION, 1, tmp_path)] == [False, False, False]


def test_an_arm_that_needs_one_which_is_not_before_it_is_refused(tmp_path):
    turned = dataclasses.replace(QUESTION, arms=(STUDENT, TEACHER, BASELINE))
    with pytest.raises(ExperimentError, match="'student' needs arm 'teacher' of digits"):
        plan(turned, None, tmp_path)


def test_an_experiment_from_processes_end_to_end(tmp_path, trained):
    """One process for each run; the second call finds everything finished."""
    said: list[str] = []
    run(QUESTION, 1, tmp_path, None, said.append)
    found, complaints = records(tmp_path)
    assert complaints == []
    assert [record.arm for record in found] == ["teacher", "baseline", "student"]
    teacher, baseline, student = found
    assert [(p.role, p.run_id) for p in student.parents] == [
        ("teacher", teacher.run_id),
        ("reference", baseline.run_id),
    ]
    assert student.evidence["reference"] == baseline.run_id
    assert all(record.cost.laps["start"] > 0 for record in found)
    assert trained(SHORT).params_digest == baseline.params_digest
    again: list[str] = []
    run(QUESTION, 1, tmp_path, None, again.append)
    assert sum("finished before" in line for line in again) == 3
    assert len(records(tmp_path)[0]) == 3


def test_a_scale_is_the_same_question_with_other_arms(tmp_path):
    asked = dataclasses.replace(QUESTION, name="help", scales=(("gpu", (BASELINE,)),))
    assert asked.at("") is asked
    large = asked.at("gpu")
    assert (large.arms, large.name, large.title) == ((BASELINE,), "help-gpu", QUESTION.title)
    with pytest.raises(ExperimentError, match="no scale 'gpo'; did you mean 'gpu'"):
        asked.at("gpo")
    with pytest.raises(ExperimentError, match="leave --scale out"):
        QUESTION.at("gpu")


def test_an_arm_can_begin_with_the_weights_of_another(tmp_path, trained):
    baseline = trained(SHORT)
    halved = Arm("halved", dataclasses.replace(SHORT, train_for="0 steps"), start="baseline")
    asked = Experiment("?", (BASELINE, halved), seeds=1)
    assert [p.config is None for p in plan(asked, None, tmp_path)] == [False, True]
    copied = tmp_path / baseline.run_id
    copied.mkdir()
    write_record(copied, baseline)
    assert plan(asked, None, tmp_path)[1].config.start == baseline.run_id


def test_an_arm_can_be_trained_for_as_much_as_another_took(tmp_path, trained):
    baseline = trained(SHORT)
    small = Arm("small", SHORT, as_long_as=("flops_executed", "baseline"))
    asked = Experiment("?", (BASELINE, small), seeds=2)
    assert [p.config is None for p in plan(asked, None, tmp_path)] == [False, True, False, True]
    copied = tmp_path / baseline.run_id
    copied.mkdir()
    write_record(copied, baseline)
    made = [p.config for p in plan(asked, None, tmp_path) if p.arm.label == "small"]
    assert {config.train_for for config in made} == {f"{baseline.cost.flops_executed} FLOP"}


def test_a_length_that_cannot_be_planned_is_one_line(tmp_path, trained):
    baseline = trained(SHORT)
    (tmp_path / baseline.run_id).mkdir()
    why = {"flops_executed": "a kernel that nobody counts"}
    cost = dataclasses.replace(baseline.cost, flops_executed=None, unknown=why)
    write_record(tmp_path / baseline.run_id, dataclasses.replace(baseline, cost=cost))
    for column, words in (
        ("flops_executed", r"which is unknown \(a kernel that nobody counts\); choose another of"),
        ("total", "arm 'small' is as_long_as 'total'; did you mean 'total_s'"),
    ):
        small = Arm("small", SHORT, as_long_as=(column, "baseline"))
        with pytest.raises(ExperimentError, match=words) as caught:
            plan(Experiment("?", (BASELINE, small)), 1, tmp_path)
        assert "\n" not in str(caught.value)


def test_a_plan_digests_each_config_once_for_each_data(tmp_path, trained, monkeypatch):
    baseline = trained(SHORT)
    for number in range(5):
        folder = tmp_path / f"{baseline.run_id}-{number}"
        folder.mkdir()
        write_record(folder, dataclasses.replace(baseline, request=f"other {number}"))
    asked: list[Config] = []

    def counting(config, *others):
        asked.append(config)
        return digest(config, *others)

    monkeypatch.setattr(planning, "digest", counting)
    plan(Experiment("?", (BASELINE,)), 3, tmp_path)
    assert [config.seed for config in asked] == [0, 1, 2]


def test_a_run_that_fails_is_named_with_its_last_line(tmp_path):
    broken = Arm("broken", dataclasses.replace(SHORT, start="nobody"))
    with pytest.raises(ExperimentError, match=r"digits broken seed 0 failed: .*nobody") as caught:
        run(Experiment("?", (broken,)), 1, tmp_path, None, lambda line: None)
    assert "\n" not in str(caught.value)


def test_experiments_load_from_folders_and_files(tmp_path):
    folder = tmp_path / "question"
    folder.mkdir()
    file = folder / "experiment.py"
    file.write_text("from test_experiment import QUESTION as experiment\n")
    for path in (folder, file, str(folder)):
        assert load(path) == dataclasses.replace(QUESTION, name="question")
    file.write_text("x = 1")
    with pytest.raises(ConfigError, match="defines no `experiment`"):
        load(folder)
    file.write_text("def")
    with pytest.raises(ConfigError, match="cannot be read"):
        load(folder)
    with pytest.raises(ExperimentError, match="does not exist"):
        load(tmp_path / "nowhere")


@pytest.mark.parametrize("path", sorted(Path("experiments").glob("*/experiment.py")), ids=str)
def test_every_experiment_of_the_repository_can_be_planned(path, tmp_path):
    experiment = load(path)
    planned = plan(experiment, None, tmp_path)
    assert len({(p.arm.config.workload.name, p.arm.label, p.seed) for p in planned}) == len(planned)
    assert len(planned) >= experiment.seeds


FOREST = Arm("forest", Control(ImageClassification("digits"), Forest(trees=2)), minutes=0.1)


def test_a_control_is_an_arm_that_is_skipped_once_it_is_finished(tmp_path):
    question = Experiment("Is a network needed?", (FOREST,), seeds=2)
    first, second = plan(question, None, tmp_path)
    assert (first.done, first.config.seed, second.config.seed) == (False, 0, 1)
    record = control.run(first.config, tmp_path)
    assert (record.arm, record.seed) == ("forest", 0)
    assert [item.done for item in plan(question, None, tmp_path)] == [True, False]


def test_a_control_is_started_by_its_own_command(tmp_path, monkeypatch):
    commands = []

    def started(command, **_):
        commands.append(command)
        asked = json.loads(Path(command[4]).read_text())
        assert controls.from_json(asked).model == Forest(trees=2)
        raise KeyboardInterrupt

    monkeypatch.setattr(process.subprocess, "run", started)
    with pytest.raises(KeyboardInterrupt):
        run(Experiment("Is a network needed?", (FOREST,), seeds=1), None, tmp_path, None, print)
    assert commands[0][1:4] == ["-m", "efficient", "control"] and "--json" in commands[0]


def test_a_control_needs_no_other_arm():
    with pytest.raises(ExperimentError, match="arm 'forest' is a control"):
        dataclasses.replace(FOREST, teacher="teacher")


def test_two_arms_of_one_control_are_refused(tmp_path):
    twins = (FOREST, dataclasses.replace(FOREST, label="other"))
    with pytest.raises(ExperimentError, match="ask for the same request twice"):
        plan(Experiment("Which?", twins, seeds=1), None, tmp_path)
