"""Randomness inside a model: a stream of its own for every layer that draws."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx


class Noise(nnx.Variable):
    """A private stream of randomness: raw key data, uint32 (2,), advanced at every use.

    It is part of the state (`rest`), so a resumed run draws what an unbroken one draws.
    """


def make_noise(rngs: nnx.Rngs) -> Noise:
    """Starts a stream."""
    return Noise(jax.random.bits(rngs.params(), (2,), jnp.uint32))


def draw_key(noise: Noise) -> jax.Array:
    """Takes a fresh key from the stream and moves the stream on."""
    following, key = jax.random.split(jax.random.wrap_key_data(noise[...], impl="threefry2x32"))
    noise[...] = jax.random.key_data(following)
    return key


class Dropout(nnx.Module):
    """Sets a random part of the inputs to zero and scales the rest (Srivastava et al. 2014).

    With rate 0 it has no state and is the identity; so it is after `model.eval()`, where the
    stream stands still.

    Args:
        rate: probability of zero, in [0, 1), kept to a precision of 2 ** -16.
        rngs: source of the stream.
    """

    def __init__(self, rate: float, *, rngs: nnx.Rngs) -> None:
        self.path, self.position = "", 0
        self.rate, self.deterministic = rate, False
        self.noise = make_noise(rngs) if rate > 0 else None

    def __call__(self, inputs: jax.Array) -> jax.Array:
        """(...) to the same shape."""
        if self.noise is None or self.deterministic:
            return inputs
        with jax.named_scope(self.path):
            bits = jax.random.bits(draw_key(self.noise), inputs.shape, jnp.uint16)
            dropped = round(self.rate * 2**16)
            return jnp.where(bits >= dropped, inputs / (1 - dropped / 2**16), 0.0)
