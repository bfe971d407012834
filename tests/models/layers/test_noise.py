"""Randomness that is part of the state."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from efficient.models.layers.linear import Linear, dot
from efficient.models.layers.noise import Dropout, Noise, draw_key, make_noise, random_bits

ONES = jnp.ones((64, 64))


def test_dropout_keeps_the_mean_and_the_rate():
    outputs = Dropout(0.3, rngs=nnx.Rngs(0))(ONES)
    assert abs(float((outputs == 0).mean()) - 0.3) < 0.03
    np.testing.assert_allclose(outputs[outputs != 0], 1 / 0.7, rtol=1e-6)


def test_every_call_draws_anew_and_a_restored_stream_draws_the_same():
    layer = Dropout(0.5, rngs=nnx.Rngs(0))
    graphdef, state = nnx.split(layer)
    state = nnx.to_pure_dict(state)
    assert state["noise"].shape == (2,) and state["noise"].dtype == jnp.uint32
    first, second = layer(ONES), layer(ONES)
    assert (first != second).any()
    restored = nnx.merge(graphdef, state)
    np.testing.assert_array_equal(restored(ONES), first)
    np.testing.assert_array_equal(restored(ONES), second)


def test_evaluation_and_rate_zero_are_the_identity():
    layer = Dropout(0.5, rngs=nnx.Rngs(0))
    layer.eval()
    before = layer.noise[...]
    assert layer(ONES) is ONES
    np.testing.assert_array_equal(layer.noise[...], before)
    nothing = Dropout(0.0, rngs=nnx.Rngs(0))
    assert nothing(ONES) is ONES and not nnx.to_pure_dict(nnx.state(nothing))


def test_bits_are_balanced_and_unrelated():
    keys = jax.random.split(jax.random.key(0), 64)
    drawn = np.asarray(jax.vmap(lambda key: random_bits(key, (256,)))(keys))
    bits = np.unpackbits(drawn.view(np.uint8), axis=-1).reshape(64 * 256, 32) - 0.5
    assert np.abs(bits.mean(0)).max() < 0.025
    for other in (np.roll(bits, 1, axis=0), np.roll(bits, 256, axis=0), np.roll(bits, 1, axis=1)):
        assert abs((bits * other).mean()) * 4 < 0.01
    assert len(np.unique(drawn)) > 0.99 * drawn.size


def test_a_noise_slot_gives_an_operation_a_fresh_key():
    def noisy(x, kernel, slots):
        return dot(x, kernel, {}) + jax.random.uniform(slots["noise"])

    layer = Linear(2, 3, rngs=nnx.Rngs(0))
    layer.op, layer.slots["noise"] = noisy, make_noise(nnx.Rngs(1))
    x = jnp.ones((1, 2))
    assert (layer(x) != layer(x)).all()
    assert isinstance(layer.slots["noise"], Noise)
    assert nnx.to_pure_dict(nnx.state(layer, nnx.Not(nnx.Param)))["slots"]["noise"].shape == (2,)


def test_streams_differ_and_are_deterministic_in_the_seed():
    rngs = nnx.Rngs(0)
    first, second, again = make_noise(rngs), make_noise(rngs), make_noise(nnx.Rngs(0))
    assert (first[...] != second[...]).any()
    np.testing.assert_array_equal(first[...], again[...])
    key = draw_key(first)
    np.testing.assert_array_equal(jax.random.key_data(key), jax.random.key_data(draw_key(again)))
