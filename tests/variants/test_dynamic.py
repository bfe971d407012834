"""Dynamic sparse training: as many weights at every step, at places that move as they should."""

from __future__ import annotations

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given
from hypothesis import strategies as st

from efficient.models.tree import flatten, nest
from efficient.variants import Phase, VariantError, Work
from efficient.variants.prune.dynamic import Dynamic
from efficient.variants.prune.state import MaskState, count_kept, mask_state
from efficient.variants.variant import Weight

TABLE = (Weight("one", (12, 6), "linear"), Weight("two", (6, 5), "linear"))
NAMES = [w.kernel for w in TABLE]
STEPS = 24
BOTH = pytest.mark.parametrize("grow", ["gradient", "random"])


def weights_of(seed: int):
    """Fresh weights, of which one layer is no business of the variant."""
    rng = np.random.default_rng(seed)
    shapes = {w.kernel: w.shape for w in TABLE} | {"one/bias": (6,)}
    return nest({n: jnp.asarray(rng.normal(size=s), jnp.float32) for n, s in shapes.items()})


def work_of(params, opt_state, seed: int = 0) -> Work:
    key = jnp.array([0, seed], jnp.uint32)
    return Work(None, None, params, {}, opt_state, {}, {}, {}, key)


def start(variant: Dynamic, inner=None, seed: int = 0, steps: int = STEPS):
    """The transformation, and the weights and its state at the first step."""
    (phase,) = variant.phases((Phase("train", steps),))
    tx = variant.extend(inner or optax.adam(0.05), TABLE, (phase,))
    params = weights_of(0)
    work = phase.enter(work_of(params, tx.init(params), seed), None)
    return tx, work.params, work.opt_state


def gradients(step: int, seed: int = 7):
    rng = np.random.default_rng([seed, step])
    return jax.tree.map(lambda p: jnp.asarray(rng.normal(size=p.shape), jnp.float32), weights_of(0))


def run(tx, params, state, steps=range(STEPS), seed: int = 7):
    """(weights, masks, state) before the first and after every step."""
    step = jax.jit(tx.update)
    history = [(flatten(params), mask_state(state).masks, state)]
    for i in steps:
        updates, state = step(gradients(i, seed), state, params)
        params = optax.apply_updates(params, updates)
        history.append((flatten(params), mask_state(state).masks, state))
    return history


def changed(before, after) -> int:
    return sum(int((before[name] & ~after[name]).sum()) for name in NAMES)


@BOTH
@pytest.mark.parametrize("scope", ["uniform", "erk"])
def test_as_many_weights_at_every_step(scope, grow):
    variant = Dynamic(0.8, scope, grow, interval=3, drop=0.9, end=1.0)
    asked = variant.kept({w.kernel: w.shape for w in TABLE}).tolist()
    assert variant.claims(TABLE) == {"weights_prunable": 102, "weights_asked": sum(asked)}
    assert (asked == [14, 6]) is (scope == "uniform")
    assert sum(asked) == 20
    for params, masks, state in run(*start(variant)):
        assert mask_state(state).kept.tolist() == asked
        assert [int(masks[name].sum()) for name in NAMES] == asked
        assert all(not np.any(np.asarray(params[n])[~np.asarray(masks[n])]) for n in NAMES)


VALUES = st.lists(st.sampled_from([0.0, -0.0, 1.0, -1.0, 1e-40, 3e38]), min_size=12, max_size=12)


@functools.partial(jax.jit, static_argnums=0)
def moved(grow, places, slopes, values, share, key):
    """The places of twelve weights after a change."""
    state = MaskState(jnp.int32(3), {"a": places}, count_kept({"a": places}), key, None)
    weights = {"a": jnp.where(places, values, 0)}
    masks, kept = Dynamic(grow=grow)._move(state, {"a": slopes}, weights, share)
    return masks["a"], kept[0]


@given(
    st.sampled_from(["gradient", "random"]),
    st.lists(st.booleans(), min_size=12, max_size=12),
    VALUES,
    VALUES,
    st.floats(0, 0.9375, width=32),
    st.integers(0, 2**32 - 1),
)
def test_a_change_moves_at_most_its_share_and_loses_none(grow, places, slopes, values, share, key):
    arrays = (np.array(x, np.float32) for x in (slopes, values, share))
    after, kept = moved(grow, np.array(places), *arrays, np.array([0, key], np.uint32))
    assert sum(places) == int(kept) == int(after.sum())
    lost = int((np.array(places) & ~np.asarray(after)).sum())
    assert lost <= np.float32(share) * sum(places)


@BOTH
def test_places_move_by_the_cosine_and_stand_still_from_the_end_on(grow):
    variant = Dynamic(0.5, "uniform", grow, interval=4, drop=0.8, end=0.75)
    history = run(*start(variant))
    seen = []
    for done, (before, after) in enumerate(itertools.pairwise(history), 1):
        count = changed(before[1], after[1])
        if done % 4 or done >= 18:
            assert count == 0
            continue
        share = 0.4 * (1 + np.cos(np.pi * done / 18))
        most = sum(int(share * kept) for kept in (36, 15))
        assert count <= most
        assert count > 0 or most < 5
        seen.append(most)
    assert seen == [35, 23, 10, 0]
    assert variant.changes(STEPS, STEPS) == 4
    assert [variant.changes(STEPS, done) for done in (0, 3, 4, 9, 16, 20)] == [0, 0, 1, 2, 4, 4]
    reads = variant.dense_gradient_steps(STEPS, STEPS)
    assert reads == (4 if grow == "gradient" else 0)


def test_a_change_exactly_at_the_end_does_not_happen():
    variant = Dynamic(0.5, "uniform", interval=6, drop=0.8, end=0.75)
    history = run(*start(variant))
    assert changed(history[17][1], history[18][1]) == 0
    assert changed(history[11][1], history[12][1]) > 0
    assert variant.changes(STEPS, STEPS) == 2


def test_rigl_drops_the_smallest_and_grows_where_the_gradient_is_largest():
    variant = Dynamic(0.5, "uniform", "gradient", interval=4, drop=0.6)
    history = run(*start(variant, optax.sgd(0.01)), range(4))
    (before, old, _), (_, new, _) = history[3], history[4]
    share = 0.3 * (1 + np.cos(np.pi * 4 / 18))
    slopes = flatten(gradients(3))
    for name, kept in zip(NAMES, (36, 15), strict=True):
        moved = np.asarray(before[name]) - 0.01 * np.asarray(slopes[name])
        size = np.where(old[name], np.abs(moved), -1).ravel()
        count = int(share * kept)
        expected = np.zeros(size.size, bool)
        expected[np.argsort(-size, kind="stable")[: kept - count]] = True
        steep = np.where(expected, -1, np.abs(slopes[name]).ravel())
        expected[np.argsort(-steep, kind="stable")[:count]] = True
        np.testing.assert_array_equal(np.asarray(new[name]).ravel(), expected)


@pytest.mark.parametrize("inner", [optax.adam(0.05), optax.adamw(0.05, weight_decay=0.1)])
@BOTH
def test_a_grown_weight_starts_at_zero(grow, inner):
    variant = Dynamic(0.5, "uniform", grow, interval=3, drop=0.8, end=1.0)
    seen = 0
    history = run(*start(variant, inner))
    for (_, old, _), (params, new, _) in itertools.pairwise(history):
        for name in NAMES:
            grown = np.asarray(new[name] & ~old[name])
            seen += int(grown.sum())
            assert not np.asarray(params[name])[grown].any()
    assert seen > 20


def test_the_inner_optimizer_never_sees_the_gradient_of_an_absent_weight():
    variant = Dynamic(0.5, "uniform", interval=5)
    _, masks, state = run(*start(variant), range(4))[-1]
    moments = flatten(optax.tree.get(state, "mu"))
    for name in NAMES:
        np.testing.assert_array_equal(np.asarray(moments[name]) != 0, masks[name])


def test_set_reads_no_gradient_and_rigl_does():
    for grow, same in (("random", True), ("gradient", False)):
        variant = Dynamic(0.5, "uniform", grow, interval=2, drop=0.8)
        made = start(variant, optax.sgd(0.0))
        first, second = (run(*made, range(8), seed)[-1][1] for seed in (1, 2))
        assert all(np.array_equal(first[n], second[n]) for n in NAMES) is same


@BOTH
def test_a_run_that_is_taken_up_again_ends_with_the_same_bits(grow):
    variant = Dynamic(0.6, "uniform", grow, interval=3, drop=0.5)
    tx, params, state = start(variant)
    whole = run(tx, params, state)
    params, _, state = run(tx, params, state, range(10))[-1]
    params, state = jax.tree.map(lambda x: jnp.asarray(np.asarray(x)), (nest(params), state))
    parts = run(tx, params, state, range(10, STEPS))
    for one, two in zip(jax.tree.leaves(whole[-1]), jax.tree.leaves(parts[-1]), strict=True):
        np.testing.assert_array_equal(one, two)


def test_chance_follows_both_seeds_and_nothing_else():
    """The weights are the same, as where every seed starts from one other run."""

    def places(run_seed, seed):
        variant = Dynamic(0.6, "uniform", "random", interval=2, seed=seed)
        tx, params, state = start(variant, optax.sgd(0.0), run_seed)
        _, *later = run(tx, params, state, range(2))[-1]
        first, last = (np.asarray(m["one/kernel"]) for m in (mask_state(state).masks, later[0]))
        return first.tolist(), (first != last).tolist()

    one, again, other, seeded = (places(*seeds) for seeds in ((0, 0), (0, 0), (1, 0), (0, 1)))
    assert one == again
    for found in (other, seeded):
        assert found[0] != one[0]
        assert found[1] != one[1]


def test_without_an_interval_there_are_about_32_changes():
    assert Dynamic().changes(10_000, 10_000) == 32
    assert Dynamic().changes(1_000, 1_000) == 32
    assert Dynamic().changes(12, 12) == 8
    assert Dynamic(end=0.0).changes(12, 12) == 0


def test_nothing_dropped_is_static_sparse_training():
    variant = Dynamic(0.7, "uniform", drop=0.0, interval=2)
    history = run(*start(variant), range(8))
    assert changed(history[0][1], history[-1][1]) == 0
    assert variant.dense_gradient_steps(STEPS, STEPS) == 0


@BOTH
def test_the_cond_returns_masks_and_counts_only(grow):
    tx, params, state = start(Dynamic(0.5, "uniform", grow, interval=3))
    jaxpr = jax.make_jaxpr(tx.update)(gradients(0), state, params)
    conds = [eqn for eqn in jaxpr.eqns if eqn.primitive.name == "cond"]
    assert len(conds) == 1
    found = sorted(str(out.aval) for out in conds[0].outvars)
    assert found == ["bool[12,6]", "bool[6,5]", "int32[2]"]


def test_an_enter_that_is_there_already_comes_first():
    def double(work, probe):
        return work_of(jax.tree.map(lambda p: 2 * p, work.params), work.opt_state)

    variant = Dynamic(0.5, "uniform")
    alone = variant.phases((Phase("train", STEPS),))
    both = variant.phases((Phase("train", STEPS, double), Phase("end", 0)))
    assert [(p.name, p.steps) for p in both] == [("train", STEPS), ("end", 0)]
    tx = variant.extend(optax.sgd(0.1), TABLE, both)
    work = work_of(weights_of(0), tx.init(weights_of(0)))
    one, two = (plan[0].enter(work, None).params for plan in (alone, both))
    for name in NAMES:
        np.testing.assert_array_equal(2 * flatten(one)[name], flatten(two)[name])


def test_no_sparsity_is_the_baseline():
    tx, plan, variant = optax.sgd(0.1), (Phase("train", STEPS),), Dynamic(0.0)
    assert variant.extend(tx, TABLE, plan) is tx
    assert variant.phases(plan) is plan
    assert variant.claims(TABLE) == {}
    assert variant.dense_gradient_steps(STEPS, STEPS) == 0


@pytest.mark.parametrize(
    "settings, words",
    [
        (dict(sparsity=1.0), "sparsity 1.0"),
        (dict(sparsity=-0.1), "sparsity -0.1"),
        (dict(scope="global"), "scope 'global'"),
        (dict(grow="loss"), "grow 'loss'"),
        (dict(interval=-1), "interval -1"),
        (dict(drop=1.0), "drop 1.0"),
        (dict(end=1.1), "end 1.1"),
    ],
)
def test_settings_out_of_range_are_refused(settings, words):
    with pytest.raises(VariantError, match=words):
        Dynamic(**settings)


def test_a_network_that_is_cut_after_the_first_step_is_refused():
    plan = (Phase("whole", 10), Phase("smaller", 14, resizes=True))
    with pytest.raises(VariantError, match="dynamic has counted its weights when phase 'smaller'"):
        Dynamic().extend(optax.sgd(0.1), TABLE, plan)
    first = (Phase("removal", 0, resizes=True), Phase("train", 24))
    Dynamic().extend(optax.sgd(0.1), TABLE, first)


def test_a_pattern_that_matches_nothing_is_refused():
    with pytest.raises(VariantError, match=r"block_7.*there are: one, two"):
        Dynamic(weights="block_7*").extend(optax.sgd(0.1), TABLE, (Phase("train", 10),))
