"""Operands of another type, whatever the layer."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from efficient.models.layers import Conv, Embedding, Linear
from efficient.models.layers.linear import dot
from efficient.models.operand import Cast, wrap

LAYERS = {
    "linear": (lambda rngs: Linear(5, 6, rngs=rngs), (3, 5)),
    "convolution": (lambda rngs: Conv(3, 4, (3, 3), rngs=rngs), (2, 5, 5, 3)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_cast_layer_reads_16_bits_and_gives_32(name):
    make, shape = LAYERS[name]
    layer = make(nnx.Rngs(0))
    inputs = jax.random.normal(jax.random.key(0), shape)
    plain = layer(inputs)
    wrap(layer, partial(Cast, dtype="bfloat16"))
    assert layer(inputs).dtype == jnp.float32
    assert 0 < float(jnp.abs(layer(inputs) - plain).max()) < 0.05


def test_weights_and_their_gradients_stay_float32():
    layer = Linear(5, 6, rngs=nnx.Rngs(0))
    wrap(layer, partial(Cast, dtype="bfloat16"))
    inputs = jnp.ones((3, 5))
    gradient = nnx.grad(lambda layer: jnp.sin(layer(inputs)).sum())(layer)
    assert layer.kernel[...].dtype == gradient.kernel[...].dtype == jnp.float32


def test_both_ends_of_an_embedding_are_wrapped_and_its_tokens_are_left_alone():
    layer = Embedding(300, 4, rngs=nnx.Rngs(0))
    rows = layer.kernel[...].astype(jnp.bfloat16).astype(jnp.float32)
    wrap(layer, partial(Cast, dtype="bfloat16"))
    assert isinstance(layer.op, Cast) and isinstance(layer.lookup, Cast)
    tokens = jnp.array([[257, 299]])  # bfloat16 has no 257
    np.testing.assert_array_equal(layer(tokens)[0], rows[tokens[0]])


def test_equal_wrappers_are_one_static_value():
    assert hash(Cast(dot, "bfloat16")) == hash(Cast(dot, "bfloat16"))
    assert Cast(dot, "bfloat16") == Cast(dot, "bfloat16") != Cast(dot, "float16")
