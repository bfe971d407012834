"""Teachers: found, loaded, trained on the way, and asked once for every student."""

from __future__ import annotations

import dataclasses
import json
import shutil
import signal
import sys

import jax
import numpy as np
import pytest
import tiny

from efficient.data import load
from efficient.ledger.store import read_record
from efficient.models.signature import Signature
from efficient.predict.budget import Budget
from efficient.run import teacher, train
from efficient.run.lesson import Teachers
from efficient.run.outline import outline
from efficient.run.parent import parents
from efficient.run.teacher import train_teachers
from efficient.run.terms import Terms
from efficient.variants import Distill, VariantError

SIGNATURES = {
    "digits": Signature((8, 8, 1), 10, "image"),
    "pystdlib": Signature((16,), 256, "text"),
}


def taught(config, **settings):
    return dataclasses.replace(config, variants=(Distill(**settings),))


def teachers(config, out, dataset=None):
    name = config.workload.data
    return Teachers(out, SIGNATURES[name], config.workload, dataset or load(name))


def runs(out):
    return sorted(path.parent.name for path in out.glob("*/record.json"))


@pytest.fixture
def preset(tmp_path):
    """`preset:` and a config of a teacher as JSON."""
    config = dataclasses.replace(tiny.DIGITS, train_for="8 steps", evaluations=1)
    return f"preset:{tiny.write_preset(tmp_path / 'teacher.json', config)}"


# -- trained on the way ----------------------------------------------------------------------------


def test_a_teacher_is_trained_first_as_a_run_of_its_own_and_only_once(preset, tmp_path, capfd):
    out = tmp_path / "runs"
    config = taught(tiny.DIGITS, teacher=preset)
    record = train(config, out)
    (parent,) = record.parents
    teacher = read_record(out / parent.run_id)
    assert runs(out) == sorted([teacher.run_id, record.run_id])
    assert "teacher" not in capfd.readouterr().err  # nobody watches
    assert teacher.steps == 8 and teacher.cost.total_s > 0 and not teacher.parents
    assert record.config["variants"][0]["teacher"] == teacher.run_id
    assert record.cost.flops_teacher > 0
    again = train_teachers(dataclasses.replace(config, seed=1), out)
    assert again.variants[0].teacher == teacher.run_id
    assert train_teachers(again, out) is again
    assert len(runs(out)) == 2
    other = train_teachers(taught(tiny.DIGITS, teacher=f"{teacher.run_id}|{preset}@5"), out)
    assert [read_record(out / name).seed for name in other.variants[0].teachers] == [0, 5]
    assert "trains the teacher preset:" in capfd.readouterr().err


def test_a_teacher_of_other_data_is_refused_before_it_is_trained(preset, tmp_path):
    with pytest.raises(VariantError, match="learns 'digits', this run 'pystdlib'"):
        train_teachers(taught(tiny.TEXT, teacher=preset), tmp_path)
    assert not runs(tmp_path)


def test_a_teacher_of_another_context_is_refused_before_it_is_trained(tmp_path):
    workload = dataclasses.replace(tiny.TEXT.workload, context=8)
    other = dataclasses.replace(tiny.TEXT, workload=workload)
    name = f"preset:{tiny.write_preset(tmp_path / 'teacher.json', other)}"
    with pytest.raises(VariantError, match=r"maps \(8,\) to 256 classes, this run \(16,\)"):
        train_teachers(taught(tiny.TEXT, teacher=name), tmp_path)


def test_a_teacher_that_teaches_itself_is_refused(tmp_path):
    path = tmp_path / "teacher.json"
    tiny.write_preset(path, taught(tiny.DIGITS, teacher=f"preset:{path}"))
    with pytest.raises(VariantError, match="teach itself"):
        train_teachers(taught(tiny.DIGITS, teacher=f"preset:{path}"), tmp_path)


def test_a_teacher_that_fails_is_named(preset, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    with pytest.raises(VariantError, match="failed with exit 1"):
        train_teachers(taught(tiny.DIGITS, teacher=preset), tmp_path)


def test_a_name_that_begins_another_is_a_name_of_its_own(tmp_path, monkeypatch):
    runs = {"preset:a": "RUN-0", "preset:a@1": "RUN-1"}
    monkeypatch.setattr(teacher._School, "_run", lambda self, name, *others: runs[name])
    given = taught(tiny.DIGITS, teacher="preset:a | OTHER|preset:a@1")
    found = train_teachers(given, tmp_path)
    assert found.variants == (Distill(teacher="RUN-0|OTHER|RUN-1"),)


def test_a_signal_to_end_reaches_the_teacher_which_is_waited_for(preset, tmp_path, monkeypatch):
    """A stand-in that asks its parent to be ended, and writes when the signal is handed on."""
    saved, child = tmp_path / "saved", tmp_path / "child"
    child.write_text(
        f"#!/bin/sh\ntrap 'touch {saved}; exit 143' TERM\nkill -TERM $PPID\n"
        "for i in $(seq 150); do sleep 0.2; done\n"
    )
    child.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(child))
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with pytest.raises(KeyboardInterrupt):
            train_teachers(taught(tiny.DIGITS, teacher=preset), tmp_path)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)
    assert saved.exists()


@pytest.mark.parametrize("agreed", [False, True])
def test_who_agreed_beforehand_agreed_to_the_teacher_too(preset, tmp_path, monkeypatch, agreed):
    said, echo = tmp_path / "said", tmp_path / "echo"
    echo.write_text(f'#!/bin/sh\necho "$@" > {said}\nexit 1\n')
    echo.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(echo))
    terms = Terms(budget=Budget.parse("1e9 FLOP"), agreed=agreed)
    with pytest.raises(VariantError, match="failed with exit 1"):
        train_teachers(taught(tiny.DIGITS, teacher=preset), tmp_path, terms=terms)
    assert ("--yes" in said.read_text().split()) == agreed


@pytest.mark.parametrize(
    "name, why",
    [
        ("preset:digit_mlp", "digits_mlp"),
        ("preset:nowhere.json", "cannot be read"),
        ("preset:digits_mlp@one", "seed 'one'"),
    ],
)
def test_a_teacher_that_nobody_defined_is_refused(name, why, tmp_path):
    with pytest.raises(ValueError, match=why):
        train_teachers(taught(tiny.DIGITS, teacher=name), tmp_path)


def test_what_reads_runs_says_how_a_teacher_becomes_one(preset, tmp_path):
    with pytest.raises(VariantError, match="is no run yet; `efficient train` trains it first"):
        outline(taught(tiny.DIGITS, teacher=preset), load("digits"), tmp_path, "cpu")


# -- loaded ----------------------------------------------------------------------------------------


def test_an_artefact_teaches_as_its_run_does(trained, tmp_path):
    record = trained(tiny.DIGITS)
    folder = tmp_path / "exported"
    shutil.copytree(trained.out / record.run_id / "artefact", folder)
    found = teachers(tiny.DIGITS, trained.out)
    images = np.random.default_rng(0).standard_normal((4, 8, 8, 1), np.float32)
    given = []
    for name in (record.run_id, str(folder)):
        apply, weights = found.tapped(name, ("hidden_0",))
        given.append(jax.device_get(apply(weights, images)))
        logits, weights = found(name)
        np.testing.assert_array_equal(logits(weights, images), given[-1].logits)
    np.testing.assert_allclose(given[0].logits, given[1].logits, atol=1e-5)
    np.testing.assert_allclose(
        given[0].features["hidden_0"], given[1].features["hidden_0"], atol=1e-5
    )
    (parent,) = parents(taught(tiny.DIGITS, teacher=str(folder)), tmp_path)
    assert (parent.role, parent.run_id) == ("teacher", record.run_id)
    student = train(taught(tiny.DIGITS, teacher=str(folder), stored=True), tmp_path / "runs")
    assert student.evidence["reference"] == record.run_id
    assert student.cost.flops_scoring > 0
    assert sorted(p.suffix for p in tmp_path.glob("exported-lessons/*")) == [
        ".json",
        ".safetensors",
    ]


def test_a_teacher_of_another_shape_is_refused(trained):
    record = trained(tiny.DIGITS)
    found = Teachers(trained.out, Signature((28, 28, 1), 10, "image"), None, load("digits"))
    for name in (record.run_id, str(trained.out / record.run_id / "artefact")):
        with pytest.raises(VariantError, match=r"maps \(8, 8, 1\) to 10 classes"):
            found(name)


def test_a_teacher_of_another_vocabulary_is_refused(trained):
    record = trained(tiny.TEXT)
    other = dataclasses.replace(
        load("pystdlib"), name="poems", details={"vocabulary": json.dumps([97, 98])}
    )
    found = teachers(tiny.TEXT, trained.out, other)
    for name in (record.run_id, str(trained.out / record.run_id / "artefact")):
        for ask in (found, lambda run: found.tapped(run, ()), lambda r: found.sampled(r, 1.0, 9)):
            with pytest.raises(VariantError, match="vocabulary of 'pystdlib', this run that of"):
                ask(name)


def test_an_unfinished_teacher_is_refused(trained, tmp_path):
    record = trained(tiny.DIGITS)
    folder = tmp_path / record.run_id
    folder.mkdir()
    plain = json.loads((trained.out / record.run_id / "record.json").read_text())
    (folder / "record.json").write_text(json.dumps(plain | {"status": "interrupted"}))
    for name in (record.run_id, str(folder)):
        with pytest.raises(VariantError, match="is interrupted, not finished; train it to its end"):
            parents(taught(tiny.DIGITS, teacher=name), tmp_path)


# -- asked once ------------------------------------------------------------------------------------


def test_a_lesson_that_nobody_computed_is_a_shape_and_a_damaged_one_is_asked_for_again(
    trained, tmp_path
):
    record = trained(tiny.DIGITS)
    lessons = shutil.ignore_patterns("lessons")
    shutil.copytree(trained.out / record.run_id, tmp_path / record.run_id, ignore=lessons)
    config = taught(tiny.DIGITS, teacher=record.run_id, stored=True)
    examples = load("digits").splits["train"]["targets"].size
    found = teachers(tiny.DIGITS, tmp_path)
    assert isinstance(found.stored(record.run_id), jax.ShapeDtypeStruct)
    assert found.stored(record.run_id).shape == (examples, 10) and not found.evidence
    planned = outline(config, load("digits"), tmp_path, "cpu")
    assert planned.teacher_step == 0

    first = train(config, tmp_path)
    assert first.evidence["lesson_paid_by"] == first.run_id
    found = teachers(tiny.DIGITS, tmp_path)
    stored = found.stored(record.run_id)
    assert found.evidence["lesson_paid_by"] == first.run_id and not found.missing
    apply, weights = found(record.run_id)
    data = jax.device_put(tiny.DIGITS.workload.arrays(load("digits"), "train"))
    batch = tiny.DIGITS.workload.window(data, np.arange(examples))
    np.testing.assert_allclose(stored, apply(weights, batch.inputs), atol=1e-5)

    (path,) = (tmp_path / record.run_id / "lessons").glob("*.safetensors")
    path.write_bytes(path.read_bytes()[:-1] + b"\x00\x01")
    assert isinstance(teachers(tiny.DIGITS, tmp_path).stored(record.run_id), jax.ShapeDtypeStruct)
    second = train(dataclasses.replace(config, seed=1), tmp_path)
    assert second.evidence["lesson_paid_by"] == second.run_id
    assert second.cost.flops_scoring == first.cost.flops_scoring > 0
