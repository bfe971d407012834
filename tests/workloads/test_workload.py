"""Workloads on data small enough to check by hand."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from efficient.train.loop import Evaluation
from efficient.workloads import Batch, ImageClassification, LanguageModel, WorkloadError, score

CONTEXT = 5


def images(count: int = 12):
    """A dataset of images whose pixels tell where they come from."""
    rng = np.random.default_rng(0)
    inputs = rng.integers(1, 256, size=(count, 6, 6, 2), dtype=np.uint8)
    targets = rng.integers(0, 4, size=count).astype(np.int32)
    split = {"inputs": inputs, "targets": targets}
    return SimpleNamespace(kind="image", classes=4, splits=dict.fromkeys(("train", "test"), split))


def text(tokens: int):
    split = {"tokens": np.arange(tokens, dtype=np.uint8)}
    return SimpleNamespace(kind="text", classes=256, splits={"train": split, "test": split})


def device(workload, dataset, split="train"):
    return jax.tree.map(jnp.asarray, workload.arrays(dataset, split))


def test_training_images_have_mean_zero_and_deviation_one_by_channel():
    workload, dataset = ImageClassification("x"), images()
    batch = workload.window(device(workload, dataset), jnp.arange(12))
    assert batch.inputs.shape == (12, 6, 6, 2)
    np.testing.assert_allclose(batch.inputs.mean((0, 1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(batch.inputs.std((0, 1, 2)), 1, rtol=1e-5)
    np.testing.assert_array_equal(batch.targets, dataset.splits["train"]["targets"])


def test_numbers_past_the_end_weigh_nothing():
    workload = ImageClassification("x")
    batch = workload.window(device(workload, images()), jnp.arange(10, 16))
    assert batch.weights.tolist() == [1, 1, 0, 0, 0, 0]
    assert np.isfinite(batch.inputs).all()


def test_without_augmentation_a_sample_is_the_window():
    workload = ImageClassification("x")
    data, index = device(workload, images()), jnp.array([3, 1, 7])
    sample = workload.sample(data, index, jax.random.key(0))
    jax.tree.map(np.testing.assert_array_equal, sample, workload.window(data, index))


@pytest.mark.parametrize("crop, flip", [(2, False), (0, True), (2, True)])
def test_augmentation_keeps_the_shape_and_follows_the_key(crop, flip):
    workload = ImageClassification("x", crop=crop, flip=flip)
    data, index = device(workload, images()), jnp.arange(12)
    draw = jax.jit(lambda key: workload.sample(data, index, key).inputs)
    first, again, other = draw(jax.random.key(0)), draw(jax.random.key(0)), draw(jax.random.key(1))
    assert first.shape == (12, 6, 6, 2)
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_a_flip_mirrors_left_to_right_and_about_half():
    workload = ImageClassification("x", flip=True)
    data, index = device(workload, images()), jnp.tile(jnp.arange(12), 20)
    drawn = np.asarray(workload.sample(data, index, jax.random.key(0)).inputs)
    plain = np.asarray(workload.window(data, index).inputs)
    mirrored = (drawn == plain[:, :, ::-1]).all((1, 2, 3))
    assert (mirrored | (drawn == plain).all((1, 2, 3))).all()
    assert 0.35 < mirrored.mean() < 0.65


def test_a_crop_shifts_the_image_over_black():
    """Every drawn image is one of the 25 shifts of the padded original, not always the same."""
    workload = ImageClassification("x", crop=2)
    dataset = images()
    data, index = device(workload, dataset), jnp.arange(12)
    black = (
        ImageClassification("x")
        .window(data | {"inputs": jnp.zeros_like(data["inputs"])}, index)
        .inputs[0, 0, 0]
    )
    drawn = np.asarray(workload.sample(data, index, jax.random.key(0)).inputs)
    plain = np.asarray(workload.window(data, index).inputs)
    padded = np.pad(plain - np.asarray(black), ((0, 0), (2, 2), (2, 2), (0, 0))) + np.asarray(black)
    shifts = [padded[:, top : top + 6, left : left + 6] for top in range(5) for left in range(5)]
    same = np.array([np.isclose(drawn, shift, atol=1e-5).all((1, 2, 3)) for shift in shifts])
    assert same.any(0).all()
    assert len(set(same.argmax(0).tolist())) > 3


def test_the_score_by_hand():
    logits = jnp.log(jnp.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4]]))
    batch = Batch(jnp.zeros(3), jnp.array([0, 2, 2]), jnp.array([1.0, 1.0, 0.0]), jnp.arange(3))
    found = score(logits, batch)
    np.testing.assert_allclose(found.loss, [-np.log(0.7), -np.log(0.1), 0], rtol=1e-5)
    assert found.correct.tolist() == [1, 0, 0]
    assert found.weight.tolist() == [1, 1, 0]


@pytest.mark.parametrize("workload", [ImageClassification("x"), LanguageModel("x", CONTEXT, 7)])
def test_the_score_does_not_depend_on_the_evaluation_batch(workload):
    dataset = images() if workload.unit == "image" else text(101)
    data, count = device(workload, dataset, "test"), workload.examples(dataset, "test")

    def measure(weights, batch):
        fed = batch.inputs.reshape(len(batch.index), -1).astype(jnp.float32)
        logits = jnp.sin(fed.sum(1, keepdims=True) * weights[None])
        shape = (*batch.targets.shape, weights.size)
        logits = logits if batch.targets.ndim == 1 else jnp.broadcast_to(logits[:, None], shape)
        return score(logits, batch)

    totals = []
    for size in (1, 5, count):
        evaluation = Evaluation(measure, workload.window, data, count, size)
        evaluation.prepare(jnp.arange(256.0))
        totals.append([part.sum() for part in evaluation.run(jnp.arange(256.0))])
    np.testing.assert_allclose(totals[0], totals[1], rtol=1e-5)
    np.testing.assert_allclose(totals[0], totals[2], rtol=1e-5)
    assert totals[0][2] == (12 if workload.unit == "image" else 7 * CONTEXT)


@pytest.mark.parametrize("tokens", [CONTEXT + 1, 60, 61, 64])
def test_windows_cover_the_text_without_overlap(tokens):
    workload, dataset = LanguageModel("x", CONTEXT), text(tokens)
    count = workload.examples(dataset, "test")
    batch = workload.window(workload.arrays(dataset, "test"), np.arange(count))
    covered = np.asarray(batch.targets).ravel()
    np.testing.assert_array_equal(covered, 1 + np.arange(count * CONTEXT))
    np.testing.assert_array_equal(np.asarray(batch.inputs).ravel(), np.arange(count * CONTEXT))
    assert tokens - 1 - len(covered) < CONTEXT
    assert batch.weights.all()


def test_a_limit_of_windows_leaves_training_whole():
    workload, dataset = LanguageModel("x", CONTEXT, 2), text(61)
    count = workload.examples(dataset, "train")
    batch = workload.window(workload.arrays(dataset, "train"), np.arange(count))
    assert batch.weights.all()


@pytest.mark.parametrize("tokens, windows", [(61, 3), (61, 5), (61, 12), (64, 50), (6, 1)])
def test_a_limit_of_windows_is_spread_evenly(tokens, windows):
    workload, dataset = LanguageModel("x", CONTEXT, windows), text(tokens)
    cover, count = (tokens - 1) // CONTEXT, workload.examples(dataset, "test")
    assert count == min(windows, cover)
    assert workload.examples(dataset, "train") == cover
    batch = workload.window(workload.arrays(dataset, "test"), np.arange(count + 2))
    starts = np.asarray(batch.inputs)[:count, 0]
    assert set(np.diff(starts).tolist()) <= {cover // count * CONTEXT}
    assert (starts % CONTEXT == 0).all()
    assert batch.weights[:count].all()
    assert not batch.weights[count:].any()


def test_training_windows_are_shifted_inside_the_text():
    workload, dataset = LanguageModel("x", CONTEXT), text(33)
    data, index = device(workload, dataset), jnp.tile(jnp.arange(6), 30)
    batch = workload.sample(data, index, jax.random.key(0))
    np.testing.assert_array_equal(batch.targets, batch.inputs + 1)
    shift = np.asarray(batch.inputs)[:, 0] - CONTEXT * np.asarray(index)
    assert set(shift[np.asarray(index) < 5].tolist()) == set(range(CONTEXT))
    assert shift.max() < CONTEXT
    assert np.asarray(batch.targets).max() == 32


def test_data_of_the_other_kind_and_texts_too_short_are_refused():
    for workload, dataset in ((ImageClassification("x"), text(50)), (LanguageModel("x"), images())):
        with pytest.raises(WorkloadError, match="use a preset"):
            workload.check(dataset)
    with pytest.raises(WorkloadError, match="context 64"):
        LanguageModel("x", context=64).check(text(64))
    dataclasses.replace(LanguageModel("x", context=63)).check(text(64))
