"""Several variants in one run: in which order they stand, and which cannot stand together."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import pytest
import tiny
from flax import nnx

from efficient.data import load
from efficient.models.mlp import MLPSpec
from efficient.models.signature import Signature
from efficient.run.build import build
from efficient.run.standing import Standing
from efficient.variants import (
    Distill,
    Dynamic,
    Lottery,
    Phase,
    Prune,
    Quantize,
    Remove,
    Ticket,
    VariantError,
    compose,
)
from efficient.variants.variant import conclude, divide

TWO = dataclasses.replace(tiny.TEXT, model=dataclasses.replace(tiny.TEXT.model, depth=2))
LAST = Prune(schedule="one_shot", begin=1, end=1)


def mark(name):
    """An `enter` that writes down its name."""
    return lambda work, probe: (*work, name)


def made(config, *variants, out=None):
    config = dataclasses.replace(config, variants=variants)
    return build(config, load(config.workload.data), out)


def refused(config, *variants, out=None) -> str:
    """What is said before the first step."""
    with pytest.raises(VariantError) as caught:
        built = made(config, *variants, out=out)
        standing = Standing.begin(built)
        standing.move(0)
        standing.enter(built.plan[0], None)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_step_on_a_boundary_needs_no_division():
    plan = (Phase("one", 10, mark("a")), Phase("end", 0), Phase("two", 10, mark("b"), True))
    found = divide(plan, 10, "whole", "smaller", mark("c"))
    assert [(p.name, p.steps, p.resizes) for p in found] == [
        ("one", 10, False),
        ("end", 0, False),
        ("two", 10, True),
    ]
    assert found[2].enter((), None) == ("b", "c")
    assert divide(plan, 10, "", "", mark("c"), resizes=True)[2].resizes
    for step in (0, 20, 30):
        with pytest.raises(VariantError, match=f"would start at step {step} of 20"):
            divide(plan, step, "whole", "smaller", mark("c"))


def test_a_phase_at_the_end_stands_ahead_of_conversions():
    cut = Phase("cut", 0)
    train, convert = Phase("train", 9), Phase("convert", 0)
    assert conclude((train, convert), cut) == (train, cut, convert)
    assert conclude((train,), cut) == (train, cut)
    none = dataclasses.replace(train, steps=0)
    assert conclude((none, convert), cut) == (none, cut, convert)


@pytest.mark.parametrize("other", [LAST, Remove(begin=0.0)])
def test_rounding_after_training_comes_last(other):
    model = MLPSpec((4,)).build(Signature((2, 2, 1), 3, "image"), nnx.Rngs(0))
    composed = compose((Quantize(method="ptq"), other), model, 0.0, None)
    names = [phase.name for phase in composed.plan((Phase("train", 10),))]
    assert names in (["train", "cut", "convert"], ["removal", "train", "convert"])


@pytest.mark.parametrize(
    "other",
    [
        Prune(weights="block_1/*"),
        Quantize(keep=("head", "block_0*")),
        Quantize(weights="block_[0-3]/*"),
        Distill(features="block_1/perceptron/expand=block_3/perceptron/expand"),
    ],
)
def test_layers_that_get_new_numbers_are_not_named_by_number(other):
    pattern = r"gives the layers new numbers, and \w+ names one: '\*?block_[01[]"
    with pytest.raises(VariantError, match=pattern):
        Remove(kind="layer").beside(other)
    Remove().beside(other)
    Remove(0.0, kind="layer").beside(other)


@pytest.mark.parametrize(
    "other",
    [
        Prune(weights="block_*"),
        Quantize(keep=("head",)),
        Distill(features="head=block_3/perceptron/expand:64"),
    ],
)
def test_layers_named_alike_may_get_new_numbers(other):
    Remove(kind="layer").beside(other)


@pytest.mark.parametrize(
    "other, words",
    [
        (Prune(pattern="2:4", weights="hidden*"), "prune pattern 2:4 has counted its weights"),
        (Prune(0.5, pattern="2x2"), "prune pattern 2x2 has counted its weights"),
        (Prune(schedule="one_shot"), "prune schedule one_shot has counted its weights"),
        (Prune(schedule="static"), "prune schedule static has counted its weights"),
        (Prune(end=0.2), "prune pattern unstructured has counted its weights"),
        (Dynamic(), "dynamic has counted its weights"),
        (Lottery(rounds=3), "lottery has counted its weights"),
    ],
)
def test_weights_that_were_counted_are_not_cut(other, words):
    said = refused(tiny.DIGITS, other, Remove(begin=0.5))
    assert said.startswith(words)
    assert "at step 12; cut it first (remove:begin=0)" in said


@pytest.mark.parametrize(
    "other, begin",
    [
        (Prune(0.5), 0.5),
        (Prune(0.5, pattern="filter"), 0.5),
        (Prune(pattern="2:4", weights="hidden*", begin=0.5), 0.5),
        (Prune(schedule="one_shot", begin=0.75, end=0.75), 0.5),
        (LAST, 0.5),
        (Prune(schedule="static"), 0.0),
        (Lottery(rounds=3), 0.0),
    ],
)
def test_weights_that_are_counted_later_may_be_cut(other, begin):
    made(tiny.DIGITS, other, Remove(begin=begin))


@pytest.mark.parametrize("begin", [0.0, 0.5])
def test_what_does_not_fit_the_smaller_network_is_refused_before_the_first_step(begin):
    layers = Remove(kind="layer", begin=begin)
    said = refused(TWO, Quantize(method="ptq", keep=("*_1/attention/*",)), layers)
    assert "'*_1/attention/*' matches no layer" in said
    third = Remove(1 / 16, begin=begin)
    said = refused(tiny.DIGITS, Prune(0.5, pattern="4x2", begin=0.9, end=1.0), third)
    assert "4x2 does not divide the 15 " in said


def test_features_of_a_layer_that_is_cut_are_refused_before_the_first_step(trained):
    teacher = trained(tiny.DIGITS).run_id
    same = Distill(teacher=teacher, features="hidden_0=hidden_0")
    said = refused(tiny.DIGITS, same, Remove(begin=0.5), out=trained.out)
    assert said.endswith("write hidden_0=hidden_0:16")


def test_what_is_drawn_follows_the_seed_of_the_run():
    """Whatever the weights are: with `--start` they are the same for every seed."""
    found = []
    for seed in (1, 1, 2):
        standing = Standing.begin(made(dataclasses.replace(tiny.DIGITS, seed=seed), Dynamic()))
        same = jax.tree.map(jnp.ones_like, standing.state.params)
        standing.state = standing.state._replace(params=same)
        standing.enter(standing.built.plan[0], None)
        state = standing.state.opt_state
        found.append((state.chance.tolist(), state.masks["hidden_0/kernel"].tolist()))
    assert found[0] == found[1]
    assert all(one != other for one, other in zip(found[0], found[2], strict=True))


def test_a_ticket_and_another_mask_claim_the_same_weights():
    with pytest.raises(VariantError, match="ticket and prune would claim the same weights"):
        Ticket().beside(Prune())
