"""Inverted residuals, narrow outside and wide inside: MobileNetV2 and EfficientNet-B0.

MobileNetV2: Sandler et al. 2018, arXiv 1801.04381; 3,504,872 parameters. EfficientNet-B0: Tan and
Le 2019, arXiv 1905.11946; 5,288,548. Dropout and stochastic depth are left out: they have no
weights and do not contract.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
from flax import nnx

from efficient.models.layers import ConvNorm, Linear, mean_pool, name_layers
from efficient.models.signature import Signature

_ACTIVATIONS = {"relu6": nnx.relu6, "silu": nnx.silu}


@dataclass(frozen=True)
class Stage:
    """Blocks of one width.

    Attributes:
        expansion: factor from the inputs of a block to its inner channels.
        outputs: channels of every block.
        blocks: their number.
        stride: of the first block.
        window: height and width of the depthwise convolutions.
    """

    expansion: int
    outputs: int
    blocks: int
    stride: int
    window: int = 3


@dataclass(frozen=True)
class InvertedSpec:
    """Sizes of the network.

    Attributes:
        stages: in their order.
        activation: "relu6" or "silu".
        squeezes: whether every block weighs its inner channels by their means over the image, in
            a perceptron of a quarter of its inputs (squeeze and excitation, arXiv 1709.01507).
        stem: channels of the first convolution.
        last: channels of the last convolution.
    """

    stages: tuple[Stage, ...]
    activation: str
    squeezes: bool
    stem: int = 32
    last: int = 1280

    def build(self, signature: Signature, rngs: nnx.Rngs) -> Inverted:
        """Builds the network; raises SpecError for texts."""
        signature.require("image", "a network of inverted residuals")
        model = Inverted(self, signature, rngs)
        name_layers(model)
        return model


class Inverted(nnx.Module):
    """A convolution, blocks, a convolution of 1 x 1, the mean over all pixels, a linear layer."""

    def __init__(self, spec: InvertedSpec, signature: Signature, rngs: nnx.Rngs) -> None:
        self.activation = _ACTIVATIONS[spec.activation]
        colours = signature.input_shape[2]
        self.stem = ConvNorm(colours, spec.stem, (3, 3), strides=(2, 2), rngs=rngs)
        self.blocks, inputs = 0, spec.stem
        for stage in spec.stages:
            for number in range(stage.blocks):
                stride = stage.stride if number == 0 else 1
                block = InvertedBlock(inputs, stage, stride, spec, rngs)
                setattr(self, f"block_{self.blocks}", block)
                self.blocks, inputs = self.blocks + 1, stage.outputs
        self.last = ConvNorm(inputs, spec.last, (1, 1), rngs=rngs)
        self.head = Linear(spec.last, signature.classes, rngs=rngs)

    def __call__(self, inputs: jax.Array) -> jax.Array:
        """(batch, height, width, channels) float32 to logits (batch, classes) float32."""
        x = self.activation(self.stem(inputs))
        for number in range(self.blocks):
            x = getattr(self, f"block_{number}")(x)
        return self.head(mean_pool(self.activation(self.last(x))))


class InvertedBlock(nnx.Module):
    """Expand, filter every channel by itself, weigh the channels, project; then add the inputs."""

    def __init__(
        self, inputs: int, stage: Stage, stride: int, spec: InvertedSpec, rngs: nnx.Rngs
    ) -> None:
        self.activation = _ACTIVATIONS[spec.activation]
        self.adds = stride == 1 and inputs == stage.outputs
        inner, window = inputs * stage.expansion, (stage.window, stage.window)
        expands = stage.expansion != 1
        self.expand = ConvNorm(inputs, inner, (1, 1), rngs=rngs) if expands else None
        strides = (stride, stride)
        self.depthwise = ConvNorm(inner, inner, window, strides=strides, groups=inner, rngs=rngs)
        self.excite = Excitation(inner, inputs // 4, rngs) if spec.squeezes else None
        self.project = ConvNorm(inner, stage.outputs, (1, 1), rngs=rngs)

    def __call__(self, inputs: jax.Array) -> jax.Array:
        """(batch, height, width, inputs) to (batch, height', width', outputs)."""
        x = inputs if self.expand is None else self.activation(self.expand(inputs))
        x = self.activation(self.depthwise(x))
        x = self.project(x if self.excite is None else self.excite(x))
        return x + inputs if self.adds else x


class Excitation(nnx.Module):
    """Weighs every channel by a number between 0 and 1 that the means of all channels decide."""

    def __init__(self, channels: int, squeezed: int, rngs: nnx.Rngs) -> None:
        self.squeeze = Linear(channels, squeezed, rngs=rngs)
        self.expand = Linear(squeezed, channels, rngs=rngs)

    def __call__(self, inputs: jax.Array) -> jax.Array:
        """(batch, height, width, channels) to the same."""
        weights = nnx.sigmoid(self.expand(nnx.silu(self.squeeze(mean_pool(inputs)))))
        return inputs * weights[:, None, None, :]


MOBILENET_V2 = InvertedSpec(
    (
        Stage(1, 16, 1, 1),
        Stage(6, 24, 2, 2),
        Stage(6, 32, 3, 2),
        Stage(6, 64, 4, 2),
        Stage(6, 96, 3, 1),
        Stage(6, 160, 3, 2),
        Stage(6, 320, 1, 1),
    ),
    activation="relu6",
    squeezes=False,
)

EFFICIENTNET_B0 = InvertedSpec(
    (
        Stage(1, 16, 1, 1),
        Stage(6, 24, 2, 2),
        Stage(6, 40, 2, 2, window=5),
        Stage(6, 80, 3, 2),
        Stage(6, 112, 3, 1, window=5),
        Stage(6, 192, 4, 2, window=5),
        Stage(6, 320, 1, 1),
    ),
    activation="silu",
    squeezes=True,
)
