"""Pruning by masks: exact counts whatever the choices, when it removes, and what it refuses."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scoring import begin, cut

from efficient.models.mlp import MLPSpec
from efficient.variants import Phase, Prune, VariantError, Work
from efficient.variants.prune.pattern import parse
from efficient.variants.prune.state import mask_state
from efficient.variants.variant import Weight

TABLE = (
    Weight("one", (4, 6), "linear"),
    Weight("two", (6, 5), "linear"),
    Weight("table", (9, 4), "embedding"),
)
#: Twelve inputs and outputs: every pattern divides them.
EVEN = (Weight("one", (8, 12), "linear"), Weight("two", (3, 3, 4, 8), "convolution"))


def masks_of(variant: Prune, steps: int, table=TABLE, inner=None, seed: int = 1):
    """Updates by random gradients; weights and the state after each step."""
    tx = variant.extend(inner or optax.sgd(0.01), table, (Phase("train", steps),))
    rng = np.random.default_rng(seed)
    params = {w.path: {"kernel": jnp.asarray(rng.normal(size=w.shape), jnp.float32)} for w in table}
    state = tx.init(params)
    step = jax.jit(tx.update)
    history = []
    for _ in range(steps):
        grads = jax.tree.map(lambda p: jnp.asarray(rng.normal(size=p.shape), jnp.float32), params)
        updates, state = step(grads, state, params)
        params = optax.apply_updates(params, updates)
        history.append((params, state))
    return history


def test_removed_weights_are_zero_and_stay_so():
    variant = Prune(sparsity=0.8, begin=0.2, end=0.7, updates=3)
    dead = None
    for params, state in masks_of(variant, 20, inner=optax.adam(0.05)):
        nonzero = [int(jnp.count_nonzero(params[n]["kernel"])) for n in ("one", "two")]
        assert nonzero == state.kept.tolist()
        zero = np.concatenate(
            [np.asarray(params[n]["kernel"]).ravel() == 0 for n in ("one", "two")]
        )
        assert dead is None or (zero >= dead).all()
        dead = zero
    assert nonzero == [round(0.2 * 24), round(0.2 * 30)]
    assert (params["table"]["kernel"] != 0).all()


def test_the_schedule_is_cubic_between_begin_and_end():
    variant = Prune(sparsity=0.8, begin=0.2, end=0.8, updates=3)
    kept = [state.kept.tolist()[1] for _, state in masks_of(variant, 20)]
    assert kept[:4] == [30] * 4
    expected = {4: 0, 8: 1, 12: 2, 16: 3}
    for step, number in expected.items():
        sparsity = 0.8 * (1 - (1 - number / 3) ** 3)
        assert kept[step] == round((1 - sparsity) * 30)
    assert kept[16:] == [6] * 4


@pytest.mark.parametrize("begin, end, updates", [(0, 1, 10), (1 / 3, 1, 4), (0.9, 0.95, 8)])
def test_a_ramp_to_the_end_of_the_run_reaches_its_target(begin, end, updates):
    variant = Prune(sparsity=0.8, begin=begin, end=end, updates=updates)
    for steps in (12, 30, 1000):
        ramp = variant.ramp(steps)
        assert 0 <= ramp.begin <= ramp.last < steps
        assert ramp.shares[-1] == 1
    _, state = masks_of(variant, 12)[-1]
    assert state.kept.tolist() == [round(0.2 * 24), round(0.2 * 30)]


@pytest.mark.parametrize("begin, steps", [(1.0, 10), (0.96, 10), (0.1, 0), (0.0, 0)])
def test_a_ramp_without_a_step_is_refused(begin, steps):
    with pytest.raises(VariantError, match=f"begin {begin:g} on in a run of {steps} steps; beg"):
        Prune(begin=begin, end=1).extend(optax.sgd(0.1), TABLE, (Phase("train", steps),))


def test_saliency_is_of_the_weights_that_the_gradient_is_of():
    """Under a large update, |gradient x weight| of before and of after are another choice."""
    variant = Prune(sparsity=0.5, criterion="saliency", begin=0, end=0)
    tx = variant.extend(optax.sgd(1.0), TABLE[:1], (Phase("train", 4),))
    rng = np.random.default_rng(0)
    weights, slopes = rng.normal(size=(2, 4, 6)).astype(np.float32)
    params, gradient = ({"one": {"kernel": jnp.asarray(x)}} for x in (weights, slopes))
    _, state = tx.update(gradient, tx.init(params), params)
    felt, moved = np.abs(slopes * weights), np.abs(slopes * (weights - slopes))
    expected = felt >= np.sort(felt.ravel())[12]
    np.testing.assert_array_equal(state.masks["one/kernel"], expected)
    assert (expected != (moved >= np.sort(moved.ravel())[12])).any()


def test_momentum_never_sees_a_removed_weight():
    variant = Prune(sparsity=0.5, begin=0.0, end=0.0)
    params, state = masks_of(variant, 6, inner=optax.sgd(0.1, momentum=0.9))[-1]
    trace = optax.tree.get(state.inner, "trace")
    for path in ("one", "two"):
        gone = np.asarray(params[path]["kernel"]) == 0
        removed_later = np.asarray(trace[path]["kernel"])[gone]
        early = 0.9**5 * 5  # what is left of the first step's gradient
        assert np.abs(removed_later).max() < early


CHOICES = [
    dict(),
    dict(scope="global"),
    dict(scope="erk"),
    dict(criterion="random"),
    dict(criterion="random", scope="erk"),
    dict(criterion="saliency"),
    dict(criterion="l1", pattern="filter"),
    dict(criterion="magnitude", pattern="filter"),
    dict(pattern="2x4"),
    dict(pattern="2x4", scope="global"),
    dict(pattern="4x2", scope="erk", criterion="saliency"),
    dict(pattern="2:4"),
    dict(pattern="1:4", criterion="random"),
]


@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_gradual_removes_for_good_and_ends_exactly_as_claimed(choice):
    settings = dict(begin=0.1, end=0.8, updates=4) | choice
    if "pattern" not in choice or ":" not in choice["pattern"]:
        settings["sparsity"] = 0.7
    variant = Prune(**settings)
    pattern, before = parse(variant.pattern), None
    for params, state in masks_of(variant, 12, EVEN):
        now = {name: np.asarray(mask) for name, mask in state.masks.items()}
        for name, mask in now.items():
            np.testing.assert_array_equal(params[name.split("/")[0]]["kernel"] != 0, mask)
            assert before is None or (mask <= before[name]).all()
            if not pattern.grouped:
                whole = np.asarray(pattern.pool(mask.astype(np.int32)))
                assert set(np.unique(whole)) <= {0, pattern.unit_size(mask.shape)}
        before = now
    claims = variant.claims(EVEN)
    assert claims["weights_prunable"] == 96 + 288
    assert claims["weights_asked"] == int(state.kept.sum()) == sum(m.sum() for m in now.values())


@pytest.mark.parametrize("pattern, keep, group", [("2:4", 2, 4), ("1:2", 1, 2), ("1:4", 1, 4)])
def test_n_of_m_stands_in_every_group_of_the_inputs(pattern, keep, group):
    _, state = masks_of(Prune(pattern=pattern, begin=0, end=0.5, updates=2), 6, EVEN)[-1]
    for mask in state.masks.values():
        groups = np.moveaxis(np.asarray(mask), -2, -1).reshape(-1, group)
        assert (groups.sum(1) == keep).all()


def test_gradual_removal_at_random_follows_the_seed_of_the_run():
    """Whatever the weights are: with `--start` they are the same for every seed."""
    (phase,) = Prune(0.5, criterion="random").phases((Phase("train", 4),))
    variant = Prune(0.5, criterion="random", begin=0, end=0)
    tx = variant.extend(optax.sgd(0.1), TABLE[:1], (phase,))
    ones = {"one": {"kernel": jnp.ones((4, 6))}}
    work, update, found = Work(None, None, ones, {}, tx.init(ones), {}, {}), jax.jit(tx.update), []
    for seed in (1, 1, 2):
        begun = phase.enter(dataclasses.replace(work, key=jnp.array([0, seed], jnp.uint32)), None)
        _, state = update(ones, begun.opt_state, ones)
        found.append(np.asarray(state.masks["one/kernel"]).tolist())
    assert found[0] == found[1] != found[2]


def test_random_removal_does_not_look_at_the_size():
    """The largest weights go as often as the smallest."""
    table = (Weight("one", (64, 64), "linear"),)
    variant = Prune(sparsity=0.5, criterion="random", begin=0, end=0)
    _, state = masks_of(variant, 1, table)[-1]
    rng = np.random.default_rng(1)
    large = np.abs(rng.normal(size=(64, 64))) > 0.67
    lost = (~np.asarray(state.masks["one/kernel"])[large]).mean()
    assert 0.45 < lost < 0.55


def test_static_is_before_the_first_step_and_after_what_is_there():
    seen = []

    def earlier(work, probe):
        seen.append("earlier")
        return work

    plan = (Phase("train", 9, earlier), Phase("more", 3))
    for variant in (Prune(schedule="static"), Prune(schedule="one_shot", begin=0)):
        made, work, probe = begin(variant, MLPSpec((5,)))
        first, second = variant.phases(plan)
        assert (first.name, first.steps, second) == ("train", 9, plan[1])
        after = first.enter(work, probe)
        assert seen.pop() == "earlier" and not seen
        kept = int(mask_state(after.opt_state).kept.sum())
        assert kept == variant.claims(made.weights)["weights_asked"] == 18 + 1
        assert (made.params["hidden_0"]["kernel"] != 0).all()


def test_one_shot_divides_the_run_or_ends_it():
    plan = Prune(schedule="one_shot", begin=0.5).phases((Phase("train", 9),))
    assert [(p.name, p.steps) for p in plan] == [("dense", 4), ("finetune", 5)]
    plan = Prune(schedule="one_shot", begin=1, end=1).phases((Phase("train", 9),))
    assert [(p.name, p.steps) for p in plan] == [("train", 9), ("cut", 0)]
    with pytest.raises(VariantError, match="would start at step 0 of 3"):
        Prune(schedule="one_shot", begin=0.1).phases((Phase("train", 3),))


def test_a_mask_from_the_start_never_changes():
    variant = Prune(schedule="static", sparsity=0.6, scope="erk")
    scene = begin(variant, MLPSpec((5,)))
    made, work = scene.made, cut(scene)
    tx = made.extend(optax.sgd(0.1), (Phase("train", 10),))
    ones = jax.tree.map(jnp.ones_like, work.params)
    updates, state = tx.update(ones, work.opt_state, work.params)
    for name, mask in mask_state(work.opt_state).masks.items():
        np.testing.assert_array_equal(state.masks[name], mask)
    moved = optax.apply_updates(work.params, updates)
    kept = [int(jnp.count_nonzero(moved[n]["kernel"])) for n in sorted(made.params)]
    assert kept == state.kept.tolist()


@pytest.mark.parametrize("neutral", [Prune(sparsity=0), Prune(sparsity=0, pattern="2:4")])
def test_nothing_removed_is_the_baseline(neutral):
    tx, plan = optax.sgd(0.1), (Phase("train", 9),)
    assert neutral.extend(tx, TABLE, plan) is tx and neutral.phases(plan) is plan
    assert neutral.claims(TABLE) == {}


@pytest.mark.parametrize(
    "settings, words",
    [
        (dict(sparsity=1.5), "sparsity 1.5"),
        (dict(sparsity=1.0), "sparsity 1.0"),
        (dict(sparsity=-0.1), "sparsity -0.1"),
        (dict(scope="row"), "scope 'row' is unknown; choose uniform, erk or global"),
        (dict(schedule="late"), "schedule 'late' is unknown; choose gradual, one_shot or static"),
        (dict(criterion="luck"), "criterion 'luck' is unknown; choose magnitude, random, l1"),
        (dict(pattern="row"), "pattern 'row' is unknown; choose unstructured, filter, N:M"),
        (dict(begin=0.8, end=0.2), "begin 0.8"),
        (dict(updates=0), "updates 0"),
        (dict(batches=0), "batches 0"),
        (dict(iterations=0), "iterations 0"),
        (dict(criterion="snip"), "snip is not computed within a step; choose schedule one_shot"),
        (dict(criterion="synflow"), "synflow is not computed within a step"),
        (dict(criterion="l1"), "l1 scores whole filters, not unstructured; choose pattern filter"),
        (dict(pattern="filter", scope="global"), "scope global counts weights or equal blocks"),
        (dict(pattern="2:4", scope="erk"), "scope erk counts weights or equal blocks, not 2:4"),
        (dict(pattern="2:4", sparsity=0.7), "2:4 removes 0.5, not 0.7; leave sparsity out"),
    ],
)
def test_settings_out_of_range_are_refused(settings, words):
    with pytest.raises(VariantError, match=words) as caught:
        Prune(**settings)
    assert "\n" not in str(caught.value)


def test_a_pattern_that_matches_nothing_lists_what_there_is():
    with pytest.raises(VariantError, match=r"block_7.*there are: one, two"):
        Prune(weights="block_7*").extend(optax.sgd(0.1), TABLE, (Phase("train", 10),))


def test_a_pattern_that_does_not_divide_is_refused_where_it_is_used():
    variant = Prune(pattern="2:4")
    with pytest.raises(VariantError, match="2:4 does not divide the 6 inputs of two"):
        variant.extend(optax.sgd(0.1), TABLE, (Phase("train", 10),))
    assert Prune(pattern="2:4", weights="one").claims(TABLE)["weights_asked"] == 12
