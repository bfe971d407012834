"""Pack, write, read, unpack: the shipped function is the trained one, to what its bits allow."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
import pytest
from flax import nnx
from shipment import inputs_of, packed, trained_like

from efficient.deploy import ArtefactError, Packed, read, unpack, write
from efficient.models.gpt import GPTSpec
from efficient.models.layers import weighted_layers
from efficient.models.mlp import MLPSpec
from efficient.models.signature import Signature
from efficient.models.vgg import VGGSpec
from efficient.variants import Precision, Quantize

IMAGE, TEXT = Signature((8, 8, 1), 10, "image"), Signature((12,), 30, "text")
NETWORKS = {
    "mlp": (MLPSpec(hidden=(16,)), IMAGE),
    "vgg": (VGGSpec(widths=((4,), (8,)), hidden=(12,)), IMAGE),
    "gpt": (GPTSpec(depth=1, width=16, heads=2, hidden=32), TEXT),
}
#: Variant, and how far logits may differ from the trained function as a share of their spread.
STORAGES = {
    "float32": (None, 1e-5),
    "int8": (Quantize(bits=8), 1e-4),
    "4 bits": (Quantize(bits=4), 1e-4),
    "weights only": (Quantize(bits=8, activations=32), 1e-4),
    "bfloat16": (Precision(), 3e-3),  # folding rounds a kernel once more
}


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("network", NETWORKS)
def test_round_trip_through_the_file(network, storage, tmp_path):
    (spec, signature), (variant, tolerance) = NETWORKS[network], STORAGES[storage]
    model = trained_like(spec, signature)
    model = variant.rewrite(model) if variant else model
    model.eval()
    inputs = inputs_of(signature, 3)
    expected = np.asarray(jax.jit(lambda inputs: model(inputs))(inputs))
    before = jax.tree.map(np.asarray, nnx.to_pure_dict(nnx.state(model, nnx.Param)))
    write(tmp_path, packed(model), {"model": network})
    found, card = read(tmp_path)
    assert card["model"] == network
    predict, weights = unpack(lambda: spec.build(signature, nnx.Rngs(7)), found)
    logits = np.asarray(jax.jit(predict)(weights, inputs))
    assert logits.dtype == np.float32
    np.testing.assert_allclose(logits, expected, atol=tolerance * max(1.0, np.ptp(expected)))
    jax.tree.map(np.testing.assert_array_equal, before, _params(model))


def _params(model):
    return jax.tree.map(np.asarray, nnx.to_pure_dict(nnx.state(model, nnx.Param)))


def test_normalisation_is_folded_away():
    spec, signature = NETWORKS["vgg"]
    model = trained_like(spec, signature)
    names = set(packed(model).arrays)
    assert not any(name.endswith(("mean", "variance", "/scale")) for name in names)
    assert any(name.endswith("bias") for name in names)


@pytest.mark.parametrize("network", NETWORKS)
def test_types_and_ranges_of_the_shipped_arrays(network):
    spec, signature = NETWORKS[network]
    arrays = packed(Quantize(bits=4).rewrite(trained_like(spec, signature))).arrays
    kernels = {n: a for n, a in arrays.items() if n.endswith("kernel")}
    assert {a.dtype for a in kernels.values()} == {np.dtype(np.int8)}
    assert {int(np.abs(a).max()) for a in kernels.values()} == {7}
    steps = {n: a for n, a in arrays.items() if n.endswith("kernel_step")}
    assert len(steps) == len(kernels)
    assert all(a.all() and a.dtype == np.float32 for a in steps.values())


def test_brain_floats_are_stored_as_such():
    spec, signature = NETWORKS["mlp"]
    arrays = packed(Precision().rewrite(trained_like(spec, signature))).arrays
    assert {str(a.dtype) for n, a in arrays.items() if n.endswith("kernel")} == {"bfloat16"}


def test_eight_bits_ship_a_gpt_in_little_more_than_a_quarter():
    spec = GPTSpec(depth=1, width=96, heads=2, hidden=384)
    model = Quantize().rewrite(trained_like(spec, Signature((64,), 256, "text")))
    shipped = packed(model)
    assert 0.25 < shipped.weight_bytes / shipped.float32_bytes <= 0.27


def test_zeros_stay_zero():
    spec, signature = NETWORKS["vgg"]
    model = trained_like(spec, signature)
    for layer in weighted_layers(model).values():
        layer.kernel[...] = layer.kernel[...].at[..., ::2, :].set(0)
    for variant in (None, Quantize(), Precision()):
        changed = variant.rewrite(model) if variant else model
        arrays = packed(changed).arrays
        assert all(
            not np.asarray(a, np.float32)[..., ::2, :].any()
            for n, a in arrays.items()
            if n.endswith("kernel")
        )


def test_missing_unknown_and_misshapen_arrays_are_refused():
    spec, signature = NETWORKS["mlp"]
    whole = packed(trained_like(spec, signature))

    def refused(words, storage=whole.storage, **arrays):
        kept = {n: a for n, a in (whole.arrays | arrays).items() if a is not None}
        with pytest.raises(ValueError, match=words):
            unpack(lambda: spec.build(signature, nnx.Rngs(0)), Packed(kept, storage))

    refused("'head/bias' is missing", **{"head/bias": None})
    refused("'more' is unknown", more=np.zeros(3))
    refused(r"'head/bias' is float64\(3,\)", **{"head/bias": np.zeros(3)})
    refused("'head' is missing", storage={"hidden_0": whole.storage["hidden_0"]})


def test_another_network_is_refused():
    spec, signature = NETWORKS["mlp"]
    whole = packed(trained_like(spec, signature))
    larger = dataclasses.replace(spec, hidden=(17,))
    with pytest.raises(ArtefactError, match=r"head/kernel.*\(16, 10\).*\(17, 10\)"):
        unpack(lambda: larger.build(signature, nnx.Rngs(0)), whole)
