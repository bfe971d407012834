"""Residual networks that are only counted: those for ImageNet, and wide ones for CIFAR.

For ImageNet: He et al. 2015, arXiv 1512.03385, with the stride of a bottleneck in its 3 x 3
convolution, as in torchvision; ResNet-50 has 25,557,032 parameters. Wide: Zagoruyko and Komodakis
2016, arXiv 1605.07146; WRN-28-10 has 36,479,194.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
from flax import nnx

from efficient.models.layers import Conv, ConvNorm, Linear, mean_pool, name_layers
from efficient.models.resnet import Block
from efficient.models.signature import Signature, SpecError


@dataclass(frozen=True)
class ResidualSpec:
    """Sizes of a residual network with four stages of 64, 128, 256 and 512 channels.

    Attributes:
        blocks: in every stage.
        bottleneck: whether blocks have three convolutions, the last with four times the channels,
            instead of two.
        small_images: whether the network starts with a 3 x 3 convolution instead of one of 7 x 7
            and a pool, each with stride 2.
    """

    blocks: tuple[int, ...]
    bottleneck: bool = False
    small_images: bool = False

    def build(self, signature: Signature, rngs: nnx.Rngs) -> Residual:
        """Builds the network; raises SpecError for texts."""
        signature.require("image", "resnet")
        model = Residual(self, signature, rngs)
        name_layers(model)
        return model


class Residual(nnx.Module):
    """A convolution, residual blocks, the mean over all pixels and a linear layer."""

    def __init__(self, spec: ResidualSpec, signature: Signature, rngs: nnx.Rngs) -> None:
        self.pools = not spec.small_images
        window, stride = ((3, 3), (1, 1)) if spec.small_images else ((7, 7), (2, 2))
        self.stem = ConvNorm(signature.input_shape[2], 64, window, strides=stride, rngs=rngs)
        self.blocks, inputs = 0, 64
        for stage, size in enumerate(spec.blocks):
            inner = 64 * 2**stage
            for number in range(size):
                step = 2 if stage > 0 and number == 0 else 1
                if spec.bottleneck:
                    block, outputs = Bottleneck(inputs, inner, step, rngs), 4 * inner
                else:
                    block, outputs = Block(inputs, inner, inner, step, "B", rngs), inner
                setattr(self, f"block_{self.blocks}", block)
                self.blocks, inputs = self.blocks + 1, outputs
        self.head = Linear(inputs, signature.classes, rngs=rngs)

    def __call__(self, inputs: jax.Array) -> jax.Array:
        """(batch, height, width, channels) float32 to logits (batch, classes) float32."""
        x = nnx.relu(self.stem(inputs))
        if self.pools:
            x = nnx.max_pool(x, (3, 3), (2, 2), padding="SAME")
        for number in range(self.blocks):
            x = getattr(self, f"block_{number}")(x)
        return self.head(mean_pool(x))


class Bottleneck(nnx.Module):
    """Convolutions of 1 x 1, 3 x 3 and 1 x 1 beside a shortcut that projects where it must."""

    def __init__(self, inputs: int, inner: int, stride: int, rngs: nnx.Rngs) -> None:
        outputs, strides = 4 * inner, (stride, stride)
        self.conv_0 = ConvNorm(inputs, inner, (1, 1), rngs=rngs)
        self.conv_1 = ConvNorm(inner, inner, (3, 3), strides=strides, rngs=rngs)
        self.conv_2 = ConvNorm(inner, outputs, (1, 1), rngs=rngs)
        projects = inputs != outputs or stride != 1
        self.project = (
            ConvNorm(inputs, outputs, (1, 1), strides=strides, rngs=rngs) if projects else None
        )

    def __call__(self, inputs: jax.Array) -> jax.Array:
        """(batch, height, width, inputs) to (batch, height', width', 4 * inner)."""
        x = nnx.relu(self.conv_1(nnx.relu(self.conv_0(inputs))))
        shortcut = inputs if self.project is None else self.project(inputs)
        return nnx.relu(self.conv_2(x) + shortcut)


@dataclass(frozen=True)
class WideResidualSpec:
    """Sizes of a wide residual network.

    Attributes:
        depth: number of layers, 6n + 4: 16, 22, 28, 40.
        widen: factor on the 16, 32 and 64 channels of its stages.
    """

    depth: int
    widen: int

    def build(self, signature: Signature, rngs: nnx.Rngs) -> WideResidual:
        """Builds the network; raises SpecError for texts and for other depths."""
        signature.require("image", "wide resnet")
        if self.depth < 10 or self.depth % 6 != 4:
            raise SpecError(f"wide resnet has depth {self.depth}: use 6n + 4, as 16, 28 or 40")
        model = WideResidual(self, signature, rngs)
        name_layers(model)
        return model


class WideResidual(nnx.Module):
    """A convolution, blocks that normalise first, the mean over all pixels and a linear layer."""

    def __init__(self, spec: WideResidualSpec, signature: Signature, rngs: nnx.Rngs) -> None:
        self.stem = Conv(signature.input_shape[2], 16, (3, 3), use_bias=False, rngs=rngs)
        self.blocks, inputs = 0, 16
        for stage in range(3):
            outputs = 16 * 2**stage * spec.widen
            for number in range((spec.depth - 4) // 6):
                stride = 2 if stage > 0 and number == 0 else 1
                setattr(self, f"block_{self.blocks}", WideBlock(inputs, outputs, stride, rngs))
                self.blocks, inputs = self.blocks + 1, outputs
        self.norm = nnx.BatchNorm(inputs, rngs=rngs)
        self.head = Linear(inputs, signature.classes, rngs=rngs)

    def __call__(self, inputs: jax.Array) -> jax.Array:
        """(batch, height, width, channels) float32 to logits (batch, classes) float32."""
        x = self.stem(inputs)
        for number in range(self.blocks):
            x = getattr(self, f"block_{number}")(x)
        return self.head(mean_pool(nnx.relu(self.norm(x))))


class WideBlock(nnx.Module):
    """Two convolutions, each behind a normalisation and ReLU, beside a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int, rngs: nnx.Rngs) -> None:
        strides = (stride, stride)
        self.norm = nnx.BatchNorm(inputs, rngs=rngs)
        self.conv_0 = ConvNorm(inputs, outputs, (3, 3), strides=strides, rngs=rngs)
        self.conv_1 = Conv(outputs, outputs, (3, 3), use_bias=False, rngs=rngs)
        self.project = (
            Conv(inputs, outputs, (1, 1), strides=strides, use_bias=False, rngs=rngs)
            if inputs != outputs
            else None
        )

    def __call__(self, inputs: jax.Array) -> jax.Array:
        """(batch, height, width, inputs) to (batch, height', width', outputs)."""
        x = nnx.relu(self.norm(inputs))
        shortcut = inputs if self.project is None else self.project(x)
        return self.conv_1(nnx.relu(self.conv_0(x))) + shortcut
