"""The exported function gives what the network gives, for every network, storage and batch size."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from shipment import inputs_of, packed, trained_like

from efficient.deploy import unpack
from efficient.deploy.function import LOAD, PLATFORMS, PREDICT, deserialize, serialize
from efficient.models.gpt import GPTSpec
from efficient.models.layers import Storage, weighted_layers
from efficient.models.lenet import LeNet5Spec
from efficient.models.mlp import MLPSpec
from efficient.models.resnet import ResNetSpec
from efficient.models.signature import Signature
from efficient.models.vgg import VGGSpec
from efficient.models.vit import ViTSpec

SMALL, TEXT = Signature((8, 8, 1), 4, "image"), Signature((6,), 20, "text")
NETWORKS = {
    "mlp": (MLPSpec(hidden=(60,)), SMALL),
    "lenet5": (LeNet5Spec(), Signature((28, 28, 1), 4, "image")),
    "vgg": (VGGSpec(widths=((4,), (8,)), hidden=(12,)), SMALL),
    "resnet": (ResNetSpec(depth=8, widths=(4, 4, 8)), SMALL),
    "vit": (ViTSpec(depth=1, width=16, heads=2, hidden=16), SMALL),
    "gpt": (GPTSpec(depth=1, width=16, heads=2, hidden=32), TEXT),
}
STORAGES = {
    "float32": Storage(),
    "bfloat16": Storage("bfloat16", 16),
    "int8": Storage("int8", 8, 0, 8),
    "3 bits": Storage("int8", 3, 0, 8),
    "ternary": Storage("int8", 2, 0, 8, "ternary"),
    "binary weights": Storage("int8", 1, 0, 32, "binary"),
}


def shipped(network, storage):
    """Packed arrays of a network whose layers are all kept so, and a tenth of whose weights are."""
    spec, signature = NETWORKS[network]
    model = trained_like(spec, signature, density=0.1)
    for layer in weighted_layers(model).values():
        axis = layer.output_axis if storage.dtype == "int8" else None
        inputs = 32 if layer.kind == "position" else storage.activations
        layer.storage = dataclasses.replace(storage, scale_axis=axis, activations=inputs)
    arrays = packed(model)
    return arrays, *unpack(lambda: spec.build(signature, nnx.Rngs(1)), arrays)


def compare(network, storage):
    """Export, read back, and compare weights and logits."""
    arrays, predict, weights = shipped(network, storage)
    signature = NETWORKS[network][1]
    files = serialize(arrays, predict, signature)
    load, run = (jax.jit(deserialize(files[name])) for name in (LOAD, PREDICT))
    loaded = load(arrays.encoded[0])
    assert {n: (a.dtype, a.shape) for n, a in loaded.items()} == {
        n: (a.dtype, a.shape) for n, a in arrays.arrays.items()
    }
    assert all(np.array_equal(loaded[n], a) for n, a in arrays.arrays.items())
    inputs = inputs_of(signature, 3)
    wanted, found = jax.jit(predict)(weights, inputs), run(loaded, inputs)
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
    return arrays


@pytest.mark.parametrize("network", ["mlp", "gpt"])
def test_a_network_is_exported(network):
    compare(network, STORAGES["int8"])


@pytest.mark.parametrize("storage", STORAGES)
def test_every_storage_is_exported(storage):
    arrays = compare("mlp", STORAGES[storage])
    assert arrays.encoded[1]["hidden_0/kernel"].kept is not None


@pytest.mark.slow
@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("network", NETWORKS)
def test_every_network_is_exported_in_every_storage(network, storage):
    compare(network, STORAGES[storage])


def test_any_batch_size_runs():
    arrays, predict, weights = shipped("mlp", STORAGES["int8"])
    run = deserialize(serialize(arrays, predict, SMALL)[PREDICT])
    for batch in (1, 2, 37):
        inputs = inputs_of(SMALL, batch)
        wanted = jax.jit(predict)(weights, inputs)
        np.testing.assert_allclose(run(weights, inputs), wanted, rtol=1e-5, atol=1e-6)


def test_the_function_is_lowered_for_accelerators_and_has_no_derivative():
    arrays, predict, _ = shipped("mlp", STORAGES["int8"])
    for content in serialize(arrays, predict, SMALL).values():
        made = jax.export.deserialize(bytearray(content))
        assert made.platforms == PLATFORMS
        assert not made.has_vjp()


def test_calibrated_inputs_are_multiplied_as_integers_of_their_own_step():
    spec, signature = MLPSpec(hidden=()), Signature((2, 2, 1), 3, "image")
    model = trained_like(spec, signature)
    layer = weighted_layers(model)["head"]
    layer.storage = Storage("int8", 8, 1, 8, static=True)
    layer.slots["input_step"] = nnx.Variable(jnp.float32(0.25))
    arrays = packed(model)
    assert arrays.arrays["head/input_step"].shape == ()
    predict, weights = unpack(lambda: spec.build(signature, nnx.Rngs(1)), arrays)
    inputs = inputs_of(signature, 5)
    kernel = arrays.arrays["head/kernel"].astype(np.int64)
    step, bias = arrays.arrays["head/kernel_step"], arrays.arrays["head/bias"]
    integers = np.clip(np.round(inputs.reshape(5, 4) / np.float32(0.25)), -127, 127)
    expected = (integers.astype(np.int64) @ kernel) * 0.25 * step[None] + bias[None]
    np.testing.assert_allclose(predict(weights, inputs), expected, rtol=1e-5, atol=1e-6)
    files = serialize(arrays, predict, signature)
    found = deserialize(files[PREDICT])(deserialize(files[LOAD])(arrays.encoded[0]), inputs)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
