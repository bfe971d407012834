"""Pooling against the window reduction."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from efficient.models.layers.pooling import max_pool, mean_pool

IMAGES = jax.random.normal(jax.random.key(0), (2, 7, 6, 3))


@pytest.mark.parametrize("window", [1, 2, 3])
def test_value_and_gradient_equal_the_window_reduction(window):
    def value(pool):
        return jax.value_and_grad(lambda x: jnp.sin(pool(x)).sum())(IMAGES)

    own = value(lambda x: max_pool(x, window))
    reduced = value(lambda x: nnx.max_pool(x, (window, window), (window, window)))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, 1e-5, 1e-6), own, reduced)


def test_the_gradient_of_equal_maxima_is_shared():
    gradient = jax.grad(lambda x: max_pool(x).sum())(jnp.ones((1, 2, 2, 1)))
    np.testing.assert_allclose(gradient.sum(), 1)
    np.testing.assert_allclose(gradient, 0.25)


def test_mean_pool_is_the_mean_over_pixels():
    np.testing.assert_allclose(mean_pool(IMAGES), np.mean(IMAGES, (1, 2)), rtol=1e-4, atol=1e-6)
