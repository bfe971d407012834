"""Distillation: the loss and its laws, the text, the layers, and what is refused."""

from __future__ import annotations

import dataclasses
import functools
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from flax import nnx
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as shapes

from efficient.data import load
from efficient.deploy.format import load_arrays
from efficient.models.layers import PROJECTION, weighted_layers
from efficient.models.signature import Signature
from efficient.run.build import build
from efficient.run.lesson import Teachers
from efficient.train.step import train_step
from efficient.variants import Distill, Outputs, Phase, VariantError
from efficient.variants.compose import cross_entropy
from efficient.variants.distill.divergence import divergence, soften
from efficient.variants.distill.feature import Pair, distance, pairs
from efficient.variants.distill.teacher import blend

LOGITS = shapes.arrays(np.float32, (3, 5), elements=st.floats(-8, 8, width=32))
HEAT = st.floats(0.5, 20)
SIGNATURE = Signature((8, 8, 1), 10, "image")


# -- laws of the loss ------------------------------------------------------------------------------


@given(LOGITS, HEAT)
def test_one_teacher_is_its_own_softened_probabilities_bit_for_bit(logits, heat):
    np.testing.assert_array_equal(soften([logits], heat), jax.nn.log_softmax(logits / heat))


@given(LOGITS, LOGITS, HEAT)
def test_several_teachers_are_the_mean_of_their_probabilities(first, second, heat):
    both = jnp.exp(soften([first, second], heat))
    each = [jax.nn.softmax(logits / heat) for logits in (first, second)]
    np.testing.assert_allclose(both, (each[0] + each[1]) / 2, rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(both.sum(-1), 1, rtol=1e-5)


@given(LOGITS, LOGITS, HEAT)
def test_the_divergence_is_zero_at_the_teacher_and_positive_elsewhere(target, logits, heat):
    assert float(jnp.abs(divergence(target, target, heat)).max()) == 0
    assert float(divergence(target, logits, heat).min()) > -1e-5
    np.testing.assert_allclose(
        divergence(target, logits + 3, heat), divergence(target, logits, heat), atol=1e-4
    )


def test_a_hot_loss_is_the_squared_distance_of_the_logits():
    """Hinton et al. 2015, section 2.1: T^2 KL tends to |z - v|^2 / (2 N) of centred logits."""
    key = jax.random.split(jax.random.key(0))
    target, logits = (jax.random.normal(k, (4, 6)) for k in key)
    target, logits = (x - x.mean(-1, keepdims=True) for x in (target, logits))
    hot = 40.0**2 * divergence(target, logits, 40.0)
    np.testing.assert_allclose(hot, ((target - logits) ** 2).sum(-1) / 12, rtol=0.05)


def fake_load(**teachers):
    """Teachers that say the same of every example."""
    said = {name: jnp.asarray(logits) for name, logits in teachers.items()}
    return SimpleNamespace(
        tapped=lambda run, layers: (lambda w, inputs: Outputs(w, {}), said[run]),
        stored=lambda run: said[run],
    )


def loss_of(variant, load, logits):
    objective, frozen = variant.objective(cross_entropy(0.0), load)
    index = jnp.arange(len(logits), dtype=jnp.int32)
    batch = SimpleNamespace(
        inputs=logits, targets=index, weights=jnp.ones(len(logits)), index=index
    )
    return float(objective(Outputs(logits, {}), batch, frozen))


@given(LOGITS, LOGITS, st.floats(0.1, 1))
def test_the_loss_is_the_mixture_of_its_two_parts(target, logits, mix):
    variant, load = Distill(teacher="a", mix=mix, temperature=3.0), fake_load(a=target)
    hard = loss_of(Distill(mix=0), None, logits)
    soft = 9 * float(divergence(target, logits, 3.0).mean())
    expected = (1 - mix) * hard + mix * soft
    assert loss_of(variant, load, logits) == pytest.approx(expected, rel=1e-4, abs=1e-5)


@given(LOGITS, LOGITS, LOGITS)
def test_stored_teachers_say_what_live_ones_say(first, second, logits):
    load = fake_load(a=first, b=second)
    live = Distill(teacher="a|b", mix=1.0)
    stored = dataclasses.replace(live, stored=True)
    assert loss_of(live, load, logits) == loss_of(stored, load, logits)


# -- text that a teacher wrote ---------------------------------------------------------------------


@given(st.integers(1, 60), st.integers(1, 30), st.floats(0, 1), st.integers(1, 8))
def test_a_share_of_the_blocks_is_the_teachers_text_in_its_order(tokens, amount, share, block):
    mixed = blend(np.zeros(tokens, int), 1 + np.arange(amount), share, block)
    taken = mixed[mixed > 0]
    whole = tokens // block * block
    blocks = mixed[:whole].reshape(-1, block) > 0
    assert (blocks.all(1) | ~blocks.any(1)).all()
    assert abs(int(blocks.any(1).sum()) - share * len(blocks)) <= 1
    np.testing.assert_array_equal(taken, 1 + np.arange(len(taken)) % amount)


def test_the_whole_text_is_the_teachers_at_a_share_of_one():
    mixed = blend(np.full(7, 9), np.arange(3), 1.0, 2)
    np.testing.assert_array_equal(mixed, [0, 1, 2, 0, 1, 2, 0])


@pytest.mark.slow
def test_a_sequence_student_reads_what_its_teacher_wrote(trained):
    teacher = trained(tiny.TEXT).run_id
    variant = Distill(teacher=teacher, level="sequence", temperature=1.0, mix=1.0, amount=600)
    record = trained(dataclasses.replace(tiny.TEXT, variants=(variant,)))
    assert record.status == "finished"
    assert record.cost.flops_teacher == 0 < record.cost.flops_scoring
    assert record.cost.laps["scoring"] > 0
    assert record.evidence["lesson_paid_by"] == record.run_id
    assert record.params_digest != trained(tiny.TEXT).params_digest


# -- layers ----------------------------------------------------------------------------------------


def test_pairs_of_layers_are_read_from_one_line():
    assert pairs("") == ()
    assert pairs("a/b=c | d=e:12") == (Pair("a/b", "c", 0), Pair("d", "e", 12))
    assert [str(pair) for pair in pairs("a=b|c=d:3")] == ["a=b", "c=d:3"]


@pytest.mark.parametrize("text", ["a", "a=", "=b", "a=b:0", "a=b:x", "a=b|a=c", "a=b|", "a=b=c"])
def test_what_is_no_pair_of_layers_is_refused(text):
    with pytest.raises(VariantError, match="distill features"):
        Distill(teacher="x", features=text)


def test_the_distance_is_the_mean_square_over_units_of_any_rank():
    wanted, weights = pairs("a=b"), jnp.array([[1.0, 1, 0], [1, 0, 0]])
    mine, theirs = jnp.zeros((2, 3, 4)), jnp.full((2, 3, 4), 2.0).at[0, 2].set(9)
    assert float(distance(wanted, {"a": mine}, {"b": theirs}, weights)) == pytest.approx(4)
    images = {"a": jnp.ones((2, 5, 5, 3))}, {"b": jnp.zeros((2, 5, 5, 3))}
    assert float(distance(wanted, *images, jnp.ones(2))) == pytest.approx(1)


@pytest.mark.parametrize(
    "student, teacher, remedy",
    [((2, 4), (2, 6), "write a=b:6"), ((2, 4, 4, 3), (2, 8, 8, 3), "same height and width")],
)
def test_features_of_other_shapes_are_refused_with_what_to_write(student, teacher, remedy):
    with pytest.raises(VariantError, match=remedy):
        distance(pairs("a=b"), {"a": jnp.ones(student)}, {"b": jnp.ones(teacher)}, jnp.ones(2))


@pytest.fixture(scope="module")
def hinted(trained):
    """A narrow student whose hidden layer follows the wider one of its teacher."""
    model = dataclasses.replace(tiny.DIGITS.model, hidden=(24,))
    teacher = trained(dataclasses.replace(tiny.DIGITS, model=model)).run_id
    variant = Distill(teacher=teacher, features="hidden_0=hidden_0:24", hint=0.5)
    return dataclasses.replace(tiny.DIGITS, variants=(variant,))


def test_a_projection_is_trained_and_does_not_ship(hinted, trained):
    record = trained(hinted)
    folder = trained.out / record.run_id
    weights = load_arrays(folder / "weights.safetensors")
    projection = weights[f"params/hidden_0/slots/{PROJECTION}"]
    assert projection.shape == (16, 24) and np.abs(projection).max() > 0
    shipped = load_arrays(folder / "artefact" / "weights.safetensors")
    plain = trained.out / trained(tiny.DIGITS).run_id / "artefact" / "weights.safetensors"
    assert {n: a.shape for n, a in shipped.items()} == {
        n: a.shape for n, a in load_arrays(plain).items()
    }
    assert record.scores["artefact"].loss == pytest.approx(record.scores["test"].loss, abs=1e-5)
    assert record.cost.flops_model == trained(tiny.DIGITS).cost.flops_model
    assert record.cost.flops_inference == trained(tiny.DIGITS).cost.flops_inference


def test_the_state_of_a_student_with_taps_is_a_fixed_point(hinted, trained):
    built = build(hinted, load("digits"), trained.out)
    state = jax.eval_shape(built.initial)
    step = functools.partial(train_step, built.program)
    after, _ = jax.eval_shape(step, state, built.batch, built.frozen)
    assert after == state


def test_features_of_a_student_come_nearer_to_its_teachers(trained):
    teacher = trained(tiny.DIGITS).run_id
    variant = Distill(teacher=teacher, mix=0.0, features="hidden_0=hidden_0", hint=2.0)
    student = dataclasses.replace(tiny.DIGITS, seed=1)
    hinted = dataclasses.replace(student, variants=(variant,))
    dataset = load("digits")
    teachers = Teachers(trained.out, SIGNATURE, tiny.DIGITS.workload, dataset)
    images = tiny.DIGITS.workload.window(
        jax.device_put(tiny.DIGITS.workload.arrays(dataset, "train")), jnp.arange(64)
    ).inputs

    def hidden(run):
        apply, weights = teachers.tapped(run, ("hidden_0",))
        return np.asarray(apply(weights, images).features["hidden_0"])

    target = hidden(teacher)
    far, near = (
        float(((hidden(trained(config).run_id) - target) ** 2).mean())
        for config in (student, hinted)
    )
    assert near < 0.8 * far


# -- runs ------------------------------------------------------------------------------------------


def test_a_distilled_student_is_nearer_to_its_teacher_than_an_undistilled_one(trained):
    teacher = trained(dataclasses.replace(tiny.DIGITS, train_for="120 steps")).run_id
    student = dataclasses.replace(tiny.DIGITS, seed=1)
    alone = trained(dataclasses.replace(student, reference=teacher))
    variants = (Distill(teacher=teacher, mix=1.0, temperature=1.0),)
    taught = trained(dataclasses.replace(student, variants=variants))
    assert taught.evidence["reference"] == alone.evidence["reference"] == teacher
    nearer = taught.evidence["reference_divergence"]
    assert nearer < alone.evidence["reference_divergence"]


def test_two_teachers_are_both_parents_and_both_on_the_bill(trained):
    first, second = (trained(dataclasses.replace(tiny.DIGITS, seed=s)).run_id for s in (0, 1))
    one, both = (
        trained(dataclasses.replace(tiny.DIGITS, seed=2, variants=(Distill(teacher=names),)))
        for names in (first, f"{first}|{second}")
    )
    assert [(p.role, p.run_id) for p in both.parents] == [("teacher", first), ("teacher", second)]
    assert both.cost.flops_teacher == 2 * one.cost.flops_teacher
    assert both.evidence["reference"] == first


def test_stored_outputs_train_the_same_student_and_are_paid_for_once(trained):
    teacher = trained(tiny.DIGITS).run_id
    runs = [
        dataclasses.replace(tiny.DIGITS, seed=3, variants=(Distill(teacher=teacher, **settings),))
        for settings in ({}, {"stored": True}, {"stored": True, "temperature": 2.0})
    ]
    live, first, later = (trained(config) for config in runs)
    own, stored = (
        load_arrays(trained.out / record.run_id / "weights.safetensors") for record in (live, first)
    )
    for name, array in own.items():
        np.testing.assert_allclose(stored[name], array, atol=1e-5)
    assert live.cost.flops_teacher > 0 == first.cost.flops_teacher == later.cost.flops_teacher
    assert first.cost.flops_executed == live.cost.flops_executed - live.cost.flops_teacher
    assert first.evidence["lesson_paid_by"] == later.evidence["lesson_paid_by"] == first.run_id
    assert first.cost.flops_scoring == first.evidence["lesson_flops"] > 0
    assert later.evidence["lesson_flops"] == first.evidence["lesson_flops"]
    assert later.cost.flops_scoring == live.cost.flops_scoring == 0
    assert "lesson_paid_by" not in live.evidence


# -- what is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings, why",
    [
        (dict(temperature=0), "temperature 0 must be above 0"),
        (dict(mix=1.5), "mix 1.5"),
        (dict(mix=-0.1), "mix -0.1"),
        (dict(hint=0), "hint 0 must be above 0"),
        (dict(amount=0), "amount 0"),
        (dict(level="word"), "level 'word' is neither of token, sequence"),
        (dict(teacher="a|b|a"), "names a teacher twice"),
        (dict(features="a=b", stored=True), "follow one live teacher"),
        (dict(features="a=b", teacher="a|b"), "follow one live teacher"),
        (dict(level="sequence"), "noise at temperature 4; give temperature=1"),
        (dict(level="sequence", temperature=1, stored=True), "takes one teacher"),
        (dict(level="sequence", temperature=1, teacher="a|b"), "takes one teacher"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, why):
    with pytest.raises(VariantError, match=why) as caught:
        Distill(**settings)
    assert "\n" not in str(caught.value)


def test_a_teacher_is_asked_for():
    with pytest.raises(VariantError, match="needs a teacher"):
        Distill().parents()
    assert Distill(teacher=" a | b ").parents() == (("teacher", "a"), ("teacher", "b"))


@pytest.mark.parametrize(
    "config, settings, why",
    [
        (tiny.TEXT, dict(stored=True), "stored=true fits images only"),
        (tiny.DIGITS, dict(level="sequence", temperature=1.0), "needs a language model"),
        (
            tiny.DIGITS,
            dict(features="nope=hidden_0"),
            "student has no layer 'nope'.*hidden_0, head",
        ),
        (tiny.DIGITS, dict(features="hidden_0=nope"), "has no layer 'nope'.*hidden_0, head"),
    ],
)
def test_what_does_not_fit_the_workload_or_the_network_is_refused(config, settings, why, trained):
    variant = Distill(teacher=trained(config).run_id, **settings)
    config = dataclasses.replace(config, variants=(variant,))
    with pytest.raises(ValueError, match=why) as caught:
        build(config, load(config.workload.data), trained.out)
    assert "\n" not in str(caught.value)


def test_a_neutral_setting_gives_back_what_it_was_given():
    model = tiny.DIGITS.model.build(SIGNATURE, nnx.Rngs(0))
    plan = (Phase("train", 3),)
    for variant in (Distill(mix=0), Distill(mix=0, level="sequence", temperature=1.0)):
        assert variant.rewrite(model) is model
        assert variant.phases(plan) is plan
        assert variant.parents() == ()
    assert not any(layer.tapped for layer in weighted_layers(model).values())
