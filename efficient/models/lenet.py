"""LeNet-5 (LeCun et al. 1998), with ReLU, maximum pooling and a full second convolution.

On images of 32 x 32 x 1 it has 61,706 parameters and takes 833,040 FLOPs per image.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import nnx

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


class LeNet5(nnx.Module):
    """Two convolutions of 5 x 5 with pooling, then linear layers."""

    def __init__(self, spec: LeNet5Spec, signature: Signature, rngs: nnx.Rngs) -> None:
        height, width, colours = signature.input_shape
        first, second = spec.channels
        self.conv_0 = Conv(colours, first, (5, 5), padding="VALID", rngs=rngs)
        self.conv_1 = Conv(first, second, (5, 5), padding="VALID", rngs=rngs)
        rows, columns = (((max(side, _SIDE) - 4) // 2 - 4) // 2 for side in (height, width))
        sizes = (rows * columns * second, *spec.hidden)
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


def _frame(images: jax.Array) -> jax.Array:
    missing = [max(_SIDE - side, 0) for side in images.shape[1:3]]
    return jnp.pad(images, ((0, 0), *((size // 2, size - size // 2) for size in missing), (0, 0)))
