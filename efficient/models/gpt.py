"""GPT-2 (Radford et al. 2019), in the shapes of nanoGPT.

GPT-2 124M (depth 12, width 768, heads 12, hidden 3072, context 1024, vocabulary 50,257) has
124,439,808 parameters with biases, 124,337,664 without, and takes 291,648,307,200 FLOPs for a
forward pass over 1,024 tokens.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
from flax import nnx

from efficient.models.layers import Dropout, Embedding, LayerNorm, Linear, Position, name_layers
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
        if inputs.shape[1] > self.context:
            raise SpecError(
                f"gpt has context {self.context}, got {inputs.shape[1]} tokens: give at most "
                f"{self.context}"
            )
        x = self.dropout(self.positions(self.tokens(inputs)))
        for number in range(self.depth):
            x = getattr(self, f"block_{number}")(x)
        x = self.norm(x)
        return self.tokens.unembed(x) if self.head is None else self.head(x)


def _make_head(spec: GPTSpec, signature: Signature, rngs: nnx.Rngs) -> Linear:
    small = jax.nn.initializers.normal(0.02)
    return Linear(spec.width, signature.classes, use_bias=False, initialiser=small, rngs=rngs)
