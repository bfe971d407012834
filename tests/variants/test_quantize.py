"""What quantization computes with: the integers that are shipped, and the rules of its settings."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from efficient.models.gpt import GPTSpec
from efficient.models.grid import (
    activation_scale,
    integer_scale,
    integers_of,
    round_to_grid,
    spread,
)
from efficient.models.layers import ConvNorm, Linear, Storage, weighted_layers
from efficient.models.layers.linear import dot
from efficient.models.mlp import MLPSpec
from efficient.models.signature import Signature
from efficient.models.vgg import VGGSpec
from efficient.variants import Phase, Quantize, VariantError
from efficient.variants.quantize.rounding import LearnedRounding, Rounding, learned

IMAGE, TEXT = Signature((8, 8, 1), 10, "image"), Signature((12,), 30, "text")
NETWORKS = {
    "mlp": (MLPSpec(hidden=(16, 8)), IMAGE),
    "vgg": (VGGSpec(widths=((4,), (8,)), hidden=(12,)), IMAGE),
    "gpt": (GPTSpec(depth=1, width=16, heads=2, hidden=32), TEXT),
}
SETTINGS = {
    "8 bits": dict(),
    "3 bits": dict(bits=3),
    "mse": dict(bits=4, clip="mse"),
    "percentage": dict(bits=4, clip="90%"),
    "tensor": dict(bits=4, granularity="tensor"),
    "static": dict(static=True),
    "weights only": dict(bits=4, activations=32),
    "ternary": dict(grid="ternary", granularity="tensor"),
    "binary": dict(grid="binary"),
    "lsq": dict(bits=3, method="lsq"),
    "lsq tensor": dict(method="lsq", granularity="tensor"),
    "ptq": dict(bits=4, method="ptq", clip="mse", static=True),
}
CASES = [("mlp", name) for name in SETTINGS]
CASES += [(network, name) for network in ("vgg", "gpt") for name in ("static", "lsq")]
CASES += [pytest.param(network, "mse", marks=pytest.mark.slow) for network in ("vgg", "gpt")]


def inputs_for(signature):
    rng = np.random.default_rng(1)
    if signature.kind == "text":
        return jnp.asarray(rng.integers(0, 30, (3, 12)), jnp.int32)
    return jnp.asarray(rng.normal(size=(3, 8, 8, 1)), jnp.float32)


@pytest.mark.parametrize("network, name", CASES)
def test_evaluation_computes_with_the_integers_that_are_shipped(network, name):
    """The same network with its kernels replaced by integers times steps gives the same logits."""
    spec, signature = NETWORKS[network]
    model = Quantize(**SETTINGS[name]).rewrite(spec.build(signature, nnx.Rngs(0)))
    inputs = inputs_for(signature)
    nnx.jit(lambda model: model(inputs))(model)  # a running step sees its first batch
    model.eval()
    expected = np.asarray(nnx.jit(lambda model: model(inputs))(model))
    for layer in weighted_layers(model).values():
        integers, step = integers_of(layer)
        assert integers.shape == layer.kernel.shape
        axis = layer.output_axis
        kernel = integers.astype(jnp.float32) * spread(step, integers.ndim, axis)
        layer.kernel[...] = kernel
        for attribute in {"op", "lookup"} & set(vars(layer)):
            setattr(layer, attribute, _only_inputs(getattr(layer, attribute)))
    logits = nnx.jit(lambda model: model(inputs))(model)
    np.testing.assert_allclose(logits, expected, atol=2e-5 * max(1, np.ptp(expected)))


def _only_inputs(op):
    """The same op, but for a kernel that is on its grid already."""

    def rounded(inputs, kernel, slots):
        if jnp.issubdtype(inputs.dtype, jnp.floating) and op.storage.activations != 32:
            bits = op.storage.activations
            scale = slots["input_step"] if op.storage.static else activation_scale(inputs, bits)
            scale = jnp.broadcast_to(scale, (*scale.shape, *[1] * (inputs.ndim - scale.ndim)))
            inputs = round_to_grid(inputs, scale, bits) * scale
        return op.inner(inputs, kernel, slots)

    return rounded


def test_the_default_is_what_it_always_was():
    """Straight through a grid of absmax, to the bit."""
    rng = np.random.default_rng(0)
    inputs, kernel = (jnp.asarray(rng.normal(size=s), jnp.float32) for s in ((5, 7), (7, 3)))

    def through(values, scale, bits):
        rounded = round_to_grid(values, scale, bits) * scale
        return values + jax.lax.stop_gradient(rounded - values)

    def before(inputs, kernel):
        kernel = through(kernel, integer_scale(kernel, 4, (0,)), 4)
        return dot(through(inputs, activation_scale(inputs, 8), 8), kernel, {})

    def now(inputs, kernel):
        return Rounding(dot, Storage("int8", 4, 1, 8))(inputs, kernel, {})

    for function in (lambda f: f, lambda f: jax.grad(lambda x, w: f(x, w).sum(), (0, 1))):
        for old, new in zip(
            jax.tree.leaves(function(before)(inputs, kernel)),
            jax.tree.leaves(function(now)(inputs, kernel)),
            strict=True,
        ):
            np.testing.assert_array_equal(old, new)


def test_a_learned_step_by_hand():
    """Esser et al. 2020, equations 3 to 5: inside round(v/s) - v/s, outside the last integer."""
    values, step = jnp.asarray([0.3, -0.6, 5.0, -5.0]), jnp.asarray([0.5])
    rounded, pull = jax.vjp(lambda v, s: learned(v, s, 3, 4), values, step)
    np.testing.assert_allclose(rounded, [0.5, -0.5, 1.5, -1.5])
    to_values, to_step = pull(jnp.asarray([1.0, 10.0, 100.0, 1000.0]))
    np.testing.assert_allclose(to_values, [1, 10, 0, 0], atol=1e-6)
    slopes = np.array([1 - 0.6, -1 + 1.2, 3, -3]) / np.sqrt(4 * 3)
    np.testing.assert_allclose(to_step, [slopes @ [1, 10, 100, 1000]], rtol=1e-5)


def test_a_learned_step_computes_with_the_step_itself():
    """The gradient's scale leaves no trace in the value."""
    rng = np.random.default_rng(0)
    kernel, step = jnp.asarray(rng.normal(size=(50, 4)), jnp.float32), jnp.full((1, 4), 0.0371)
    integers = round_to_grid(kernel, step, 4)
    np.testing.assert_array_equal(learned(kernel, step, 4, 50), integers * step)


def test_running_steps_move_in_training_and_stand_still_in_evaluation():
    model = Quantize(static=True).rewrite(MLPSpec(hidden=(16,)).build(IMAGE, nnx.Rngs(0)))
    layer = weighted_layers(model)["hidden_0"]
    first = jnp.zeros((3, 8, 8, 1)).at[0, 0, 0, 0].set(1.27)
    model(first)
    assert layer.slots["input_step"][...] == pytest.approx(0.01)
    model(2 * first)
    assert layer.slots["input_step"][...] == pytest.approx(0.9 * 0.01 + 0.1 * 0.02)
    before = layer.slots["input_step"][...]
    model.eval()
    model(5 * first)
    assert layer.slots["input_step"][...] == before
    model.train()
    model(5 * first)
    assert layer.slots["input_step"][...] > before


def test_what_a_static_step_cuts_off_has_no_gradient():
    op = Rounding(dot, Storage("int8", 8, 1, 8, static=True))
    slots = {"input_step": jnp.asarray(0.01)}
    grads = jax.grad(lambda x: op(x, jnp.ones((3, 1)), slots).sum())(
        jnp.asarray([[0.5, 2.0, -9.0]])
    )
    np.testing.assert_allclose(grads, [[1, 0, 0]], atol=1e-6)


def test_layers_without_running_steps_have_no_more_state():
    plain = MLPSpec(hidden=(16,)).build(IMAGE, nnx.Rngs(0))
    model = Quantize().rewrite(MLPSpec(hidden=(16,)).build(IMAGE, nnx.Rngs(0)))
    assert jax.tree.structure(nnx.to_pure_dict(nnx.state(model))) == jax.tree.structure(
        nnx.to_pure_dict(nnx.state(plain))
    )
    assert not any(hasattr(layer, "deterministic") for layer in weighted_layers(model).values())


def test_layers_that_are_kept():
    def bits(**settings):
        variant = Quantize(bits=2, **settings)
        model = variant.rewrite(MLPSpec(hidden=(16, 8)).build(IMAGE, nnx.Rngs(0)))
        return {
            path: (layer.storage.bits, layer.storage.activations)
            for path, layer in weighted_layers(model).items()
        }

    keep = ("hidden_0", "head")
    assert bits(keep=keep) == {"hidden_0": (8, 8), "hidden_1": (2, 8), "head": (8, 8)}
    assert bits(keep=keep, keep_bits=32) == {
        "hidden_0": (32, 32),
        "hidden_1": (2, 8),
        "head": (32, 32),
    }
    assert bits(keep=("h*d",), activations=32)["head"] == (8, 32)
    model = Quantize(grid="binary", keep=("head",)).rewrite(
        MLPSpec(hidden=(16,)).build(IMAGE, nnx.Rngs(0))
    )
    grids = {path: layer.storage.grid for path, layer in weighted_layers(model).items()}
    assert grids == {"hidden_0": "binary", "head": "integer"}


def test_a_kernel_is_rounded_before_its_normalisation_folds():
    spec, signature = NETWORKS["vgg"]
    model = Quantize(bits=3).rewrite(spec.build(signature, nnx.Rngs(0)))
    layer = next(x for x in weighted_layers(model).values() if isinstance(x, ConvNorm))
    before = integers_of(layer)[0]
    layer.scale[...] = layer.scale[...] * jnp.linspace(0.1, 3, layer.scale.shape[0])
    np.testing.assert_array_equal(integers_of(layer)[0], before)


@pytest.mark.parametrize("method", ["qat", "lsq", "ptq"])
def test_neutral_returns_the_very_objects(method):
    variant = Quantize(bits=32, activations=32, method=method)
    model, plan = MLPSpec(hidden=(16,)).build(IMAGE, nnx.Rngs(0)), (Phase("train", 4),)
    assert variant.rewrite(model) is model
    assert variant.phases(plan) is plan
    assert variant.since == ""


def test_what_is_learned_is_a_parameter_and_what_is_calibrated_is_not():
    def slots(kind, method):
        built = MLPSpec(hidden=(16,)).build(IMAGE, nnx.Rngs(0))
        model = Quantize(method=method, static=True).rewrite(built)
        flat = nnx.to_pure_dict(nnx.state(model, kind))
        return sorted(flat.get("head", {}).get("slots", {}))

    both = ["input_step", "kernel_step"]
    assert slots(nnx.Param, "lsq") == slots(nnx.Not(nnx.Param), "ptq") == both
    assert slots(nnx.Not(nnx.Param), "lsq") == slots(nnx.Param, "ptq") == []
    assert slots(nnx.Not(nnx.Param), "qat") == ["input_step"]


REFUSED = [
    (dict(bits=0), "bits 0 is out of range"),
    (dict(bits=9), "bits 9 is out of range"),
    (dict(keep_bits=1), "keep_bits 1 is out of range"),
    (dict(bits=32), "activations without weights"),
    (dict(method="awq"), "method 'awq' is unknown"),
    (dict(grid="ternery"), "grid 'ternery' is unknown"),
    (dict(granularity="group"), "granularity 'group' is unknown"),
    (dict(clip="max"), "clip 'max' is unknown"),
    (dict(clip="101%"), "clip '101%' is unknown"),
    (dict(static=True, input_clip="mse"), "input_clip 'mse' is unknown"),
    (dict(input_clip="99%"), "set static=true"),
    (dict(method="lsq", input_clip="99%"), "is of static inputs in qat and ptq"),
    (dict(method="lsq", grid="ternary"), "lsq learns no ternary grid"),
    (dict(method="lsq", clip="mse"), "has no say with lsq"),
    (dict(grid="binary", clip="mse"), "has no say with grid binary"),
    (dict(static=True, activations=32), "static needs quantized inputs"),
    (dict(batches=0), "batches 0 must be at least 1"),
]


@pytest.mark.parametrize("settings, message", REFUSED)
def test_refused_in_one_line(settings, message):
    with pytest.raises(VariantError, match=message) as caught:
        Quantize(**settings)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("settings", [dict(weights="nowhere*"), dict(keep=("head", "nowhere"))])
def test_a_pattern_that_matches_nothing_is_refused(settings):
    with pytest.raises(VariantError, match=r"nowhere.*matches no layer; there are: hidden_0, head"):
        Quantize(**settings).rewrite(MLPSpec(hidden=(16,)).build(IMAGE, nnx.Rngs(0)))


def test_operations_stay_hashable():
    layer = Linear(4, 3, rngs=nnx.Rngs(0))
    for rounding in (Rounding, LearnedRounding):
        first, second = (rounding(layer.op, Storage("int8", 8, 1, 8)) for _ in range(2))
        assert hash(first) == hash(second)
        assert first == second
