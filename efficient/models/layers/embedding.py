"""Embeddings of tokens and of positions."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx

from efficient.models.layers.layer import Slots, Storage, contract, expose, read_slots
from efficient.models.layers.linear import Initializer, dot_transposed

SMALL = jax.nn.initializers.normal(0.02)


class Embedding(nnx.Module):
    """A vector for every token, and the logits of the tokens for every vector.

    One kernel serves both ends (tied weights: Press and Wolf 2016, arXiv 1608.05859). `lookup`
    gathers rows and `op` contracts; a rewrite that changes the kernel wraps both.

    Args:
        vocabulary: number of tokens.
        width: size of a vector.
        initialiser: of the kernel, `(vocabulary, width)`.
        rngs: source of the initial kernel.
    """

    kind = "embedding"
    output_axis = 0
    tapped = False

    def __init__(
        self, vocabulary: int, width: int, *, rngs: nnx.Rngs, initialiser: Initializer = SMALL
    ) -> None:
        self.path, self.position, self.storage = "", 0, Storage()
        self.op, self.lookup, self.slots = dot_transposed, take_rows, nnx.Dict()
        self.kernel = nnx.Param(initialiser(rngs.params(), (vocabulary, width), jnp.float32))

    def __call__(self, tokens: jax.Array) -> jax.Array:
        """(batch, time) int32 to (batch, time, width) float32."""
        with jax.named_scope(self.path):
            vectors = self.lookup(tokens, self.kernel[...], read_slots(self.slots))
            return expose(self, vectors)

    def unembed(self, inputs: jax.Array) -> jax.Array:
        """(batch, time, width) to logits (batch, time, vocabulary) float32."""
        with jax.named_scope(self.path):
            return contract(self, inputs)


class Position(nnx.Module):
    """Adds a learned vector for every position.

    Its `op` adds the first rows of the kernel to the inputs: it contracts nothing, and is an op
    so that a rewrite of the kernel reaches it.

    Args:
        length: number of positions.
        width: size of a vector.
        initialiser: of the kernel, `(length, width)`.
        rngs: source of the initial kernel.
    """

    kind = "position"
    output_axis = 0
    tapped = False

    def __init__(
        self, length: int, width: int, *, rngs: nnx.Rngs, initialiser: Initializer = SMALL
    ) -> None:
        self.path, self.position, self.storage = "", 0, Storage()
        self.op, self.slots = add_rows, nnx.Dict()
        self.kernel = nnx.Param(initialiser(rngs.params(), (length, width), jnp.float32))

    def __call__(self, inputs: jax.Array) -> jax.Array:
        """(batch, time, width) to the same, time at most the length."""
        with jax.named_scope(self.path):
            return expose(self, contract(self, inputs))


def take_rows(tokens: jax.Array, kernel: jax.Array, slots: Slots) -> jax.Array:
    """(...) int32 to (..., width): rows of the kernel; NaN for a token outside it."""
    del slots
    return jnp.take(kernel, tokens, axis=0)


def add_rows(inputs: jax.Array, kernel: jax.Array, slots: Slots) -> jax.Array:
    """(batch, time, width) plus the first `time` rows of (length, width)."""
    del slots
    return inputs + kernel[None, : inputs.shape[1]]
