"""Embeddings: one kernel at both ends."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from efficient.models.layers.embedding import Embedding, Position

TOKENS = jnp.array([[1, 2, 1], [0, 4, 4]])


def test_lookup_and_its_gradient():
    layer = Embedding(5, 3, rngs=nnx.Rngs(0))
    kernel = layer.kernel[...]
    np.testing.assert_array_equal(layer(TOKENS), np.asarray(kernel)[np.asarray(TOKENS)])
    gradient = jax.grad(lambda kernel: layer.lookup(TOKENS, kernel, {}).sum())(kernel)
    np.testing.assert_array_equal(gradient[:, 0], [1, 2, 1, 0, 2])


def test_logits_use_the_same_kernel():
    layer = Embedding(5, 3, rngs=nnx.Rngs(0))
    x = jax.random.normal(jax.random.key(0), (2, 4, 3))
    expected = np.asarray(x) @ np.asarray(layer.kernel[...]).T
    np.testing.assert_allclose(layer.unembed(x), expected, rtol=1e-4, atol=1e-6)


def test_positions_are_added_from_the_first():
    layer = Position(4, 3, rngs=nnx.Rngs(0))
    added = layer(jnp.zeros((2, 3, 3)))
    np.testing.assert_array_equal(added[1], layer.kernel[...][:3])
