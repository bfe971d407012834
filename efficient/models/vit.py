"""Vision transformer (Dosovitskiy et al. 2020, arXiv 2010.11929).

ViT-S/16 on images of 224 x 224 x 3 with 1000 classes and a class token has 22,050,664 parameters
and takes 9,197,764,608 FLOPs per image.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
from flax import nnx

from efficient.models.cut import Group, Keep, block_groups, blocks_left
from efficient.models.layers import LayerNorm, Linear, Position, name_layers
from efficient.models.signature import Signature, SpecError
from efficient.models.transformer import Block, BlockSizes, block_sizes


@dataclass(frozen=True)
class ViTSpec:
    """Sizes of the network.

    Attributes:
        patch: height and width of a patch; it divides those of the image.
        depth: number of blocks.
        width: of the residual stream.
        heads: of the attention; they divide the width.
        hidden: of the perceptrons.
        pool: "mean" over all patches, or "token": a class token reads them.
        layer_heads: heads that are left in every block; empty for all.
        layer_hidden: hidden sizes that are left in every block; empty for all.
    """

    patch: int = 4
    depth: int = 6
    width: int = 128
    heads: int = 4
    hidden: int = 512
    pool: str = "mean"
    layer_heads: tuple[int, ...] = ()
    layer_hidden: tuple[int, ...] = ()

    def build(self, signature: Signature, rngs: nnx.Rngs) -> ViT:
        """Builds the network; raises SpecError for sizes that do not fit together."""
        signature.require("image", "vit")
        height, width, _ = signature.input_shape
        if self.patch < 1 or height % self.patch or width % self.patch:
            raise SpecError(
                f"vit has patch {self.patch}, images are {height} x {width}: use a common divisor"
            )
        if self.pool not in ("mean", "token"):
            raise SpecError(f"vit has pool {self.pool!r}: use 'mean' or 'token'")
        model = ViT(self, signature, rngs)
        name_layers(model)
        return model

    def groups(self, signature: Signature) -> tuple[Group, ...]:
        """Units that can go: heads and neurons of every block, and the blocks."""
        del signature
        return block_groups(self.blocks)

    def shrink(self, keep: Keep) -> ViTSpec:
        """The sizes that are left with the units of `keep`."""
        smaller = replace(self, **blocks_left(self.blocks, keep))
        return self if smaller.blocks == self.blocks else smaller

    @property
    def blocks(self) -> list[BlockSizes]:
        """Sizes of every block."""
        return block_sizes(
            "vit",
            self.depth,
            self.width,
            self.heads,
            self.layer_heads,
            self.hidden,
            self.layer_hidden,
        )


class ViT(nnx.Module):
    """Patches, blocks and a linear layer."""

    def __init__(self, spec: ViTSpec, signature: Signature, rngs: nnx.Rngs) -> None:
        height, width, colours = signature.input_shape
        self.patch, self.depth = spec.patch, spec.depth
        count = (height // spec.patch) * (width // spec.patch)
        self.patches = Linear(spec.patch**2 * colours, spec.width, rngs=rngs)
        reads = spec.pool == "token"
        self.token = nnx.Param(jnp.zeros((1, 1, spec.width))) if reads else None
        self.positions = Position(count + reads, spec.width, rngs=rngs)
        for number, sizes in enumerate(spec.blocks):
            block = Block(
                sizes, depth=spec.depth, causal=False, dropout=0.0, use_bias=True, rngs=rngs
            )
            setattr(self, f"block_{number}", block)
        self.norm = LayerNorm(spec.width)
        self.head = Linear(spec.width, signature.classes, rngs=rngs)

    def __call__(self, inputs: jax.Array) -> jax.Array:
        """(batch, height, width, channels) float32 to logits (batch, classes) float32."""
        x = self.patches(_cut_patches(inputs, self.patch))
        if self.token is not None:
            first = jnp.broadcast_to(self.token[...], (x.shape[0], 1, x.shape[2]))
            x = jnp.concatenate([first, x], axis=1)
        x = self.positions(x)
        for number in range(self.depth):
            x = getattr(self, f"block_{number}")(x)
        x = self.norm(x)
        return self.head(x.mean(1) if self.token is None else x[:, 0])


def _cut_patches(images: jax.Array, patch: int) -> jax.Array:
    """(batch, height, width, channels) to (batch, patches, patch * patch * channels)."""
    batch, height, width, channels = images.shape
    tiles = images.reshape(batch, height // patch, patch, width // patch, patch, channels)
    return tiles.swapaxes(2, 3).reshape(batch, -1, patch * patch * channels)
