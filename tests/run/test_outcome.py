"""What a run leaves behind: finished, not finite, or refused before anything was written."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import tiny

from efficient.ledger.record import FINISHED, NONFINITE
from efficient.ledger.store import digest_file, read_lines, read_record
from efficient.run import train
from efficient.run.attempt import Attempt
from efficient.train.optimizer import Optimizer, Schedule
from efficient.variants import Distill, Variant
from efficient.variants.variant import divide, steps_of

FAST = dataclasses.replace(tiny.DIGITS, chunk_steps=4, evaluations=6, checkpoint_s=0.0)


@dataclass(frozen=True)
class Explode(Variant):
    """Makes the weights infinite at half of the run."""

    def phases(self, plan):
        def explode(work, probe):
            return replace(work, params=jax.tree.map(lambda x: x + jnp.inf, work.params))

        return divide(plan, steps_of(plan) // 2, "sane", "broken", explode)


def test_a_finished_run_leaves_a_record_that_reads_back_equal(trained):
    record = trained(tiny.DIGITS)
    directory = trained.out / record.run_id
    assert read_record(directory) == record
    assert record.status == FINISHED
    assert set(record.scores) == {"validation", "test", "artefact"}
    assert record.scores["test"].units == record.data.splits["test"].examples
    assert record.scores["test"] == record.scores["artefact"]
    assert [point.step for point in record.points] == [8, 16, 24]
    assert read_lines(directory / "curve.jsonl")[-1]["step"] == 24
    for name, file in record.files.items():
        path = directory / name
        assert (digest_file(path), path.stat().st_size) == (file.sha256, file.bytes)


def test_predictions_of_every_test_example_give_the_score(trained):
    record = trained(tiny.DIGITS)
    found = np.load(trained.out / record.run_id / "predictions.npz")
    assert found["correct"].sum() / found["weight"].sum() == record.scores["test"].accuracy
    assert len(found["loss"]) == record.scores["test"].units


@pytest.mark.parametrize("steps, evaluations", [(49, 1), (24, 5), (10, 10)])
def test_the_curve_always_ends_at_the_last_step(tmp_path, steps, evaluations):
    """A share of steps as a float may fall short: 49 * (1 / 49) < 1."""
    config = dataclasses.replace(
        tiny.DIGITS, train_for=f"{steps} steps", evaluations=evaluations, chunk_steps=1
    )
    record = train(config, tmp_path)
    assert len(record.points) == evaluations
    assert record.points[-1].step == steps
    assert record.scores["validation"] == record.points[-1].validation


def test_infinite_weights_stop_the_run_and_keep_the_last_good_point(tmp_path):
    record = train(dataclasses.replace(FAST, variants=(Explode(),)), tmp_path)
    directory = tmp_path / record.run_id
    assert record.status == NONFINITE
    assert read_record(directory).status == NONFINITE
    assert [point.step for point in record.points] == [4, 8, 12]
    assert math.isfinite(record.points[-1].train_loss)
    assert record.scores == {"validation": record.points[-1].validation}
    assert record.notes == ("the loss is not finite from step 13 on",)
    assert record.params_digest is None
    assert record.cost.flops_inference is None
    assert not (directory / "artefact").exists()
    assert not (directory / "weights.safetensors").exists()
    assert len(list((directory / "checkpoints").glob("*.json"))) > 0
    assert record.cost.processes[-1].outcome == NONFINITE


@dataclass(frozen=True)
class Stumble(Variant):
    """Makes the weights infinite in the very last update."""

    def extend(self, tx, weights, plan):
        def update(updates, state, params=None):
            updates, state = tx.update(updates, state, params)
            last = optax.tree.get(state, "count", default=None, filtering=_first_count)
            broken = jnp.where(last >= steps_of(plan), jnp.inf, 0.0)
            return jax.tree.map(lambda u: u + broken, updates), state

        return optax.GradientTransformation(tx.init, update)


def _first_count(path, value):
    return "ScaleByAdam" in str(path)


def test_weights_that_break_in_the_last_update_are_not_a_result(tmp_path):
    record = train(dataclasses.replace(FAST, variants=(Stumble(),)), tmp_path)
    assert record.status == NONFINITE
    assert record.notes == ("the validation loss is not finite at step 24",)
    assert [point.step for point in record.points] == [4, 8, 12, 16, 20]
    assert not (tmp_path / record.run_id / "artefact").exists()


def test_the_best_point_is_never_denser_than_what_was_asked(tmp_path):
    unruly = Optimizer("sgd", lr=3.0, momentum=0.95, schedule=Schedule("constant"))
    config = dataclasses.replace(
        tiny.DIGITS, optimizer=unruly, chunk_steps=1, evaluations=24, select="best"
    )
    evidence = train(dataclasses.replace(config, variants=(tiny.PRUNE,)), tmp_path).evidence
    assert evidence["weights_kept"] == evidence["weights_asked"]
    assert evidence["weights_removed_nonzero"] == 0


def test_a_rate_far_too_large_is_not_a_result(tmp_path):
    wild = Optimizer("sgd", lr=1e30, schedule=Schedule("constant"))
    record = train(dataclasses.replace(FAST, optimizer=wild), tmp_path)
    assert (record.status, record.scores, record.points) == (NONFINITE, {}, ())
    json.dumps(json.loads((tmp_path / record.run_id / "record.json").read_text()), allow_nan=False)


def test_a_run_that_was_not_finite_is_a_new_attempt_next_time(tmp_path):
    config = dataclasses.replace(FAST, variants=(Explode(),))
    first, second = train(config, tmp_path), train(config, tmp_path)
    assert (first.run_id[-4:], second.run_id[-4:]) == ("0001", "0002")


def test_the_best_on_validation_is_what_is_scored_and_shipped(trained, tmp_path):
    """A rate that explodes late: the best point is not the last one."""
    unruly = Optimizer("sgd", lr=3.0, momentum=0.95, schedule=Schedule("constant"))
    config = dataclasses.replace(tiny.DIGITS, optimizer=unruly, chunk_steps=1, evaluations=24)
    final = trained(config)
    record = train(dataclasses.replace(config, select="best"), tmp_path)
    best = min(record.points, key=lambda point: point.validation.loss)
    assert best.step < tiny.STEPS
    assert record.scores["validation"] == best.validation
    assert record.scores["validation"].loss < final.scores["validation"].loss
    assert record.params_digest == final.params_digest
    assert record.scores["test"] == record.scores["artefact"] != final.scores["test"]


def test_start_begins_with_the_weights_of_another_run(trained):
    first = trained(tiny.DIGITS)
    config = dataclasses.replace(tiny.DIGITS, start=first.run_id, train_for="1 steps")
    frozen = dataclasses.replace(config, optimizer=Optimizer("sgd", lr=1e-30))
    record = trained(frozen)
    assert record.parents[0].role == "start"
    assert (record.parents[0].run_id, record.parents[0].request) == (first.run_id, first.request)
    assert record.params_digest == first.params_digest
    assert record.scores["test"] == first.scores["test"]


def test_a_parent_must_exist_be_finished_and_fit(trained, tmp_path):
    broken = train(dataclasses.replace(FAST, variants=(Explode(),)), tmp_path)
    text = trained(tiny.TEXT)
    cases = [
        (tmp_path, dict(start="nobody"), "nobody"),
        (tmp_path, dict(start=broken.run_id), "not finished"),
        (trained.out, dict(start=text.run_id), "another network"),
        (trained.out, dict(variants=(Distill(teacher=text.run_id),)), "classes"),
        (trained.out, dict(variants=(Distill(),)), "needs a teacher"),
    ]
    for out, change, words in cases:
        before = sorted(out.iterdir())
        with pytest.raises(ValueError, match=words) as caught:
            train(dataclasses.replace(FAST, **change), out)
        assert "\n" not in str(caught.value)
        assert sorted(out.iterdir()) == before


def test_a_reference_is_compared_with_in_nats(trained):
    first = trained(tiny.DIGITS)
    same = trained(dataclasses.replace(tiny.DIGITS, reference=first.run_id))
    other = trained(dataclasses.replace(tiny.DIGITS, reference=first.run_id, seed=1))
    assert same.evidence["reference_divergence"] == pytest.approx(0, abs=1e-6)
    assert other.evidence["reference_divergence"] > 0.01
    assert [parent.role for parent in other.parents] == ["reference"]


@pytest.mark.parametrize("arm", ["a [0.9] (quick)", "../escape", "50 % / uniform"])
def test_any_label_makes_a_folder_of_its_own(arm, tmp_path):
    config = dataclasses.replace(tiny.DIGITS, arm=arm, train_for="8 steps")
    first, second = train(config, tmp_path), train(config, tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {first.run_id, second.run_id}
    assert first.arm == arm


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="--out"):
        Attempt.open(tmp_path / "file", "stem")
    with pytest.raises(ValueError, match="--out"):
        train(tiny.DIGITS, tmp_path / "file")


def test_more_than_an_epoch_in_a_batch_is_refused(tmp_path):
    with pytest.raises(ValueError, match="batch_size 5000"):
        train(dataclasses.replace(tiny.DIGITS, batch_size=5000), tmp_path)
