"""XLA's count beside ours: where they agree, and that a disagreement is seen."""

import dataclasses

import jax
import jax.numpy as jnp
import pytest
from flax import nnx
from jax import lax

from efficient.config import load_preset, presets
from efficient.cost import compiler
from efficient.cost.compiler import (
    TOLERANCES,
    crosscheck,
    crosscheck_training,
    elementwise,
    lowered_flops,
)
from efficient.cost.flops import count
from efficient.models.outline import outline
from efficient.models.reference import REFERENCES
from efficient.models.signature import Signature


def array(*shape, dtype=jnp.float32):
    return jax.ShapeDtypeStruct(shape, dtype)


def applied(spec, signature):
    """A network in evaluation, without dropout, and its arguments for two examples."""
    graph, params, rest = outline(spec, signature, training=False)
    dtype = jnp.int32 if signature.kind == "text" else jnp.float32
    inputs = array(2, *signature.input_shape, dtype=dtype)
    return lambda p, r, x: nnx.merge(graph, p, r)(x), params, rest, inputs


def network(name, shape=None):
    """The mean of a reference network's outputs, and its arguments."""
    spec, signature = REFERENCES[name].spec, REFERENCES[name].signature
    if shape is not None:
        signature = Signature(shape, 10, signature.kind)
    if name == "gpt2":
        spec = dataclasses.replace(spec, depth=1, width=16, heads=2, hidden=64)
    predict, *arguments = applied(spec, signature)
    return lambda *x: predict(*x).mean(), *arguments


NETWORKS = {  # the tolerance that their element-wise work gives them
    "lenet_300_100": (None, 1.02),
    "lenet5": (None, 1.10),
    "resnet20_cifar": ((16, 16, 3), 1.02),
    "mobilenet_v2": ((64, 64, 3), 1.10),
    "gpt2": ((8,), None),  # of width 16: as much as that work explains
}


@pytest.mark.parametrize("name", NETWORKS)
def test_xla_agrees(name):
    shape, tolerance = NETWORKS[name]
    loss, *arguments = network(name, shape)
    check = crosscheck_training(loss, *arguments)
    assert check.agrees, check.reason
    assert 1 <= check.ratio <= check.tolerance
    assert check.tolerance == tolerance or (tolerance is None and check.tolerance > 1.1)


SIGNATURES = {  # of the datasets of the presets
    "digits": Signature((8, 8, 1), 10, "image"),
    "mnist": Signature((28, 28, 1), 10, "image"),
    "cifar10": Signature((32, 32, 3), 10, "image"),
    "pystdlib": Signature((64,), 128, "text"),
    "tiny_shakespeare": Signature((64,), 65, "text"),
}


@pytest.mark.parametrize("name", presets())
def test_xla_agrees_on_every_preset(name):
    """On a step of two examples, with cross-entropy and without dropout."""
    config = load_preset(name)
    signature = SIGNATURES[config.workload.data]
    if signature.kind == "text":
        signature = dataclasses.replace(signature, input_shape=(config.workload.context,))
    predict, *arguments = applied(config.model, signature)

    def loss(params, rest, batch):
        return -jax.nn.log_softmax(predict(params, rest, batch))[..., 0].mean()

    check = crosscheck_training(loss, *arguments)
    assert check.agrees, check.reason
    # So small a network is mostly element-wise work, which has a band of its own.
    assert check.tolerance in TOLERANCES.values() or name == "pystdlib_tiny"


def test_a_disagreement_is_seen():
    loss, *arguments = network("lenet_300_100")
    ours = count(jax.make_jaxpr(jax.value_and_grad(loss))(*arguments)).total
    assert crosscheck_training(loss, *arguments, ours).agrees is True
    for wrong in (ours * 97 // 100, ours * 101 // 100):  # a layer left out, or counted twice
        check = crosscheck_training(loss, *arguments, wrong)
        assert check.agrees is False
        assert check.ratio == pytest.approx(ours / wrong, rel=0.01)
        assert check.reason.startswith("XLA disagrees")


def square(weight, rest, batch):
    return jnp.tanh(batch @ weight).sum()


@pytest.mark.parametrize(
    ("loss", "reason"),
    [
        (
            lambda w, r, x: lax.scan(lambda c, _: (c @ w, None), x, None, length=3)[0].sum(),
            "XLA counts the body of a loop once",
        ),
        (
            lambda w, r, x: jnp.linalg.cholesky(jnp.eye(4) + x @ w).sum(),
            "no FLOPs known for cholesky, triangular_solve",
        ),
        (lambda w, r, x: (w + x).sum(), "the program contracts nothing"),
    ],
)
def test_what_xla_cannot_check_says_why(loss, reason):
    check = crosscheck_training(loss, array(4, 4), None, array(4, 4))
    assert (check.ratio, check.agrees) == (None, None)
    assert check.reason.startswith(reason)


def test_no_analysis_is_no_disagreement(monkeypatch):
    monkeypatch.setattr(compiler, "lowered_flops", lambda traced: None)
    check = crosscheck_training(square, array(4, 4), None, array(4, 4))
    assert (check.ratio, check.agrees) == (None, None)
    assert "no CPU backend" in check.reason


@pytest.mark.parametrize("ratio", [0.999, 1.0, 1.02, 1.021, 1.1, 1.101])
@pytest.mark.parametrize("tolerance", TOLERANCES.values())
def test_tolerance_is_one_sided(ratio, tolerance):
    check = crosscheck(1_000_000, ratio * 1_000_000, tolerance)
    assert check.ratio == pytest.approx(ratio)
    assert check.agrees == (1 <= ratio <= tolerance)


def test_lowered_flops_takes_a_function_or_a_traced_one():
    inputs = array(4, 8), array(8, 3)
    traced = jax.jit(jnp.matmul).trace(*inputs)
    assert lowered_flops(jnp.matmul, *inputs) == lowered_flops(traced) == 2 * 4 * 8 * 3
    assert lowered_flops(jnp.sin, array(4)) == 0


def test_element_wise_work_explains_what_xla_counts_more():
    for name, (shape, _) in NETWORKS.items():
        loss, *arguments = network(name, shape)
        jaxpr = jax.make_jaxpr(jax.value_and_grad(loss))(*arguments)
        ours = count(jaxpr).total
        more = crosscheck_training(loss, *arguments).ratio - 1
        assert more == pytest.approx(elementwise(jaxpr) / ours, rel=0.2, abs=0.002), name
