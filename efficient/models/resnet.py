"""Residual networks for small images (He et al. 2015, arXiv 1512.03385, section 4.2).

Depth 6n + 2: a convolution, three stages of n blocks of two convolutions, a linear layer. On
images of 32 x 32 x 3 with 10 classes, ResNet-20 has 269,722 parameters and takes 81,102,080 FLOPs
per image with shortcut A, 272,474 and 81,626,368 with shortcut B.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
from flax import nnx

from efficient.models.cut import Group, Keep, channels, left
from efficient.models.layers import ConvNorm, Linear, mean_pool, name_layers
from efficient.models.signature import Signature, SpecError


@dataclass(frozen=True)
class ResNetSpec:
    """Sizes of the network.

    Attributes:
        depth: number of layers, 6n + 2: 20, 32, 44, 56, 110.
        widths: channels of the residual stream in every stage; each stage but the first halves
            height and width.
        shortcut: where the stream changes, "A" takes every second pixel and adds channels of
            zeros, "B" is a convolution of 1 x 1 with normalisation.
        inner: channels between the two convolutions of every block, by stage; empty for those
            of the stage.
    """

    depth: int = 20
    widths: tuple[int, int, int] = (16, 32, 64)
    shortcut: str = "A"
    inner: tuple[tuple[int, ...], ...] = ()

    def build(self, signature: Signature, rngs: nnx.Rngs) -> ResNet:
        """Builds the network; raises SpecError for sizes that do not fit together."""
        signature.require("image", "resnet")
        self._check()
        if min(signature.input_shape[:2]) < 4:
            raise SpecError(
                f"resnet halves images twice, they are {signature.input_shape}: use 4 x 4 at least"
            )
        model = ResNet(self, signature, rngs)
        name_layers(model)
        return model

    def groups(self, signature: Signature) -> tuple[Group, ...]:
        """Units that can go: the channels between the two convolutions of every block."""
        del signature
        sizes = enumerate(itertools.chain(*self.inner_widths))
        return tuple(channels(_inner(n), size, f"block_{n}/conv_1") for n, size in sizes)

    def shrink(self, keep: Keep) -> ResNetSpec:
        """The sizes that are left with the units of `keep`."""
        numbers = itertools.count()
        inner = tuple(
            tuple(left(keep, _inner(next(numbers)), size) for size in stage)
            for stage in self.inner_widths
        )
        return self if inner == self.inner_widths else replace(self, inner=inner)

    @property
    def inner_widths(self) -> tuple[tuple[int, ...], ...]:
        """Channels between the two convolutions of every block, by stage."""
        return self.inner or tuple((width,) * ((self.depth - 2) // 6) for width in self.widths)

    def _check(self) -> None:
        if self.depth < 8 or self.depth % 6 != 2:
            raise SpecError(f"resnet has depth {self.depth}: use 6n + 2, as 20, 32, 56 or 110")
        if self.shortcut not in ("A", "B"):
            raise SpecError(f"resnet has shortcut {self.shortcut!r}: use 'A' or 'B'")
        if min(*self.widths, *itertools.chain(*self.inner_widths)) < 1:
            raise SpecError(f"resnet has widths {self.widths}: every size must be at least 1")
        if self.shortcut == "A" and list(self.widths) != sorted(self.widths):
            raise SpecError(f"resnet has widths {self.widths}: with shortcut 'A' they cannot fall")
        blocks = (self.depth - 2) // 6
        if [len(stage) for stage in self.inner_widths] != [blocks] * 3:
            raise SpecError(f"resnet has inner {self.inner}: give {blocks} sizes in 3 stages")


def _inner(block: int) -> str:
    """The convolution whose outputs only its own block sees."""
    return f"block_{block}/conv_0"


class ResNet(nnx.Module):
    """A convolution, residual blocks, the mean over all pixels and a linear layer."""

    def __init__(self, spec: ResNetSpec, signature: Signature, rngs: nnx.Rngs) -> None:
        self.stem = ConvNorm(signature.input_shape[2], spec.widths[0], (3, 3), rngs=rngs)
        self.blocks = 0
        inputs = spec.widths[0]
        for stage, (width, inner) in enumerate(zip(spec.widths, spec.inner_widths, strict=True)):
            for number, middle in enumerate(inner):
                stride = 2 if stage > 0 and number == 0 else 1
                block = Block(inputs, middle, width, stride, spec.shortcut, rngs)
                setattr(self, f"block_{self.blocks}", block)
                self.blocks, inputs = self.blocks + 1, width
        self.head = Linear(inputs, signature.classes, rngs=rngs)

    def __call__(self, inputs: jax.Array) -> jax.Array:
        """(batch, height, width, channels) float32 to logits (batch, classes) float32."""
        x = nnx.relu(self.stem(inputs))
        for number in range(self.blocks):
            x = getattr(self, f"block_{number}")(x)
        return self.head(mean_pool(x))


class Block(nnx.Module):
    """Two convolutions beside a shortcut."""

    def __init__(
        self, inputs: int, inner: int, outputs: int, stride: int, shortcut: str, rngs: nnx.Rngs
    ) -> None:
        strides = (stride, stride)
        self.conv_0 = ConvNorm(inputs, inner, (3, 3), strides=strides, rngs=rngs)
        self.conv_1 = ConvNorm(inner, outputs, (3, 3), rngs=rngs)
        self.stride, self.widen = stride, outputs - inputs
        projects = shortcut == "B" and (stride != 1 or inputs != outputs)
        self.project = (
            ConvNorm(inputs, outputs, (1, 1), strides=strides, rngs=rngs) if projects else None
        )

    def __call__(self, inputs: jax.Array) -> jax.Array:
        """(batch, height, width, inputs) to (batch, height', width', outputs)."""
        x = self.conv_1(nnx.relu(self.conv_0(inputs)))
        return nnx.relu(x + self._shortcut(inputs))

    def _shortcut(self, inputs: jax.Array) -> jax.Array:
        if self.project is not None:
            return self.project(inputs)
        kept = inputs[:, :: self.stride, :: self.stride]
        return jnp.pad(kept, ((0, 0), (0, 0), (0, 0), (0, self.widen)))
