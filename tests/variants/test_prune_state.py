"""The masked update, whatever changes the masks; exact selection against numpy's sort."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given
from hypothesis import strategies as st

from efficient.models.signature import Signature
from efficient.variants import VariantError, Work
from efficient.variants.prune.state import (
    count_kept,
    highest,
    keep_highest,
    mask_state,
    masked,
    with_masks,
)

HIGHEST, SIZE = jax.jit(highest), 12
VALUES = st.lists(
    st.sampled_from([0.0, -0.0, 1.0, -1.0, 2.0, 1e-38, 3e38, float("inf"), float("-inf")])
    | st.floats(width=32, allow_nan=False),
    min_size=SIZE,
    max_size=SIZE,
)
NAME, SHAPE = "layer/kernel", (3, 4)


@given(VALUES, st.integers(0, SIZE))
def test_highest_keeps_exactly_count_and_of_equals_the_first(values, count):
    values = np.array(values, np.float32)
    for given_values in (values, np.abs(values)):
        np.testing.assert_array_equal(HIGHEST(given_values, count), first(given_values, count))


def first(values: np.ndarray, count: int) -> np.ndarray:
    """Mask of the `count` highest by a stable sort; subnormal numbers are told apart."""
    mask = np.zeros(values.shape, bool)
    mask[np.argsort(-values.astype(np.float64), kind="stable")[:count]] = True
    return mask


@pytest.mark.parametrize("scope, counts", [("uniform", [10, 7]), ("global", [20])])
def test_the_highest_scores_are_kept_by_layer_or_in_total(scope, counts):
    rng = np.random.default_rng(0)
    scores = {"b": rng.random((4, 6)), "a": 10 * rng.random((6, 5))}
    masks = keep_highest(scores, jnp.array(counts), scope)
    kept = count_kept(masks).tolist()
    assert [int(masks[name].sum()) for name in ("a", "b")] == kept
    if scope == "uniform":
        assert kept == counts
    else:
        assert sum(kept) == 20
        threshold = min(s[np.asarray(masks[n])].min(initial=99) for n, s in scores.items())
        assert threshold > max(s[~np.asarray(masks[n])].max(initial=0) for n, s in scores.items())


def test_the_inner_transformation_never_sees_a_removed_weight():
    seen = optax.GradientTransformation(
        lambda params: jax.tree.map(jnp.zeros_like, params),
        lambda updates, state, params=None: (updates, updates),
    )
    mask = jnp.arange(12).reshape(SHAPE) % 3 == 0
    work = with_masks(begun(seen), {NAME: mask})
    gradient = {"layer": {"kernel": jnp.full(SHAPE, 2.0)}, "other": jnp.ones(2)}
    updates, state = transformation(seen).update(gradient, work.opt_state, work.params)
    np.testing.assert_array_equal(state.inner["layer"]["kernel"], jnp.where(mask, 2.0, 0))
    np.testing.assert_array_equal(state.inner["other"], gradient["other"])
    moved = optax.apply_updates(work.params, updates)
    assert int(jnp.count_nonzero(moved["layer"]["kernel"])) == int(mask.sum()) == 4


def test_refresh_sees_the_weights_of_the_gradient_and_those_after_the_update():
    seen = []

    def look(state, gradient, before, after):
        seen.append((before[NAME], after[NAME]))
        return state.masks, state.kept

    half = optax.stateless(lambda updates, params: jax.tree.map(lambda u: -u / 2, updates))
    with jax.disable_jit():
        tx = masked(half, {NAME: 12}, look)
        mask = jnp.arange(12).reshape(SHAPE) < 5
        work = with_masks(begun(half, tx), {NAME: mask})
        tx.update(jax.tree.map(jnp.ones_like, work.params), work.opt_state, work.params)
    before, after = seen[0]
    np.testing.assert_array_equal(before, jnp.where(mask, 1.0, 0))
    np.testing.assert_array_equal(after, jnp.where(mask, 0.5, 0))


def test_refresh_reads_the_dense_gradient_and_a_grown_weight_starts_at_zero():
    """Regrows where the gradient is largest, at the second update only, whatever was inside."""
    slope = jnp.arange(12.0).reshape(SHAPE) - 3

    def grow(state, gradient, before, after):
        np.testing.assert_equal((sorted(before), sorted(after)), ([NAME], [NAME]))
        masks = {NAME: highest(jnp.abs(gradient[NAME]), 4)}
        return masks, count_kept(masks)

    ahead = optax.stateless(lambda updates, params: jax.tree.map(jnp.ones_like, updates))
    tx = masked(ahead, {NAME: 12}, grow, lambda count: count == 1)
    work = with_masks(begun(ahead, tx), {NAME: jnp.zeros(SHAPE, bool)})
    params, state = work.params, work.opt_state
    gradient = {"layer": {"kernel": slope}, "other": jnp.ones(2)}
    kept, nonzero = [], []
    for _ in range(3):
        updates, state = jax.jit(tx.update)(gradient, state, params)
        params = optax.apply_updates(params, updates)
        kept.append(int(state.kept.sum()))
        nonzero.append(int(jnp.count_nonzero(params["layer"]["kernel"])))
    assert kept == [0, 4, 4]
    assert nonzero == [0, 0, 4]
    np.testing.assert_array_equal(state.masks[NAME], slope >= 5)


def test_masks_go_into_the_one_state_wherever_it_is():
    tx = optax.chain(optax.clip(1.0), transformation(optax.adam(0.1)))
    mask = jnp.arange(12).reshape(SHAPE) < 5
    work = with_masks(begun(optax.adam(0.1), tx), {NAME: mask})
    state = mask_state(work.opt_state)
    np.testing.assert_array_equal(state.masks[NAME], mask)
    assert state.kept.tolist() == [5]
    np.testing.assert_array_equal(work.params["layer"]["kernel"] != 0, mask)


def test_the_update_asks_for_the_parameters():
    tx = transformation(optax.sgd(0.1))
    work = begun(optax.sgd(0.1))
    with pytest.raises(VariantError, match=r"update\(grads, state, params\)"):
        tx.update(work.params, work.opt_state)


@pytest.mark.parametrize("scope, groups", [("uniform", 2), ("global", 1)])
@given(data=st.data())
def test_keep_highest_is_exact(scope, groups, data):
    sizes = {"a": 5, "b": 7}
    values = {
        n: data.draw(st.lists(st.integers(-3, 3), min_size=s, max_size=s)) for n, s in sizes.items()
    }
    most = [5, 7] if groups == 2 else [12]
    counts = [data.draw(st.integers(0, m)) for m in most]
    scores = {n: jnp.array(v, jnp.float32) for n, v in values.items()}
    masks = keep_highest(scores, jnp.array(counts), scope)
    kept = [int(masks[n].sum()) for n in sorted(sizes)]
    assert kept == counts if groups == 2 else sum(kept) == counts[0]


def transformation(inner):
    return masked(inner, {NAME: 12})


def begun(inner, tx=None) -> Work:
    params = {"layer": {"kernel": jnp.ones(SHAPE)}, "other": jnp.ones(2)}
    state = (tx or transformation(inner)).init(params)
    return Work(None, Signature((1,), 2, "text"), params, {}, state, {}, {}, {})
