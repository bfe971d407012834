"""The networks by name."""

from __future__ import annotations

from typing import Protocol

from flax import nnx

from efficient.models.gpt import GPTSpec
from efficient.models.lenet import LeNet5Spec
from efficient.models.mlp import MLPSpec
from efficient.models.resnet import ResNetSpec
from efficient.models.signature import Signature
from efficient.models.vgg import VGGSpec
from efficient.models.vit import ViTSpec


class Spec(Protocol):
    """A frozen dataclass with every size of a network as plain data."""

    def build(self, signature: Signature, rngs: nnx.Rngs) -> nnx.Module:
        """Builds the network, its layers named."""
        ...


NETWORKS: dict[str, type[Spec]] = {
    "mlp": MLPSpec,
    "lenet5": LeNet5Spec,
    "vgg": VGGSpec,
    "resnet": ResNetSpec,
    "vit": ViTSpec,
    "gpt": GPTSpec,
}
