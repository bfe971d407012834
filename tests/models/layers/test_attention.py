"""Attention against its definition."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from efficient.models.layers.attention import Cache, attend, attend_one, remember

QUERIES, KEYS, VALUES = jax.random.normal(jax.random.key(0), (3, 2, 5, 3, 4))


@pytest.mark.parametrize("causal", [True, False])
def test_value_and_gradients_equal_those_of_jax(causal):
    def value(function, **options):
        def loss(*operands):
            return jnp.sin(function(*operands, **options)).sum()

        return jax.value_and_grad(loss, (0, 1, 2))(QUERIES, KEYS, VALUES)

    ours = value(attend, causal=causal)
    theirs = value(jax.nn.dot_product_attention, is_causal=causal)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, 1e-4, 1e-5), ours, theirs)


def test_all_scores_are_computed_and_named():
    traced = jax.make_jaxpr(lambda *a: attend(*a, causal=True))(QUERIES, KEYS, VALUES)
    products = [eqn for eqn in traced.jaxpr.eqns if eqn.primitive.name == "dot_general"]
    assert [str(eqn.source_info.name_stack) for eqn in products] == ["scores", "values"]
    assert products[0].outvars[0].aval.shape == (2, 3, 5, 5)


def test_dropout_sees_the_weights():
    zero = attend(QUERIES, KEYS, VALUES, causal=True, dropout=jnp.zeros_like)
    np.testing.assert_array_equal(zero, 0)


def test_token_by_token_is_the_whole():
    whole = attend(QUERIES, KEYS, VALUES, causal=True)
    cache, context = remember(KEYS[:, :2], VALUES[:, :2], 7), 7
    assert cache.keys.shape == cache.values.shape == (2, 3, context, 4)
    for time in range(2, 5):
        query, key, value = (x[:, time : time + 1] for x in (QUERIES, KEYS, VALUES))
        mixed, cache = attend_one(query, key, value, cache, jnp.int32(time))
        np.testing.assert_allclose(mixed, whole[:, time : time + 1], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(cache.keys, remember(KEYS, VALUES, context).keys)


def test_what_stands_behind_a_token_is_not_seen():
    cache = Cache(*(jnp.full((2, 3, 7, 4), fill) for fill in (1e30, -1e30)))
    query, key, value = (x[:, :1] for x in (QUERIES, KEYS, VALUES))
    mixed, _ = attend_one(query, key, value, cache, jnp.int32(0))
    np.testing.assert_allclose(mixed, VALUES[:, :1], rtol=1e-6)
