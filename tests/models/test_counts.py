"""Parameters and FLOPs of the networks that papers publish, exactly."""

import math

import jax
import jax.numpy as jnp
import pytest
from flax import nnx

from efficient.cost.flops import count_training, flops
from efficient.models.gpt import GPTSpec
from efficient.models.lenet import LeNet5Spec
from efficient.models.mlp import MLPSpec
from efficient.models.resnet import ResNetSpec
from efficient.models.signature import Signature
from efficient.models.vit import ViTSpec

DIGIT = Signature((28, 28, 1), 10, "image")
PHOTO = Signature((32, 32, 3), 10, "image")
LARGE = Signature((224, 224, 3), 1000, "image")
TEXT = Signature((1024,), 50257, "text")
GPT2 = GPTSpec(depth=12, width=768, heads=12, hidden=3072, bias=True)

# Parameters, FLOPs of one forward pass, FLOPs of one training step; convolutions padded.
PUBLISHED = {
    "LeNet-300-100": (MLPSpec(), DIGIT, 266_610, 532_400, 1_126_800),
    "LeNet-5": (LeNet5Spec(), DIGIT, 61_706, 833_040, 2_263_920),
    "ResNet-20 A": (ResNetSpec(), PHOTO, 269_722, 81_102_080, 242_421_504),
    "ResNet-20 B": (ResNetSpec(shortcut="B"), PHOTO, 272_474, 81_626_368, 243_994_368),
    "ResNet-56 A": (ResNetSpec(56), PHOTO, 853_018, 250_971_392, 752_029_440),
    "ViT-S/16": (
        ViTSpec(patch=16, depth=12, width=384, heads=6, hidden=1536, pool="token"),
        LARGE,
        22_050_664,
        9_197_764_608,
        27_477_688_320,
    ),
    "GPT-2 124M": (GPT2, TEXT, 124_439_808, 291_648_307_200, 874_944_921_600),
}


def parameters(spec, signature):
    model = nnx.eval_shape(lambda: spec.build(signature, nnx.Rngs(0)))
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(nnx.state(model, nnx.Param)))


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_counts(name):
    spec, signature, expected, forward, training = PUBLISHED[name]
    assert parameters(spec, signature) == expected
    model = nnx.eval_shape(lambda: spec.build(signature, nnx.Rngs(0)))
    graphdef, params, rest = nnx.split(model, nnx.Param, ...)
    params, rest = nnx.to_pure_dict(params), nnx.to_pure_dict(rest)
    dtype = jnp.int32 if signature.kind == "text" else jnp.float32
    inputs = jax.ShapeDtypeStruct((1, *signature.input_shape), dtype)

    def loss(params, rest, inputs):
        return nnx.merge(graphdef, params, rest)(inputs).sum()

    assert flops(loss, params, rest, inputs).total == forward
    leaves = [len(jax.tree.leaves(tree)) for tree in (params, rest, inputs)]
    trained = [True] * leaves[0] + [False] * sum(leaves[1:])
    traced = jax.make_jaxpr(loss)(params, rest, inputs)
    assert count_training(traced, trained).total == training


def test_gpt_without_biases_has_the_parameters_of_nanogpt():
    spec = GPTSpec(depth=12, width=768, heads=12, hidden=3072)
    assert parameters(spec, TEXT) == 124_337_664


def test_what_is_left_of_a_layer_is_what_it_costs():
    whole = parameters(GPTSpec(2, 8, 4, 16), TEXT)
    less = parameters(GPTSpec(2, 8, 4, 16, layer_heads=(4, 3), layer_hidden=(16, 15)), TEXT)
    assert whole - less == 4 * 2 * 8 + 2 * 8
