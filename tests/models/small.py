"""Small networks of every kind, and what they take."""

from __future__ import annotations

from efficient.models.gpt import GPTSpec
from efficient.models.lenet import LeNet5Spec
from efficient.models.mlp import MLPSpec
from efficient.models.resnet import ResNetSpec
from efficient.models.signature import Signature
from efficient.models.vgg import VGGSpec
from efficient.models.vit import ViTSpec

# No image is ever smaller than a kernel: XLA swaps the operands of such a convolution.
IMAGE = Signature((16, 16, 3), 4, "image")
DIGIT = Signature((28, 28, 1), 4, "image")
TEXT = Signature((6,), 11, "text")

SMALL = {
    "mlp": (MLPSpec((5, 3)), IMAGE),
    "lenet5": (LeNet5Spec((2, 3), (5, 4)), DIGIT),
    "vgg": (VGGSpec(((3, 3), (4,)), (5,)), IMAGE),
    "resnet-a": (ResNetSpec(8, (2, 3, 4)), IMAGE),
    "resnet-b": (ResNetSpec(8, (2, 3, 4), "B", ((1,), (2,), (3,))), IMAGE),
    "vit": (ViTSpec(8, 2, 8, 2, 6, layer_heads=(1, 2)), IMAGE),
    "vit-token": (ViTSpec(8, 1, 8, 2, 6, "token"), IMAGE),
    "gpt": (GPTSpec(2, 8, 2, 6, dropout=0.5, layer_hidden=(6, 3)), TEXT),
    "gpt-untied": (GPTSpec(1, 8, 2, 6, bias=True, tied=False), TEXT),
}
