"""The networks that papers count, by their usual names, in the sizes that they publish.

    efficient.models.reference.reference("resnet50").spec.build(signature, nnx.Rngs(0))

Where several networks have one name, the one here has the number of parameters that is published
for it; `efficient/cost/tables/model_flops.csv` holds the numbers and where they are from. Networks
that the project trains take their sizes here; those that are only counted are in this folder.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace

from efficient.models.gpt import GPTSpec
from efficient.models.lenet import LeNet5Spec
from efficient.models.mlp import MLPSpec
from efficient.models.network import Spec
from efficient.models.reference.encoder import EncoderSpec
from efficient.models.reference.inverted import EFFICIENTNET_B0, MOBILENET_V2
from efficient.models.reference.residual import ResidualSpec, WideResidualSpec
from efficient.models.reference.stack import ALEXNET, vgg
from efficient.models.resnet import ResNetSpec
from efficient.models.signature import Signature, SpecError
from efficient.models.vit import ViTSpec


@dataclass(frozen=True)
class Reference:
    """A network and the inputs for which its numbers are published."""

    spec: Spec
    signature: Signature


_SMALL = Signature((32, 32, 3), 10, "image")  # CIFAR-10
_LARGE = Signature((224, 224, 3), 1000, "image")  # ImageNet
_TEXT = Signature((1024,), 50257, "text")  # GPT-2's byte pairs
_WORDS = Signature((128,), 30522, "text")  # BERT's word pieces, lower case


def _vit(depth: int, width: int, heads: int) -> Reference:
    return Reference(ViTSpec(16, depth, width, heads, 4 * width, pool="token"), _LARGE)


def _gpt2(depth: int, width: int, heads: int) -> Reference:
    return Reference(GPTSpec(depth, width, heads, 4 * width, bias=True), _TEXT)


def _bert(depth: int, width: int, heads: int) -> Reference:
    return Reference(EncoderSpec(depth, width, heads, 4 * width), _WORDS)


REFERENCES: dict[str, Reference] = {
    "lenet5": Reference(LeNet5Spec(), Signature((32, 32, 1), 10, "image")),
    "lenet_300_100": Reference(MLPSpec((300, 100)), Signature((28, 28, 1), 10, "image")),
    "alexnet": Reference(ALEXNET, _LARGE),
    "vgg11": Reference(vgg(1, 1, 2, 2, 2), _LARGE),
    "vgg13": Reference(vgg(2, 2, 2, 2, 2), _LARGE),
    "vgg16": Reference(vgg(2, 2, 3, 3, 3), _LARGE),
    "vgg19": Reference(vgg(2, 2, 4, 4, 4), _LARGE),
    "resnet18": Reference(ResidualSpec((2, 2, 2, 2)), _LARGE),
    "resnet34": Reference(ResidualSpec((3, 4, 6, 3)), _LARGE),
    "resnet50": Reference(ResidualSpec((3, 4, 6, 3), bottleneck=True), _LARGE),
    "resnet101": Reference(ResidualSpec((3, 4, 23, 3), bottleneck=True), _LARGE),
    "resnet152": Reference(ResidualSpec((3, 8, 36, 3), bottleneck=True), _LARGE),
    "resnet18_cifar": Reference(ResidualSpec((2, 2, 2, 2), small_images=True), _SMALL),
    "resnet20_cifar": Reference(ResNetSpec(20), _SMALL),
    "resnet32_cifar": Reference(ResNetSpec(32), _SMALL),
    "resnet44_cifar": Reference(ResNetSpec(44), _SMALL),
    "resnet56_cifar": Reference(ResNetSpec(56), _SMALL),
    "resnet110_cifar": Reference(ResNetSpec(110), _SMALL),
    "wrn16_4": Reference(WideResidualSpec(16, 4), _SMALL),
    "wrn28_10": Reference(WideResidualSpec(28, 10), _SMALL),
    "mobilenet_v2": Reference(MOBILENET_V2, _LARGE),
    "efficientnet_b0": Reference(EFFICIENTNET_B0, _LARGE),
    "vit_ti16": _vit(12, 192, 3),
    "vit_s16": _vit(12, 384, 6),
    "vit_b16": _vit(12, 768, 12),
    "vit_l16": _vit(24, 1024, 16),
    "gpt2": _gpt2(12, 768, 12),
    "gpt2_medium": _gpt2(24, 1024, 16),
    "gpt2_large": _gpt2(36, 1280, 20),
    "gpt2_xl": _gpt2(48, 1600, 25),
    "bert_base": _bert(12, 768, 12),
    "bert_large": _bert(24, 1024, 16),
}

#: What a shortcut without parameters, and one that projects, are called.
_SHORTCUTS = {"identity": "A", "A": "A", "projection": "B", "B": "B"}


def reference(name: str, shortcut: str | None = None) -> Reference:
    """The network of that name.

    Args:
        name: one of `REFERENCES`.
        shortcut: of the residual networks for CIFAR: "identity" (or "A", their default) or
            "projection" (or "B"); None for the default.

    Raises:
        SpecError: no such network, no such shortcut, or a network without that choice.
    """
    if name not in REFERENCES:
        near = difflib.get_close_matches(name, REFERENCES, n=3) or list(REFERENCES)
        raise SpecError(f"no reference network is named {name!r}: use {', '.join(near)}")
    found = REFERENCES[name]
    if shortcut is None:
        return found
    if not isinstance(found.spec, ResNetSpec):
        choices = [n for n, made in REFERENCES.items() if isinstance(made.spec, ResNetSpec)]
        raise SpecError(f"{name} has one kind of shortcut or none: {', '.join(choices)} have two")
    if shortcut not in _SHORTCUTS:
        raise SpecError(f"no shortcut is named {shortcut!r}: use 'identity' or 'projection'")
    return replace(found, spec=replace(found.spec, shortcut=_SHORTCUTS[shortcut]))
