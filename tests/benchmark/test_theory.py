"""What may be claimed is decided by what is multiplied, before anything is timed."""

import dataclasses
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from efficient.benchmark.theory import contraction, refusal, theoretical
from efficient.deploy import Artefact, pack, unpack
from efficient.ledger.codec import to_dict
from efficient.models.layers import Storage, weighted_layers
from efficient.models.mlp import MLPSpec
from efficient.models.signature import Signature

IMAGE = Signature((4, 4, 1), 8, "image")
WIDE, NARROW = MLPSpec(hidden=(64,)), MLPSpec(hidden=(16,))
INT8, WEIGHTS = Storage("int8", 8, 1, 8), Storage("int8", 4, 1, 32)
BFLOAT16 = Storage("bfloat16", 16)


def artefact(spec=WIDE, storage=None, kept=1.0):
    model = spec.build(IMAGE, nnx.Rngs(0))
    rng = np.random.default_rng(0)
    for layer in weighted_layers(model).values():
        layer.storage = storage or layer.storage
        mask = np.zeros(layer.kernel.size, bool)
        mask[: round(kept * mask.size)] = True
        layer.kernel[...] *= jnp.asarray(rng.permuted(mask).reshape(layer.kernel.shape))
    model.eval()
    graph, *trees = nnx.split(model, nnx.Param, ...)
    packed = pack(graph, *map(nnx.to_pure_dict, trees))
    predict, weights = unpack(lambda: spec.build(IMAGE, nnx.Rngs(1)), packed)
    return Artefact(Path("x"), {"signature": to_dict(IMAGE)}, packed, {}, predict, weights)


def judged(made, reference=None):
    """Theoretical gain with its basis, and the refusal."""
    reference = contraction(reference or artefact())
    found = contraction(made)
    return *theoretical(found, reference), refusal(made, found, reference)


def test_a_perceptron_is_counted():
    found = contraction(artefact())
    flops = 2 * (16 * 64 + 64 * 8)
    assert (found.flops, found.bit_operations, found.zeros) == (flops, flops // 2 * 1024, 0)
    assert found.dtype == "float32" and found.dtypes == {"float32": flops}
    assert (found.flops_needed, found.bit_operations_needed) == (flops, found.bit_operations)


def test_integers_promise_bit_operations():
    gain, basis, reason = judged(artefact(storage=INT8))
    assert (gain, basis, reason) == (16, "bit operations", "")
    assert judged(artefact(storage=BFLOAT16))[:2] == (4, "bit operations")


def test_a_smaller_network_promises_flops():
    assert judged(artefact(NARROW)) == (4, "FLOPs", "")
    assert judged(artefact(NARROW, INT8))[:2] == (64, "bit operations")


def test_zeros_promise_much_and_claim_nothing():
    gain, basis, reason = judged(artefact(kept=0.25))
    assert gain == pytest.approx(4, rel=0.01) and basis == "FLOPs"
    assert reason == "no speed claim: 75 % of the weights are 0 and are multiplied"


def test_widened_weights_claim_nothing():
    gain, _, reason = judged(artefact(storage=WEIGHTS))
    assert gain == pytest.approx(1, rel=0.25)  # some of the rounded weights are 0
    assert "weights of 4 bits are widened to float32" in reason
    assert reason.startswith("no speed claim: ")


def test_the_same_claims_nothing():
    assert judged(artefact()) == (
        1,
        "FLOPs",
        "no speed claim: it multiplies as much as the reference, in numbers as wide",
    )


def test_a_larger_network_may_be_called_slower():
    gain, basis, reason = judged(artefact(), artefact(NARROW))
    assert (gain, basis, reason) == (0.25, "FLOPs", "")


def test_types_in_other_shares_are_counted_in_bits():
    mixed = dataclasses.replace(contraction(artefact()), dtypes={"float32": 1, "int8": 9}, flops=10)
    other = dataclasses.replace(mixed, dtypes={"float32": 5, "int8": 5})
    assert theoretical(mixed, other)[1] == "bit operations"
    assert theoretical(mixed, mixed) == (1, "FLOPs")


def test_the_forms_of_a_machine_are_not_counted():
    made = artefact(storage=INT8)
    spec = WIDE
    predict, weights = unpack(lambda: spec.build(IMAGE, nnx.Rngs(1)), made.packed, True)
    fast = dataclasses.replace(made, predict=predict, weights=weights)
    assert contraction(fast).flops > contraction(made).flops
