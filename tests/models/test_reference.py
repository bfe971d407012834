"""The networks by their usual names: they run, and what they refuse they refuse in one line."""

import re
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from efficient.models.layers import weighted_layers
from efficient.models.outline import outline
from efficient.models.reference import REFERENCES, reference
from efficient.models.reference.encoder import EncoderSpec
from efficient.models.reference.inverted import InvertedSpec, Stage
from efficient.models.reference.residual import ResidualSpec, WideResidualSpec
from efficient.models.reference.stack import Convolution, StackSpec, _average
from efficient.models.signature import Signature, SpecError
from efficient.models.tree import flatten

IMAGE = Signature((9, 12, 3), 4, "image")
TEXT = Signature((6,), 11, "text")

# One of each kind, small enough to run.
SMALL = {
    "stack": (StackSpec((Convolution(3, pooled=True), Convolution(2)), 3, 2, (5,)), IMAGE),
    "basic": (ResidualSpec((1, 1)), IMAGE),
    "bottleneck": (ResidualSpec((1,), bottleneck=True, small_images=True), IMAGE),
    "wide": (WideResidualSpec(10, 1), IMAGE),
    "mobile": (InvertedSpec((Stage(1, 8, 1, 1), Stage(2, 8, 1, 2)), "relu6", False, 8, 6), IMAGE),
    "efficient": (InvertedSpec((Stage(2, 8, 2, 2, window=5),), "silu", True, 8, 6), IMAGE),
    "encoder": (EncoderSpec(1, 8, 2, 6, positions=7), TEXT),
}


@dataclass(frozen=True)
class Small:
    """A network with weights drawn at random, and one batch for it."""

    graphdef: Any
    params: dict
    rest: dict
    inputs: jax.Array
    outputs: tuple[int, ...]

    def apply(self, params: dict) -> jax.Array:
        return nnx.merge(self.graphdef, params, self.rest, copy=True)(self.inputs)


@pytest.fixture(scope="module", params=SMALL)
def small(request) -> Small:
    """Every network in turn."""
    return draw(*SMALL[request.param])


def draw(spec, signature) -> Small:
    generator = np.random.default_rng(0)
    graphdef, params, rest = outline(spec, signature)
    params = jax.tree.map(lambda leaf: generator.normal(0, 0.5, leaf.shape).astype("f4"), params)
    rest = jax.tree.map(lambda leaf: jnp.asarray(np.ones(leaf.shape, leaf.dtype)), rest)
    shape = (2, *signature.input_shape)
    if signature.kind == "text":
        inputs, outputs = generator.integers(0, signature.classes, shape), (*shape, 8)
    else:
        inputs, outputs = generator.normal(size=shape).astype("f4"), (2, signature.classes)
    return Small(graphdef, params, rest, jnp.asarray(inputs), outputs)


def test_every_kernel_that_is_counted_is_learned(small):
    def loss(params):
        outputs = small.apply(params)
        assert outputs.shape == small.outputs and outputs.dtype == jnp.float32
        return jnp.square(outputs - jnp.arange(outputs.size).reshape(outputs.shape)).mean()

    gradients = flatten(jax.jit(jax.grad(loss))(small.params))
    still = {
        name
        for name, gradient in gradients.items()
        if name.endswith("/kernel") and jnp.abs(gradient).max() < 1e-9
    }
    assert still == {name for name in gradients if name == "pooler/kernel"}


def test_layers_are_named_by_their_parameters(small):
    model = nnx.merge(small.graphdef, small.params, small.rest)
    kernels = {name for name in flatten(small.params) if name.endswith("/kernel")}
    assert {f"{path}/kernel" for path in weighted_layers(model)} == kernels


def test_the_pooler_reads_the_first_token():
    small = draw(*SMALL["encoder"])
    model = nnx.merge(small.graphdef, small.params, small.rest)
    states = jax.random.normal(jax.random.key(0), small.outputs)
    pooled = model.pool(states)
    assert pooled.shape == (2, 8)
    np.testing.assert_array_equal(pooled, model.pool(states.at[:, 1:].set(0)))
    assert jnp.abs(pooled - model.pool(states.at[:, 0].set(0))).max() > 1e-3


def test_grids_average_what_covers_the_image():
    images = jnp.arange(5.0).reshape(1, 5, 1, 1)
    rows = _average(images, 2)[0, :, 0, 0]
    np.testing.assert_allclose(rows, [1.0, 3.0])
    np.testing.assert_allclose(_average(images[:, :1], 3)[0, :, :, 0], jnp.zeros((3, 3)))


def test_shortcuts_have_two_names_each():
    default = reference("resnet20_cifar")
    assert default == reference("resnet20_cifar", "identity") == reference("resnet20_cifar", "A")
    projected = reference("resnet20_cifar", "projection")
    assert projected == reference("resnet20_cifar", "B") != default
    assert projected.spec == replace(default.spec, shortcut="B")


REFUSED = {
    "no reference network is named 'resnet51': use resnet50": lambda: reference("resnet51"),
    "'q': use lenet5, lenet_300_100, alexnet": lambda: reference("q"),
    "resnet50 has one kind of shortcut or none": lambda: reference("resnet50", "projection"),
    "no shortcut is named 'C': use": lambda: reference("resnet20_cifar", "C"),
    "shrinks images of (16, 16, 3) to nothing": lambda: build("alexnet", (16, 16, 3)),
    "bert has 512 positions, inputs are 513 tokens": lambda: build("bert_base", (513,)),
    "wide resnet has depth 20: use 6n + 4": lambda: outline(WideResidualSpec(20, 2), IMAGE),
    "bert has width 10, not divisible by heads 4": lambda: outline(EncoderSpec(1, 10, 4, 8), TEXT),
    "bert takes text inputs": lambda: outline(EncoderSpec(1, 8, 2, 8), IMAGE),
    "resnet takes image inputs": lambda: outline(ResidualSpec((1,)), TEXT),
}


def build(name, input_shape):
    found = REFERENCES[name]
    signature = replace(found.signature, input_shape=input_shape)
    return outline(found.spec, signature)


@pytest.mark.parametrize("message", REFUSED)
def test_what_cannot_be_is_refused_in_one_line(message):
    with pytest.raises(SpecError, match=re.escape(message)) as error:
        REFUSED[message]()
    assert "\n" not in str(error.value)
