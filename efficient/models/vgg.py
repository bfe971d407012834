"""A small network in the manner of VGG (Simonyan and Zisserman 2014, arXiv 1409.1556).

Groups of 3 x 3 convolutions with batch normalisation, each group followed by pooling.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import jax
from flax import nnx

from efficient.models.cut import Group, Keep, channels, hidden_left, hidden_neurons, left
from efficient.models.layers import ConvNorm, Linear, max_pool, name_layers
from efficient.models.signature import Signature, SpecError


@dataclass(frozen=True)
class VGGSpec:
    """Sizes of the network.

    Attributes:
        widths: outputs of every convolution, in groups; a pool of 2 x 2 follows each group.
        hidden: sizes of the linear layers before the last.
    """

    widths: tuple[tuple[int, ...], ...] = ((32, 32), (64, 64), (128, 128))
    hidden: tuple[int, ...] = (128,)

    def build(self, signature: Signature, rngs: nnx.Rngs) -> VGG:
        """Builds the network; raises SpecError for texts, empty groups and too small images."""
        signature.require("image", "vgg")
        if not all(self.widths) or min([*itertools.chain(*self.widths), *self.hidden]) < 1:
            sizes = f"widths {self.widths} and hidden {self.hidden}"
            raise SpecError(f"vgg has {sizes}: every group needs a size, every size at least 1")
        smallest = 2 ** len(self.widths)
        if min(signature.input_shape[:2]) < smallest:
            raise SpecError(
                f"vgg pools {len(self.widths)} times, images are {signature.input_shape}: "
                f"use at most {min(signature.input_shape[:2]).bit_length() - 1} groups"
            )
        model = VGG(self, signature, rngs)
        name_layers(model)
        return model

    def groups(self, signature: Signature) -> tuple[Group, ...]:
        """Units that can go: channels of every convolution, neurons of every hidden layer."""
        sizes = list(itertools.chain(*self._convolutions()))
        names = [name for name, _ in sizes]
        last = channels(*sizes[-1], "hidden_0" if self.hidden else "head", self.pixels(signature))
        inner = [channels(*sizes[i], names[i + 1]) for i in range(len(sizes) - 1)]
        return (*inner, last, *hidden_neurons(self.hidden))

    def shrink(self, keep: Keep) -> VGGSpec:
        """The sizes that are left with the units of `keep`."""
        widths = tuple(
            tuple(left(keep, name, size) for name, size in group) for group in self._convolutions()
        )
        return replace(self, widths=widths, hidden=hidden_left(self.hidden, keep))

    def pixels(self, signature: Signature) -> int:
        """Of the image that the linear layers see."""
        height, width = (side // 2 ** len(self.widths) for side in signature.input_shape[:2])
        return height * width

    def _convolutions(self) -> list[list[tuple[str, int]]]:
        """Name and outputs of every convolution, by group."""
        return [
            [(f"conv_{group}_{number}", size) for number, size in enumerate(widths)]
            for group, widths in enumerate(self.widths)
        ]


class VGG(nnx.Module):
    """Groups of convolutions with pooling, then linear layers."""

    def __init__(self, spec: VGGSpec, signature: Signature, rngs: nnx.Rngs) -> None:
        inputs = signature.input_shape[2]
        self.groups = tuple(len(group) for group in spec.widths)
        for group, widths in enumerate(spec.widths):
            for number, outputs in enumerate(widths):
                layer = ConvNorm(inputs, outputs, (3, 3), rngs=rngs)
                setattr(self, f"conv_{group}_{number}", layer)
                inputs = outputs
        sizes = (spec.pixels(signature) * inputs, *spec.hidden)
        self.depth = len(spec.hidden)
        for number, (inputs, outputs) in enumerate(itertools.pairwise(sizes)):
            layer = Linear(inputs, outputs, rngs=rngs, initialiser=nnx.initializers.he_normal())
            setattr(self, f"hidden_{number}", layer)
        self.head = Linear(sizes[-1], signature.classes, rngs=rngs)

    def __call__(self, inputs: jax.Array) -> jax.Array:
        """(batch, height, width, channels) float32 to logits (batch, classes) float32."""
        x = inputs
        for group, size in enumerate(self.groups):
            for number in range(size):
                x = nnx.relu(getattr(self, f"conv_{group}_{number}")(x))
            x = max_pool(x)
        x = x.reshape(x.shape[0], -1)
        for number in range(self.depth):
            x = nnx.relu(getattr(self, f"hidden_{number}")(x))
        return self.head(x)
