"""Dropout of the perceptron: the networks without it are what they were."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from flax import nnx

from efficient.models.mlp import MLPSpec
from efficient.models.signature import Signature, SpecError

DIGITS = Signature((8, 8, 1), 10, "image")
IMAGES = jax.random.normal(jax.random.key(1), (64, 8, 8, 1))


def test_dropout_changes_neither_the_first_weights_nor_what_is_evaluated():
    plain = MLPSpec((32,)).build(DIGITS, nnx.Rngs(0))
    noisy = MLPSpec((32,), dropout=0.5, input_dropout=0.2).build(DIGITS, nnx.Rngs(0))
    trained = noisy(IMAGES)
    assert not np.allclose(trained, plain(IMAGES), atol=0.1)
    assert not np.allclose(trained, noisy(IMAGES), atol=0.1)
    noisy.eval()
    np.testing.assert_array_equal(noisy(IMAGES), plain(IMAGES))
    assert not jax.tree.leaves(nnx.state(plain, nnx.Not(nnx.Param)))


def test_the_rates_are_those_of_the_inputs_and_of_the_hidden_outputs():
    """The linear network of one input pixel: what is left of a constant says the rate."""
    model = MLPSpec((), input_dropout=0.25).build(DIGITS, nnx.Rngs(0))
    model.head.kernel[...] = jax.numpy.eye(64, 10)
    kept = np.asarray(model(jax.numpy.ones((4000, 8, 8, 1))) > 0)
    assert kept.mean() == pytest.approx(0.75, abs=0.01)
    deep = MLPSpec((10,), dropout=0.5).build(DIGITS, nnx.Rngs(0))
    deep.hidden_0.kernel[...], deep.hidden_0.bias[...] = jax.numpy.zeros((64, 10)), 1.0
    deep.head.kernel[...] = jax.numpy.eye(10)
    kept = np.asarray(deep(jax.numpy.ones((4000, 8, 8, 1))))
    assert (kept > 0).mean() == pytest.approx(0.5, abs=0.02)
    assert set(np.unique(kept)) == {0.0, 2.0}


@pytest.mark.parametrize("rates", [dict(dropout=1.0), dict(input_dropout=-0.1)])
def test_rates_that_are_none_are_refused(rates):
    with pytest.raises(SpecError, match=r"mlp has .*dropout .*use a rate in"):
        MLPSpec(**rates).build(DIGITS, nnx.Rngs(0))
