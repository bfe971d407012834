"""Convolutions one behind the other: AlexNet and VGG without normalisation, as in torchvision.

AlexNet in one column is of Krizhevsky 2014, arXiv 1404.5997: 61,100,840 parameters. VGG is of
Simonyan and Zisserman 2014, arXiv 1409.1556: VGG-16 has 138,357,544. Their dropout is left out: it
has no weights and does not contract.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax

from efficient.models.layers import Conv, Linear, name_layers
from efficient.models.signature import Signature, SpecError

_WIDTHS = (64, 128, 256, 512, 512)


@dataclass(frozen=True)
class Convolution:
    """A convolution with ReLU.

    Attributes:
        outputs: its channels.
        window: height and width of its kernel.
        stride: of its steps.
        padding: zeros on every side.
        pooled: whether a pool with stride 2 follows.
    """

    outputs: int
    window: int = 3
    stride: int = 1
    padding: int = 1
    pooled: bool = False


@dataclass(frozen=True)
class StackSpec:
    """Sizes of the network.

    Attributes:
        convolutions: in their order.
        pool: height and width of every pool.
        grid: side to which the last images are averaged, so that any input fits the linear layers.
        hidden: sizes of the linear layers before the last.
    """

    convolutions: tuple[Convolution, ...]
    pool: int
    grid: int
    hidden: tuple[int, ...] = (4096, 4096)

    def build(self, signature: Signature, rngs: nnx.Rngs) -> Stack:
        """Builds the network; raises SpecError for texts and for images that shrink to nothing."""
        signature.require("image", "a stack of convolutions")
        if min(self._sides(min(signature.input_shape[:2]))) < 1:
            raise SpecError(
                f"the stack of convolutions shrinks images of {signature.input_shape} to nothing: "
                "use larger ones"
            )
        model = Stack(self, signature, rngs)
        name_layers(model)
        return model

    def _sides(self, side: int) -> list[int]:
        """The side of the images behind every convolution and its pool."""
        sides = []
        for layer in self.convolutions:
            side = (side + 2 * layer.padding - layer.window) // layer.stride + 1
            side = (side - self.pool) // 2 + 1 if layer.pooled else side
            sides.append(side)
        return sides


class Stack(nnx.Module):
    """Convolutions and pools, a grid of means, linear layers."""

    def __init__(self, spec: StackSpec, signature: Signature, rngs: nnx.Rngs) -> None:
        self.spec = spec
        inputs = signature.input_shape[2]
        for number, layer in enumerate(spec.convolutions):
            size, strides = (layer.window, layer.window), (layer.stride, layer.stride)
            padding = ((layer.padding, layer.padding),) * 2
            conv = Conv(inputs, layer.outputs, size, strides=strides, padding=padding, rngs=rngs)
            setattr(self, f"conv_{number}", conv)
            inputs = layer.outputs
        sizes = (spec.grid**2 * inputs, *spec.hidden)
        for number, (inputs, outputs) in enumerate(itertools.pairwise(sizes)):
            setattr(self, f"hidden_{number}", Linear(inputs, outputs, rngs=rngs))
        self.head = Linear(sizes[-1], signature.classes, rngs=rngs)

    def __call__(self, inputs: jax.Array) -> jax.Array:
        """(batch, height, width, channels) float32 to logits (batch, classes) float32."""
        x = inputs
        for number, layer in enumerate(self.spec.convolutions):
            x = nnx.relu(getattr(self, f"conv_{number}")(x))
            if layer.pooled:
                x = nnx.max_pool(x, (self.spec.pool, self.spec.pool), (2, 2))
        x = _average(x, self.spec.grid).reshape(x.shape[0], -1)
        for number in range(len(self.spec.hidden)):
            x = nnx.relu(getattr(self, f"hidden_{number}")(x))
        return self.head(x)


def vgg(*sizes: int) -> StackSpec:
    """VGG with that many convolutions in each of its five groups, a pool behind every group."""
    convolutions = tuple(
        Convolution(width, pooled=number == size - 1)
        for width, size in zip(_WIDTHS, sizes, strict=True)
        for number in range(size)
    )
    return StackSpec(convolutions, pool=2, grid=7)


ALEXNET = StackSpec(
    (
        Convolution(64, window=11, stride=4, padding=2, pooled=True),
        Convolution(192, window=5, padding=2, pooled=True),
        Convolution(384),
        Convolution(256),
        Convolution(256, pooled=True),
    ),
    pool=3,
    grid=6,
)


def _average(images: jax.Array, grid: int) -> jax.Array:
    """Means over `grid * grid` cells that cover the images; cells overlap where it must be."""
    for axis in (1, 2):
        size = images.shape[axis]
        cells = [
            lax.slice_in_dim(images, cell * size // grid, -(-(cell + 1) * size // grid), axis=axis)
            for cell in range(grid)
        ]
        images = jnp.concatenate([cell.mean(axis, keepdims=True) for cell in cells], axis)
    return images
