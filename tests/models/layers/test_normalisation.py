"""Normalisation against its definition and against flax."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from efficient.models.layers.normalisation import ConvNorm, LayerNorm, fold

IMAGES = 2 + jax.random.normal(jax.random.key(0), (4, 6, 6, 3))


@pytest.fixture
def layer():
    layer = ConvNorm(3, 5, (3, 3), strides=(2, 2), rngs=nnx.Rngs(0))
    layer.scale[...] = jnp.linspace(0.5, 1.5, 5)
    layer.bias[...] = jnp.linspace(-1.0, 1.0, 5)
    return layer


def test_training_and_evaluation_equal_flax(layer):
    norm = nnx.BatchNorm(5, momentum=0.9, epsilon=1e-5, rngs=nnx.Rngs(0))
    norm.scale[...], norm.bias[...] = layer.scale[...], layer.bias[...]
    for images in (IMAGES, 2 * IMAGES):
        expected = norm(layer.op(images, layer.kernel[...], {}))
        np.testing.assert_allclose(layer(images), expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(layer.mean[...], norm.mean[...], rtol=1e-5)
    np.testing.assert_allclose(layer.variance[...], norm.var[...], rtol=1e-4)
    layer.eval(), norm.eval()
    expected = norm(layer.op(IMAGES, layer.kernel[...], {}))
    np.testing.assert_allclose(layer(IMAGES), expected, rtol=1e-4, atol=1e-4)


def test_folding_keeps_the_evaluation(layer):
    layer(IMAGES)
    layer.eval()
    expected = layer(IMAGES)
    params = {name: getattr(layer, name)[...] for name in ("kernel", "scale", "bias")}
    rest = {name: getattr(layer, name)[...] for name in ("mean", "variance")}
    kernel, bias = fold(params, rest)
    folded = layer.op(IMAGES, kernel, {}) + bias.reshape(1, 1, 1, -1)
    np.testing.assert_allclose(folded, expected, rtol=1e-4, atol=1e-4)
    layer.fold()
    np.testing.assert_allclose(layer(IMAGES), expected, rtol=1e-4, atol=1e-4)
    assert set(nnx.to_pure_dict(nnx.state(layer))) == {"kernel", "bias"}


@pytest.mark.parametrize("use_bias", [True, False])
def test_layer_norm_equals_flax(use_bias):
    layer, norm = LayerNorm(3, use_bias=use_bias), nnx.LayerNorm(3, epsilon=1e-5, rngs=nnx.Rngs(0))
    layer.scale[...] = norm.scale[...] = jnp.array([0.5, 1.0, 2.0])
    if layer.bias is not None:
        layer.bias[...] = norm.bias[...] = jnp.array([0.5, 1.0, 2.0])
    np.testing.assert_allclose(layer(IMAGES), norm(IMAGES), rtol=1e-3, atol=1e-4)
