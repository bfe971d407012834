"""LeNet-5 (LeCun et al. 1998), with ReLU, maximum pooling and a full second convolution.

On images of 32 x 32 x 1 it has 61,706 parameters and takes 833,040 FLOPs per image.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
from flax import nnx

from efficient.models.cut import Group, Keep, channels, hidden_left, hidden_neurons, left
from efficient.models.layers import Conv, Linear, max_pool, name_layers
from efficient.models.signature import Signature, SpecError

_SIDE = 32


@dataclass(frozen=True)
class LeNet5Spec:
    """Sizes of LeNet-5. Images smaller than 32 x 32 are framed with zeros, as in the paper.

    Attributes:
        channels: outputs of the two convolutions.
        hidden: sizes of the linear layers before the last.
    """

    channels: tuple[int, int] = (6, 16)
    hidden: tuple[int, ...] = (120, 84)

    def build(self, signature: Signature, rngs: nnx.Rngs) -> LeNet5:
        """Builds the network; raises SpecError for texts and for sizes below 1."""
        signature.require("image", "lenet5")
        if min(*self.channels, *self.hidden) < 1:
            sizes = f"channels {self.channels} and hidden {self.hidden}"
            raise SpecError(f"lenet5 has {sizes}: every size must be at least 1")
        model = LeNet5(self, signature, rngs)
        name_layers(model)
        return model

    def groups(self, signature: Signature) -> tuple[Group, ...]:
        """Units that can go: channels of both convolutions, neurons of every hidden layer."""
        first, second = self.channels
        reader = "hidden_0" if self.hidden else "head"
        return (
            channels("conv_0", first, "conv_1"),
            channels("conv_1", second, reader, _pixels(signature)),
            *hidden_neurons(self.hidden),
        )

    def shrink(self, keep: Keep) -> LeNet5Spec:
        """The sizes that are left with the units of `keep`."""
        first, second = self.channels
        remaining = (left(keep, "conv_0", first), left(keep, "conv_1", second))
        return replace(self, channels=remaining, hidden=hidden_left(self.hidden, keep))


class LeNet5(nnx.Module):
    """Two convolutions of 5 x 5 with pooling, then linear layers."""

    def __init__(self, spec: LeNet5Spec, signature: Signature, rngs: nnx.Rngs) -> None:
        colours = signature.input_shape[2]
        first, second = spec.channels
        self.conv_0 = Conv(colours, first, (5, 5), padding="VALID", rngs=rngs)
        self.conv_1 = Conv(first, second, (5, 5), padding="VALID", rngs=rngs)
        sizes = (_pixels(signature) * second, *spec.hidden)
        self.depth = len(spec.hidden)
        for number, (inputs, outputs) in enumerate(itertools.pairwise(sizes)):
            layer = Linear(inputs, outputs, rngs=rngs, initialiser=nnx.initializers.he_normal())
            setattr(self, f"hidden_{number}", layer)
        self.head = Linear(sizes[-1], signature.classes, rngs=rngs)

    def __call__(self, inputs: jax.Array) -> jax.Array:
        """(batch, height, width, channels) float32 to logits (batch, classes) float32."""
        x = max_pool(nnx.relu(self.conv_0(_frame(inputs))))
        x = max_pool(nnx.relu(self.conv_1(x)))
        x = x.reshape(x.shape[0], -1)
        for number in range(self.depth):
            x = nnx.relu(getattr(self, f"hidden_{number}")(x))
        return self.head(x)


def _pixels(signature: Signature) -> int:
    """Of the image that the linear layers see."""
    height, width = (((max(side, _SIDE) - 4) // 2 - 4) // 2 for side in signature.input_shape[:2])
    return height * width


def _frame(images: jax.Array) -> jax.Array:
    missing = [max(_SIDE - side, 0) for side in images.shape[1:3]]
    return jnp.pad(images, ((0, 0), *((size // 2, size - size // 2) for size in missing), (0, 0)))
