"""The shipped contraction of integers: its forms give the same numbers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from efficient.deploy import pack, unpack
from efficient.models.gpt import GPTSpec
from efficient.models.integer import IntegerOperation, arrange
from efficient.models.layers import Storage, weighted_layers
from efficient.models.layers.convolution import Convolve
from efficient.models.layers.linear import dot, dot_transposed
from efficient.models.lenet import LeNet5Spec
from efficient.models.mlp import MLPSpec
from efficient.models.operand import Cast
from efficient.models.signature import Signature

NETWORKS = {
    "mlp": (MLPSpec(hidden=(60,)), Signature((8, 8, 1), 4, "image")),
    "lenet5": (LeNet5Spec(), Signature((28, 28, 1), 4, "image")),
    "gpt": (
        GPTSpec(depth=1, width=16, heads=2, hidden=32, tied=False),
        Signature((6,), 20, "text"),
    ),
}


def quantized(network, activations=8):
    """What a network of random weights ships in int8."""
    spec, signature = NETWORKS[network]
    model = spec.build(signature, nnx.Rngs(0))
    for layer in weighted_layers(model).values():
        inputs = 32 if layer.kind == "position" else activations
        layer.storage = Storage("int8", 8, layer.output_axis, inputs)
    model.eval()
    graph, *trees = nnx.split(model, nnx.Param, ...)
    return pack(graph, *map(nnx.to_pure_dict, trees)), lambda: spec.build(signature, nnx.Rngs(1))


def inputs_of(network):
    signature = NETWORKS[network][1]
    if signature.kind == "text":
        return jax.random.randint(jax.random.key(0), (3, *signature.input_shape), 0, 20)
    return jax.random.normal(jax.random.key(0), (3, *signature.input_shape))


@pytest.mark.parametrize("activations", [8, 32])
@pytest.mark.parametrize("network", NETWORKS)
def test_every_form_gives_the_same_logits(network, activations):
    packed, build = quantized(network, activations)
    inputs, found = inputs_of(network), []
    for shifted in (None, False, True):
        predict, weights = unpack(build, packed, shifted)
        found.append(np.asarray(jax.jit(predict)(weights, inputs)))
    # The integers are equal; floats are summed in another order, and fused in another way.
    np.testing.assert_allclose(found[1], found[0], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found[2], found[0], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shifted", [False, True])
def test_token_by_token_has_the_logits_of_the_whole(shifted):
    packed, build = quantized("gpt")
    predict, weights = unpack(build, packed, shifted)
    predict = jax.jit(predict, static_argnames="method")
    tokens = inputs_of("gpt")
    whole = predict(weights, tokens)
    logits, caches = predict(weights, tokens[:, :3], method="prefill")
    np.testing.assert_allclose(logits, whole[:, :3], rtol=1e-4, atol=1e-5)
    for time in range(3, 6):
        position = jnp.int32(time)
        logits, caches = predict(weights, tokens[:, time], position, caches, method="decode")
        np.testing.assert_allclose(logits, whole[:, time], rtol=1e-4, atol=1e-5)


def arranged(inner, activations=8):
    class Layer(nnx.Module):
        def __init__(self):
            self.path, self.position, self.kind = "layer", 0, "linear"
            self.kernel = nnx.Param(jnp.zeros((2, 3), jnp.int8))
            self.op = IntegerOperation(inner, activations, 1)

    model = Layer()
    return arrange(model, True), model.op


def test_convolutions_of_floats_take_the_fast_form_under_any_cast():
    spec, signature = NETWORKS["lenet5"]
    model = spec.build(signature, nnx.Rngs(0))
    layers = weighted_layers(model)
    layers["conv_0"].op = Cast(layers["conv_0"].op, "bfloat16")
    arrange(model, True)
    assert layers["conv_0"].op.inner.gathered
    assert not layers["conv_1"].op.gathered  # of 6 channels


def test_what_is_turned_and_what_is_shifted():
    assert arranged(dot) == (("layer/kernel",), IntegerOperation(dot_transposed, 8, 1, True))
    assert arranged(Convolve()) == ((), IntegerOperation(Convolve(), 8, 1, True))
    in_groups = Convolve(groups=2)
    assert arranged(in_groups) == ((), IntegerOperation(in_groups, 8, 1))
    assert arranged(dot, 32) == ((), IntegerOperation(dot, 32, 1))
