"""The block that texts and images share: attention and a perceptron, normalised before each.

Transformers: Vaswani et al. 2017, arXiv 1706.03762; normalisation first, as in GPT-2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import jax
from flax import nnx

from efficient.models.layers import Cache, Dropout, LayerNorm, Linear, attend, attend_one, remember
from efficient.models.signature import SpecError


@dataclass(frozen=True)
class BlockSizes:
    """Sizes of one block.

    Attributes:
        width: of the residual stream.
        heads: of the attention.
        head_width: of a query, key or value.
        hidden: of the perceptron.
    """

    width: int
    heads: int
    head_width: int
    hidden: int


def block_sizes(
    network: str,
    depth: int,
    width: int,
    heads: int,
    layer_heads: Sequence[int],
    hidden: int,
    layer_hidden: Sequence[int],
) -> list[BlockSizes]:
    """Sizes of every block; raises SpecError where they do not fit together.

    Args:
        network: its name, for the message.
        depth: number of blocks.
        width: of the residual stream.
        heads: into which the width is divided.
        layer_heads: heads that are left in every block; empty for all.
        hidden: of the perceptrons.
        layer_hidden: hidden sizes that are left in every block; empty for all.
    """
    if min(depth, width, heads, hidden) < 1:
        sizes = f"depth {depth}, width {width}, heads {heads}, hidden {hidden}"
        raise SpecError(f"{network} has {sizes}: every size must be at least 1")
    if width % heads:
        raise SpecError(f"{network} has width {width}, not divisible by heads {heads}: change one")
    heads_left = tuple(layer_heads) or (heads,) * depth
    hidden_left = tuple(layer_hidden) or (hidden,) * depth
    for name, left, most in (("heads", heads_left, heads), ("hidden", hidden_left, hidden)):
        if len(left) != depth or min(left) < 1 or max(left) > most:
            raise SpecError(
                f"{network} has layer_{name} {left}: give {depth} sizes between 1 and {most}"
            )
    return [
        BlockSizes(width, layer, width // heads, size)
        for layer, size in zip(heads_left, hidden_left, strict=True)
    ]


class Block(nnx.Module):
    """Attention and a perceptron, each added to the residual stream.

    Args:
        sizes: of the block.
        depth: number of blocks of the network; scales the initial projections into the stream,
            as in GPT-2, by `(2 * depth) ** -0.5`.
        causal: whether a position sees only itself and those before it.
        dropout: rate on attention weights and on what is added to the stream.
        use_bias: of all layers.
        rngs: source of the initial kernels.
    """

    def __init__(
        self,
        sizes: BlockSizes,
        *,
        depth: int,
        causal: bool,
        dropout: float,
        use_bias: bool,
        rngs: nnx.Rngs,
    ) -> None:
        into_stream = jax.nn.initializers.normal(0.02 * (2 * depth) ** -0.5)
        self.norm_0 = LayerNorm(sizes.width, use_bias=use_bias)
        self.attention = Attention(
            sizes, into_stream, causal=causal, dropout=dropout, use_bias=use_bias, rngs=rngs
        )
        self.norm_1 = LayerNorm(sizes.width, use_bias=use_bias)
        self.perceptron = Perceptron(
            sizes, into_stream, dropout=dropout, use_bias=use_bias, rngs=rngs
        )

    def __call__(self, inputs: jax.Array) -> jax.Array:
        """(batch, time, width) to the same."""
        return self._add(inputs, self.attention(self.norm_0(inputs)))

    def prefill(self, inputs: jax.Array, context: int) -> tuple[jax.Array, Cache]:
        """As a call, and the cache from which the text goes on up to `context` tokens."""
        mixed, cache = self.attention.prefill(self.norm_0(inputs), context)
        return self._add(inputs, mixed), cache

    def decode(
        self, inputs: jax.Array, cache: Cache, position: jax.Array
    ) -> tuple[jax.Array, Cache]:
        """(batch, 1, width) of the token at a position to the same, and the cache with it."""
        mixed, cache = self.attention.decode(self.norm_0(inputs), cache, position)
        return self._add(inputs, mixed), cache

    def _add(self, inputs: jax.Array, mixed: jax.Array) -> jax.Array:
        x = inputs + mixed
        return x + self.perceptron(self.norm_1(x))


class Attention(nnx.Module):
    """Attention of a sequence to itself, with several heads."""

    def __init__(
        self,
        sizes: BlockSizes,
        into_stream: nnx.Initializer,
        *,
        causal: bool,
        dropout: float,
        use_bias: bool,
        rngs: nnx.Rngs,
    ) -> None:
        self.path, self.position = "", 0
        self.heads, self.causal = sizes.heads, causal
        inner = sizes.heads * sizes.head_width
        small = jax.nn.initializers.normal(0.02)
        make = partial(Linear, use_bias=use_bias, initialiser=small, rngs=rngs)
        self.query = make(sizes.width, inner)
        self.key = make(sizes.width, inner)
        self.value = make(sizes.width, inner)
        self.weight_dropout = Dropout(dropout, rngs=rngs)
        self.project = Linear(
            inner, sizes.width, use_bias=use_bias, initialiser=into_stream, rngs=rngs
        )
        self.dropout = Dropout(dropout, rngs=rngs)

    def __call__(self, inputs: jax.Array) -> jax.Array:
        """(batch, time, width) to the same."""
        queries, keys, values = self._divide(inputs)
        return self._join(self._attend(queries, keys, values))

    def prefill(self, inputs: jax.Array, context: int) -> tuple[jax.Array, Cache]:
        """As a call, and the cache from which the text goes on up to `context` tokens."""
        queries, keys, values = self._divide(inputs)
        outputs = self._join(self._attend(queries, keys, values))
        return outputs, remember(keys, values, context)

    def decode(
        self, inputs: jax.Array, cache: Cache, position: jax.Array
    ) -> tuple[jax.Array, Cache]:
        """(batch, 1, width) of the token at a position to the same, and the cache with it."""
        queries, keys, values = self._divide(inputs)
        with jax.named_scope(self.path):
            mixed, cache = attend_one(queries, keys, values, cache, position)
        return self._join(mixed), cache

    def _divide(self, inputs: jax.Array) -> list[jax.Array]:
        """Queries, keys and values: (batch, time, heads, head_width) each."""
        heads = (*inputs.shape[:2], self.heads, -1)
        return [layer(inputs).reshape(heads) for layer in (self.query, self.key, self.value)]

    def _attend(self, queries: jax.Array, keys: jax.Array, values: jax.Array) -> jax.Array:
        with jax.named_scope(self.path):
            return attend(queries, keys, values, causal=self.causal, dropout=self.weight_dropout)

    def _join(self, mixed: jax.Array) -> jax.Array:
        return self.dropout(self.project(mixed.reshape(*mixed.shape[:2], -1)))


class Perceptron(nnx.Module):
    """Two linear layers with the exact GELU between them."""

    def __init__(
        self,
        sizes: BlockSizes,
        into_stream: nnx.Initializer,
        *,
        dropout: float,
        use_bias: bool,
        rngs: nnx.Rngs,
    ) -> None:
        small = jax.nn.initializers.normal(0.02)
        self.expand = Linear(
            sizes.width, sizes.hidden, use_bias=use_bias, initialiser=small, rngs=rngs
        )
        self.project = Linear(
            sizes.hidden, sizes.width, use_bias=use_bias, initialiser=into_stream, rngs=rngs
        )
        self.dropout = Dropout(dropout, rngs=rngs)

    def __call__(self, inputs: jax.Array) -> jax.Array:
        """(..., width) to the same."""
        return self.dropout(self.project(nnx.gelu(self.expand(inputs), approximate=False)))
