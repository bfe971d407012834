"""Exact counts, whatever the weights: magnitude selection against numpy, and the masked update."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given
from hypothesis import strategies as st

from efficient.variants import Phase, Prune, VariantError
from efficient.variants.prune import largest, select
from efficient.variants.variant import Weight

TABLE = (Weight("one", (4, 6), "linear"), Weight("two", (6, 5), "linear"))
LARGEST, SIZE = jax.jit(largest), 12
VALUES = st.lists(
    st.sampled_from([0.0, -0.0, 1.0, -1.0, 2.0, 1e-38, 3e38, float("inf")])
    | st.floats(width=32, allow_nan=False),
    min_size=SIZE,
    max_size=SIZE,
)


@given(VALUES, st.integers(0, SIZE))
def test_largest_keeps_exactly_count_and_of_equals_the_first(values, count):
    values = np.array(values, np.float32)
    order = np.argsort(-np.abs(values), kind="stable")[:count]
    expected = np.zeros(SIZE, bool)
    expected[order] = True
    np.testing.assert_array_equal(LARGEST(values, count), expected)


@pytest.mark.parametrize("scope, counts", [("uniform", [10, 7]), ("global", [20])])
def test_select_counts_by_layer_or_in_total(scope, counts):
    rng = np.random.default_rng(0)
    weights = {"b": rng.normal(size=(4, 6)), "a": 10 * rng.normal(size=(6, 5))}
    masks, kept = select(weights, jnp.array(counts), scope)
    assert [int(masks[name].sum()) for name in ("a", "b")] == kept.tolist()
    if scope == "uniform":
        assert kept.tolist() == counts
    else:
        assert int(kept.sum()) == 20
        threshold = min(
            np.abs(np.asarray(w))[np.asarray(masks[n])].min(initial=9) for n, w in weights.items()
        )
        dropped = max(np.abs(w)[~np.asarray(masks[n])].max(initial=0) for n, w in weights.items())
        assert dropped < threshold


@pytest.mark.parametrize("sparsity", [0.1, 0.5, 0.77, 0.9, 0.999])
def test_counts_to_keep_are_rounded_integers(sparsity):
    sizes = {"x": 1024, "y": 163}
    uniform = Prune(sparsity=sparsity).kept(sizes, sparsity)
    assert uniform.tolist() == [round((1 - sparsity) * 1024), round((1 - sparsity) * 163)]
    total = Prune(sparsity=sparsity, scope="global").kept(sizes, sparsity)
    assert total.tolist() == [round((1 - sparsity) * 1187)]


def _run(variant: Prune, steps: int, inner: optax.GradientTransformation):
    """Updates by random gradients; weights, masks' counts and the inner state after each step."""
    plan = (Phase("train", steps),)
    tx = variant.extend(inner, TABLE, plan)
    rng = np.random.default_rng(1)
    params = {w.path: {"kernel": jnp.asarray(rng.normal(size=w.shape), jnp.float32)} for w in TABLE}
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
    for params, state in _run(variant, 20, optax.adam(0.05)):
        nonzero = [int(jnp.count_nonzero(params[w.path]["kernel"])) for w in TABLE]
        assert nonzero == state.kept.tolist()
        zero = np.concatenate([np.asarray(params[w.path]["kernel"]).ravel() == 0 for w in TABLE])
        assert dead is None or (zero >= dead).all()
        dead = zero
    assert nonzero == [round(0.2 * 24), round(0.2 * 30)]


def test_the_schedule_is_cubic_between_begin_and_end():
    variant = Prune(sparsity=0.8, begin=0.2, end=0.8, updates=3)
    kept = [state.kept.tolist()[1] for _, state in _run(variant, 20, optax.sgd(0.01))]
    assert kept[:4] == [30] * 4
    expected = {4: 0, 8: 1, 12: 2, 16: 3}
    for step, number in expected.items():
        sparsity = 0.8 * (1 - (1 - number / 3) ** 3)
        assert kept[step] == round((1 - sparsity) * 30)
    assert kept[16:] == [6] * 4


def test_momentum_never_sees_a_removed_weight():
    variant = Prune(sparsity=0.5, begin=0.0, end=0.0)
    params, state = _run(variant, 6, optax.sgd(0.1, momentum=0.9))[-1]
    trace = optax.tree.get(state.inner, "trace")
    for weight in TABLE:
        gone = np.asarray(params[weight.path]["kernel"]) == 0
        removed_later = np.asarray(trace[weight.path]["kernel"])[gone]
        early = 0.9**5 * 5  # what is left of the first step's gradient
        assert np.abs(removed_later).max() < early


@pytest.mark.parametrize(
    "settings, words",
    [
        (dict(sparsity=1.5), "sparsity 1.5"),
        (dict(sparsity=1.0), "sparsity 1.0"),
        (dict(sparsity=-0.1), "sparsity -0.1"),
        (dict(scope="row"), "scope 'row'"),
        (dict(schedule="late"), "schedule 'late'"),
        (dict(begin=0.8, end=0.2), "begin 0.8"),
        (dict(updates=0), "updates 0"),
    ],
)
def test_settings_out_of_range_are_refused(settings, words):
    with pytest.raises(VariantError, match=words):
        Prune(**settings)


def test_a_pattern_that_matches_nothing_lists_what_there_is():
    with pytest.raises(VariantError, match=r"block_7.*there are: one, two"):
        Prune(weights="block_7*").extend(optax.sgd(0.1), TABLE, (Phase("train", 10),))


def test_one_shot_needs_a_step_before_and_after():
    with pytest.raises(VariantError, match="would start at step 0 of 3"):
        Prune(schedule="one_shot", begin=0.1).phases((Phase("train", 3),))
    plan = Prune(schedule="one_shot", begin=0.5).phases((Phase("train", 9),))
    assert [(p.name, p.steps) for p in plan] == [("dense", 4), ("finetune", 5)]
