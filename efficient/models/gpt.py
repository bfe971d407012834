"""GPT-2 (Radford et al. 2019), in the shapes of nanoGPT.

GPT-2 124M (depth 12, width 768, heads 12, hidden 3072, context 1024, vocabulary 50,257) has
124,439,808 parameters with biases, 124,337,664 without, and takes 291,648,307,200 FLOPs for a
forward pass over 1,024 tokens.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax

from efficient.models.cut import Group, Keep, block_groups, blocks_left
from efficient.models.layers import (
    Cache,
    Dropout,
    Embedding,
    LayerNorm,
    Linear,
    Position,
    name_layers,
)
from efficient.models.signature import Signature, SpecError
from efficient.models.transformer import Block, BlockSizes, block_sizes


@dataclass(frozen=True)
class GPTSpec:
    """Sizes of the network.

    Attributes:
        depth: number of blocks.
        width: of the residual stream.
        heads: of the attention; they divide the width.
        hidden: of the perceptrons.
        dropout: rate on embeddings, attention weights and what is added to the stream.
        bias: whether linear layers and normalisations have a bias.
        tied: whether the logits use the kernel of the embedding.
        layer_heads: heads that are left in every block; empty for all.
        layer_hidden: hidden sizes that are left in every block; empty for all.
    """

    depth: int = 4
    width: int = 128
    heads: int = 4
    hidden: int = 512
    dropout: float = 0.0
    bias: bool = False
    tied: bool = True
    layer_heads: tuple[int, ...] = ()
    layer_hidden: tuple[int, ...] = ()

    def build(self, signature: Signature, rngs: nnx.Rngs) -> GPT:
        """Builds the network; raises SpecError for sizes that do not fit together."""
        signature.require("text", "gpt")
        if not 0 <= self.dropout < 1:
            raise SpecError(f"gpt has dropout {self.dropout}: use a rate in [0, 1)")
        model = GPT(self, signature, rngs)
        name_layers(model)
        return model

    def groups(self, signature: Signature) -> tuple[Group, ...]:
        """Units that can go: heads and neurons of every block, and the blocks."""
        del signature
        return block_groups(self.blocks)

    def shrink(self, keep: Keep) -> GPTSpec:
        """The sizes that are left with the units of `keep`."""
        smaller = replace(self, **blocks_left(self.blocks, keep))
        return self if smaller.blocks == self.blocks else smaller

    @property
    def blocks(self) -> list[BlockSizes]:
        """Sizes of every block."""
        return block_sizes(
            "gpt",
            self.depth,
            self.width,
            self.heads,
            self.layer_heads,
            self.hidden,
            self.layer_hidden,
        )


class GPT(nnx.Module):
    """Embeddings of tokens and positions, causal blocks, logits of the next token."""

    def __init__(self, spec: GPTSpec, signature: Signature, rngs: nnx.Rngs) -> None:
        self.depth, self.context = spec.depth, signature.input_shape[0]
        self.tokens = Embedding(signature.classes, spec.width, rngs=rngs)
        self.positions = Position(self.context, spec.width, rngs=rngs)
        self.dropout = Dropout(spec.dropout, rngs=rngs)
        for number, sizes in enumerate(spec.blocks):
            block = Block(
                sizes,
                depth=spec.depth,
                causal=True,
                dropout=spec.dropout,
                use_bias=spec.bias,
                rngs=rngs,
            )
            setattr(self, f"block_{number}", block)
        self.norm = LayerNorm(spec.width, use_bias=spec.bias)
        self.head = None if spec.tied else _make_head(spec, signature, rngs)

    def __call__(self, inputs: jax.Array) -> jax.Array:
        """(batch, time) int32 to logits (batch, time, classes) float32; time <= context.

        Raises:
            SpecError: more tokens than the context.
        """
        x = self._embed(inputs)
        for block in self._blocks():
            x = block(x)
        return self._logits(x)

    def prefill(self, inputs: jax.Array) -> tuple[jax.Array, tuple[Cache, ...]]:
        """As a call, and for every block the cache from which `decode` goes on.

        Raises:
            SpecError: more tokens than the context.
        """
        x, caches = self._embed(inputs), []
        for block in self._blocks():
            x, cache = block.prefill(x, self.context)
            caches.append(cache)
        return self._logits(x), tuple(caches)

    def decode(
        self, tokens: jax.Array, position: jax.Array, caches: tuple[Cache, ...]
    ) -> tuple[jax.Array, tuple[Cache, ...]]:
        """One more token of every text: its logits, and the caches with it.

        The logits are those of the whole text at that position, to the rounding of sums.

        Args:
            tokens: (batch,) int32.
            position: () int32 where they stand, at most `context - 1`: nothing is checked.
            caches: of the tokens before, from `prefill` or `decode`.

        Returns:
            (batch, classes) float32, and the caches.
        """
        x, following = self._embed_at(tokens, position), []
        for block, cache in zip(self._blocks(), caches, strict=True):
            x, cache = block.decode(x, cache, position)
            following.append(cache)
        return self._logits(x)[:, 0], tuple(following)

    def _blocks(self) -> list[Block]:
        return [getattr(self, f"block_{number}") for number in range(self.depth)]

    def _embed(self, inputs: jax.Array) -> jax.Array:
        if inputs.shape[1] > self.context:
            raise SpecError(
                f"gpt has context {self.context}, got {inputs.shape[1]} tokens: give at most "
                f"{self.context}"
            )
        return self.dropout(self.positions(self.tokens(inputs)))

    def _embed_at(self, tokens: jax.Array, position: jax.Array) -> jax.Array:
        """(batch,) to (batch, 1, width): the positions are added to a text of this token alone."""
        x = self.tokens(tokens[:, None])
        text = jnp.zeros((x.shape[0], self.context, x.shape[2]), x.dtype)
        text = self.positions(lax.dynamic_update_slice_in_dim(text, x, position, axis=1))
        return self.dropout(lax.dynamic_slice_in_dim(text, position, 1, axis=1))

    def _logits(self, x: jax.Array) -> jax.Array:
        x = self.norm(x)
        return self.tokens.unembed(x) if self.head is None else self.head(x)


def _make_head(spec: GPTSpec, signature: Signature, rngs: nnx.Rngs) -> Linear:
    small = jax.nn.initializers.normal(0.02)
    return Linear(spec.width, signature.classes, use_bias=False, initialiser=small, rngs=rngs)
