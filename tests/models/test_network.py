"""What holds for every network."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx, traverse_util

from efficient.models.gpt import GPTSpec
from efficient.models.layers import ConvNorm, weighted_layers
from efficient.models.lenet import LeNet5Spec
from efficient.models.mlp import MLPSpec
from efficient.models.network import NETWORKS
from efficient.models.resnet import ResNetSpec
from efficient.models.signature import Signature, SpecError
from efficient.models.vgg import VGGSpec
from efficient.models.vit import ViTSpec

IMAGE = Signature((8, 8, 3), 4, "image")
TEXT = Signature((6,), 11, "text")


def same(left, right):
    jax.tree.map(np.testing.assert_array_equal, left, right)


def shapes(tree):
    return jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), tree)


def test_every_default_builds():
    for name, spec in NETWORKS.items():
        signature = TEXT if name == "gpt" else IMAGE
        assert weighted_layers(
            nnx.eval_shape(lambda s=spec, g=signature: s().build(g, nnx.Rngs(0)))
        )


def test_names_are_the_paths_of_the_parameters(network):
    flat = traverse_util.flatten_dict(network.params, sep="/")
    named = {f"{path}/kernel": layer for path, layer in weighted_layers(network.model).items()}
    assert set(named) == {name for name in flat if name.endswith("/kernel")}
    assert all(layer.kernel.shape == flat[name].shape for name, layer in named.items())


def test_definition_order_survives_a_merge(network):
    merged = nnx.merge(network.graphdef, network.params, network.rest)
    assert list(weighted_layers(merged)) == list(weighted_layers(network.model))


def test_definition_order_is_that_of_the_computation():
    model = nnx.eval_shape(lambda: ResNetSpec(depth=68).build(IMAGE, nnx.Rngs(0)))
    paths = list(weighted_layers(model))
    numbers = [int(path.split("/")[0][6:]) for path in paths if path.startswith("block_")]
    assert paths[0] == "stem" and paths[-1] == "head"
    assert numbers == sorted(numbers) and numbers[-1] == 32


def test_every_parameter_is_learned(network):
    step = jax.jit(jax.grad(network.loss, has_aux=True))
    gradients, _ = step(network.params, network.rest, network.inputs)
    for name, gradient in traverse_util.flatten_dict(gradients, sep="/").items():
        assert gradient.dtype == jnp.float32
        # A key's bias moves all scores of a query alike, which softmax does not see.
        assert jnp.abs(gradient).max() > 1e-9 or name.endswith("key/bias"), name


def test_a_step_keeps_the_structure(network):
    state, _ = jax.eval_shape(network.step, (network.params, network.rest), network.inputs)
    assert shapes(state) == shapes((network.params, network.rest))


def test_steps_in_a_scan_equal_plain_steps(network):
    start = (network.params, network.rest)
    batches = jnp.stack([network.inputs, network.inputs[::-1]])
    scanned, losses = jax.jit(lambda s, b: jax.lax.scan(network.step, s, b))(start, batches)
    plain, step = start, jax.jit(network.step)
    for batch, loss in zip(batches, losses, strict=True):
        plain, expected = step(plain, batch)
        np.testing.assert_allclose(loss, expected, rtol=1e-5)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, 1e-4, 1e-5), scanned, plain)


def test_every_convolution_of_a_scan_is_canonical(network):
    run = jax.jit(lambda s, b: jax.lax.scan(network.step, s, b))
    batches = jnp.stack([network.inputs] * 2)
    text = run.lower((network.params, network.rest), batches).compile().as_text()
    labels = set(re.findall(r"dim_labels=(\w+->\w+)", text))
    kinds = {layer.kind for layer in weighted_layers(network.model).values()}
    assert labels == ({"b01f_01io->b01f"} if "convolution" in kinds else set())


def test_any_batch_size_gives_the_same_logits(network):
    model = nnx.merge(network.graphdef, network.params, network.rest)
    model.eval()
    together = model(network.inputs)
    shape = network.inputs.shape[1:] if network.signature.kind == "text" else ()
    assert together.shape == (3, *shape, network.signature.classes)
    assert together.dtype == jnp.float32
    np.testing.assert_allclose(model(network.inputs[:1]), together[:1], rtol=1e-4, atol=1e-5)


def test_evaluation_differs_only_where_it_should(network):
    model = nnx.merge(network.graphdef, network.params, network.rest)
    trained = model(network.inputs)
    model = nnx.merge(network.graphdef, network.params, network.rest)
    model.eval()
    evaluated = model(network.inputs)
    same(nnx.to_pure_dict(nnx.state(model, nnx.Not(nnx.Param))), network.rest)
    if network.rest:
        assert jnp.abs(trained - evaluated).max() > 1e-3
    else:
        same(trained, evaluated)


@pytest.mark.parametrize("platform", ["cuda", "tpu"])
def test_a_step_lowers_for_accelerators(network, platform):
    traced = jax.jit(network.step).trace((network.params, network.rest), network.inputs)
    lowered = traced.lower(lowering_platforms=(platform,)).as_text()
    assert "stablehlo.dot_general" in lowered


def test_a_folded_network_equals_its_evaluation():
    model = ResNetSpec(8, (2, 3, 4), "B").build(IMAGE, nnx.Rngs(0))
    inputs = jax.random.normal(jax.random.key(0), (3, 8, 8, 3))
    for _ in range(3):
        model(inputs + 1)
    model.eval()
    expected = model(inputs)
    for layer in weighted_layers(model).values():
        if isinstance(layer, ConvNorm):
            layer.fold()
    np.testing.assert_allclose(model(inputs), expected, rtol=1e-4, atol=1e-4)
    assert not nnx.to_pure_dict(nnx.state(model, nnx.BatchStat))


REFUSED = {
    "mlp has hidden (3, 0)": lambda: MLPSpec((3, 0)).build(IMAGE, nnx.Rngs(0)),
    "mlp takes image inputs": lambda: MLPSpec().build(TEXT, nnx.Rngs(0)),
    "gpt takes text inputs": lambda: GPTSpec().build(IMAGE, nnx.Rngs(0)),
    "lenet5 has channels (0, 2)": lambda: LeNet5Spec((0, 2)).build(IMAGE, nnx.Rngs(0)),
    "use at most 3 groups": lambda: VGGSpec(((2,),) * 4).build(IMAGE, nnx.Rngs(0)),
    "every group needs a size": lambda: VGGSpec(((2,), ())).build(IMAGE, nnx.Rngs(0)),
    "resnet has depth 21": lambda: ResNetSpec(21).build(IMAGE, nnx.Rngs(0)),
    "resnet has shortcut 'C'": lambda: ResNetSpec(shortcut="C").build(IMAGE, nnx.Rngs(0)),
    "they cannot fall": lambda: ResNetSpec(widths=(4, 2, 2)).build(IMAGE, nnx.Rngs(0)),
    "give 1 sizes in 3 stages": lambda: ResNetSpec(8, inner=((2,), (2,))).build(IMAGE, nnx.Rngs(0)),
    "resnet halves images twice": lambda: ResNetSpec().build(
        Signature((3, 8, 1), 2, "image"), nnx.Rngs(0)
    ),
    "vit has patch 3": lambda: ViTSpec(3).build(IMAGE, nnx.Rngs(0)),
    "vit has pool 'max'": lambda: ViTSpec(pool="max").build(IMAGE, nnx.Rngs(0)),
    "width 10, not divisible by heads 4": lambda: GPTSpec(width=10).build(TEXT, nnx.Rngs(0)),
    "gpt has depth 0": lambda: GPTSpec(0).build(TEXT, nnx.Rngs(0)),
    "give 4 sizes between 1 and 4": lambda: GPTSpec(layer_heads=(1, 2)).build(TEXT, nnx.Rngs(0)),
    "gpt has dropout 1.0": lambda: GPTSpec(dropout=1.0).build(TEXT, nnx.Rngs(0)),
    "kind is 'sound'": lambda: Signature((8,), 2, "sound"),
    "has input_shape (8,)": lambda: Signature((8,), 2, "image"),
    "has classes 0": lambda: Signature((8,), 0, "text"),
}


@pytest.mark.parametrize("message", REFUSED)
def test_impossible_sizes_are_refused_in_one_line(message):
    with pytest.raises(SpecError, match=re.escape(message)) as error:
        REFUSED[message]()
    assert "\n" not in str(error.value)
