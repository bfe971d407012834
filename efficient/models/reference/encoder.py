"""The encoder of BERT (Devlin et al. 2018, arXiv 1810.04805).

The base size has 109,482,240 parameters with lower-case word pieces, its pooler included. What is
counted is the encoder: published FLOPs leave out the pooler and the heads.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import nnx

from efficient.models.layers import Embedding, LayerNorm, Linear, Position, name_layers
from efficient.models.signature import Signature, SpecError
from efficient.models.transformer import Attention, BlockSizes, Perceptron, block_sizes


@dataclass(frozen=True)
class EncoderSpec:
    """Sizes of the network.

    Attributes:
        depth: number of blocks.
        width: of the residual stream.
        heads: of the attention; they divide the width.
        hidden: of the perceptrons.
        positions: longest text; its table is a parameter whatever the length of the inputs.
        types: of tokens: of the first sentence, of the second.
    """

    depth: int
    width: int
    heads: int
    hidden: int
    positions: int = 512
    types: int = 2

    def build(self, signature: Signature, rngs: nnx.Rngs) -> Encoder:
        """Builds the network; raises SpecError for images, long texts and sizes that do not fit."""
        signature.require("text", "bert")
        if signature.input_shape[0] > self.positions:
            raise SpecError(
                f"bert has {self.positions} positions, inputs are {signature.input_shape[0]} "
                f"tokens: give at most {self.positions}"
            )
        model = Encoder(self, signature, rngs)
        name_layers(model)
        return model

    @property
    def blocks(self) -> list[BlockSizes]:
        """Sizes of every block."""
        return block_sizes("bert", self.depth, self.width, self.heads, (), self.hidden, ())


class Encoder(nnx.Module):
    """Embeddings of tokens, positions and types, then blocks in which all tokens see all."""

    def __init__(self, spec: EncoderSpec, signature: Signature, rngs: nnx.Rngs) -> None:
        self.depth = spec.depth
        self.tokens = Embedding(signature.classes, spec.width, rngs=rngs)
        self.positions = Position(spec.positions, spec.width, rngs=rngs)
        self.types = Embedding(spec.types, spec.width, rngs=rngs)
        self.norm = LayerNorm(spec.width)
        for number, sizes in enumerate(spec.blocks):
            setattr(self, f"block_{number}", EncoderBlock(sizes, rngs))
        self.pooler = Linear(spec.width, spec.width, rngs=rngs)

    def __call__(self, inputs: jax.Array) -> jax.Array:
        """(batch, time) int32, all of the first type, to states (batch, time, width) float32."""
        x = self.tokens(inputs) + self.types(jnp.zeros_like(inputs))
        x = self.norm(self.positions(x))
        for number in range(self.depth):
            x = getattr(self, f"block_{number}")(x)
        return x

    def pool(self, states: jax.Array) -> jax.Array:
        """What classifiers read: (batch, time, width) to (batch, width), from the first token."""
        return jnp.tanh(self.pooler(states[:, 0]))


class EncoderBlock(nnx.Module):
    """Attention and a perceptron, each added to the stream, which is normalised behind each."""

    def __init__(self, sizes: BlockSizes, rngs: nnx.Rngs) -> None:
        small = jax.nn.initializers.normal(0.02)
        self.attention = Attention(
            sizes, small, causal=False, dropout=0.0, use_bias=True, rngs=rngs
        )
        self.norm_0 = LayerNorm(sizes.width)
        self.perceptron = Perceptron(sizes, small, dropout=0.0, use_bias=True, rngs=rngs)
        self.norm_1 = LayerNorm(sizes.width)

    def __call__(self, inputs: jax.Array) -> jax.Array:
        """(batch, time, width) to the same."""
        x = self.norm_0(inputs + self.attention(inputs))
        return self.norm_1(x + self.perceptron(x))
