"""Training in fewer bits: what is rounded, how, and what ships."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from flax import nnx
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from efficient.cost.flops import count
from efficient.data import load
from efficient.models.clip import integer_scale
from efficient.models.grid import integers_of
from efficient.models.integer import IntegerOperation
from efficient.models.layers import Linear, Noise, weighted_layers
from efficient.models.layers.linear import dot
from efficient.models.layers.noise import random_bits
from efficient.models.signature import Signature
from efficient.run.build import build
from efficient.variants import Precision, Quantize, VariantError
from efficient.variants.precision import float8
from efficient.variants.precision.float8 import Float8Training, require_float8
from efficient.variants.precision.integer import IntegerTraining, round_at_random

INT8, NEAREST = Precision("int8"), Precision("int8", rounding="nearest")
IMAGE = Signature((8, 8, 1), 10, "image")
DRAWS = 4096


def operands(*leading):
    keys = jax.random.split(jax.random.key(0), 3)
    shapes = (*leading, 32), (32, 24), (*leading, 24)
    return tuple(jax.random.normal(k, shape) for k, shape in zip(keys, shapes, strict=True))


def gradients(op, x, kernel, cotangent, slots):
    def loss(x, kernel):
        return (op(x, kernel, slots) * cotangent).sum()

    return jax.jit(jax.grad(loss, (0, 1)))(x, kernel)


def cosine(a, b):
    return float((a * b).sum() / jnp.linalg.norm(a) / jnp.linalg.norm(b))


def rewritten(variant):
    return variant.rewrite(tiny.DIGITS.model.build(IMAGE, nnx.Rngs(0)))


# -- rounding at random ----------------------------------------------------------------------------


@pytest.mark.parametrize("value", [0.0, 0.25, 0.5, 1e-3, 3.9, -0.7, -126.5, 127.0, -127.0])
def test_the_expectation_of_a_rounded_value_is_the_value(value):
    values = jnp.full((DRAWS,), value)
    noise = random_bits(jax.random.key(7), values.shape)
    drawn = np.asarray(round_at_random(values, jnp.ones(1), 8, noise))
    fraction = value - np.floor(value)
    deviation = np.sqrt(fraction * (1 - fraction) / DRAWS)
    assert abs(drawn.mean() - value) <= 5 * deviation
    assert set(drawn) <= {np.floor(value), np.ceil(value)}


#: Far enough from the smallest float that a step can be a 127th.
MAGNITUDES = st.one_of(st.just(0.0), st.floats(float(np.float32(1e-30)), 2.0**100, width=32))


@given(
    arrays.arrays(np.float32, (5, 7), elements=MAGNITUDES),
    arrays.arrays(np.bool_, (5, 7)),
    st.integers(0, 2**32 - 1),
)
def test_integers_stay_in_range_and_next_to_the_value(values, negative, seed):
    values = np.where(negative, -values, values)
    step = integer_scale(jnp.asarray(values), 8, (1,))
    noise = random_bits(jax.random.key(seed), values.shape)
    integers = np.asarray(round_at_random(jnp.asarray(values), step, 8, noise))
    assert np.abs(integers).max() <= 127
    assert (integers == integers.astype(np.int8)).all()
    assert (np.abs(integers - values / np.asarray(step)) <= 1 + 1e-4).all()


def test_what_nearest_loses_survives_at_random():
    """A row whose largest number is 127 and whose others are 0.3: nearest makes them 0."""
    x, kernel = jnp.eye(32)[None, 0], jnp.zeros((32, 24))
    cotangent = jnp.full((1, 24), 0.3).at[0, 0].set(127)
    # the gradient of the inputs contracts the row: only the small entries meet a weight
    kernel = kernel.at[0, 1:].set(1.0)
    op, exact = IntegerTraining(dot), 23 * 0.3

    def found(slots):
        return gradients(op, x, kernel, cotangent, slots)[0][0, 0]

    assert found({}) == 0
    drawn = [found({"rounding": jax.random.key(i)}) for i in range(25)]
    assert np.mean(drawn) == pytest.approx(exact, abs=float(5 * np.std(drawn) / 5))


# -- int8 ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("leading", [(16,), (4, 8), (7,)])
@pytest.mark.parametrize("slots", [{}, {"rounding": jax.random.key(3)}], ids=["nearest", "random"])
def test_value_and_gradients_are_close_to_float32(leading, slots):
    x, kernel, cotangent = operands(*leading)
    op = IntegerTraining(dot)
    assert cosine(op(x, kernel, slots), dot(x, kernel, {})) > 0.999
    plain = gradients(dot, x, kernel, cotangent, {})
    for own, exact in zip(gradients(op, x, kernel, cotangent, slots), plain, strict=True):
        assert own.dtype == jnp.float32
        assert cosine(own, exact) > 0.999


@pytest.mark.parametrize("slots", [{}, {"rounding": jax.random.key(3)}], ids=["nearest", "random"])
def test_what_is_no_number_is_not_rounded_to_one(slots):
    """So a run that diverged is seen by its loss."""
    x, kernel, cotangent = operands(16)
    op = IntegerTraining(dot)
    assert jnp.isnan(op(x.at[3, 5].set(jnp.nan), kernel, slots)[3]).all()
    assert jnp.isnan(op(x, kernel.at[5, 3].set(jnp.nan), slots)[:, 3]).all()
    found = gradients(op, x, kernel, cotangent.at[3, 5].set(jnp.nan), slots)
    assert jnp.isnan(found[0][3]).all() and jnp.isnan(found[1][:, 5]).all()


def test_numbers_on_the_grid_are_multiplied_exactly():
    key = jax.random.key(1)
    x, kernel, cotangent = (
        jax.random.randint(key, shape, -9, 9).astype(jnp.float32).at[0].set(127).at[:, 0].set(127)
        for shape in ((6, 5), (5, 4), (6, 4))
    )
    own = gradients(IntegerTraining(dot), x, kernel, cotangent, {})
    exact = gradients(dot, x, kernel, cotangent, {})
    for left, right in zip(own, exact, strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-6)


@pytest.mark.parametrize("platform, pair", [("cpu", "int8*uint8"), ("default", "int8")])
def test_all_three_products_are_of_bytes(platform, pair):
    x, kernel, _ = operands(16)
    slots = {"rounding": jax.random.key(3)}

    def loss(x, kernel):
        return jnp.sin(IntegerTraining(dot)(x, kernel, slots)).sum()

    found = count(jax.make_jaxpr(jax.grad(loss, (0, 1)))(x, kernel), platform=platform)
    assert set(found.by_dtype) == {pair}
    exact = 3 * 2 * 16 * 32 * 24
    # a CPU multiplies one more row, which finds what the shift of the bytes adds
    assert exact <= found.total <= exact * (1 + 1 / 16)


def test_a_key_decides_the_bits():
    x, kernel, cotangent = operands(16)

    def kernels(seed):
        slots = {"rounding": jax.random.key(seed)}
        return np.asarray(gradients(IntegerTraining(dot), x, kernel, cotangent, slots)[1])

    np.testing.assert_array_equal(kernels(1), kernels(1))
    assert (kernels(1) != kernels(2)).any()


def test_every_layer_has_a_stream_of_its_own_that_moves():
    model = rewritten(INT8)
    streams = [np.asarray(layer.slots["rounding"][...]) for layer in linear(model)]
    assert len({stream.tobytes() for stream in streams}) == len(streams)
    model(jnp.ones((2, 8, 8, 1)))
    for layer, stream in zip(linear(model), streams, strict=True):
        assert isinstance(layer.slots["rounding"], Noise)
        assert (np.asarray(layer.slots["rounding"][...]) != stream).any()
    assert all(not layer.slots for layer in linear(rewritten(NEAREST)))


def test_streams_are_of_the_seed_of_the_run():
    def streams(seed):
        model = INT8.rewrite(tiny.DIGITS.model.build(IMAGE, nnx.Rngs(seed)))
        return [tuple(np.asarray(layer.slots["rounding"][...]).tolist()) for layer in linear(model)]

    assert streams(0) == streams(0)
    assert not set(streams(0)) & set(streams(1))


def linear(model):
    return [layer for layer in weighted_layers(model).values() if layer.kind == "linear"]


def test_what_ships_computes_what_training_computed():
    """The same integers and the same steps, so nothing is lost on the way."""
    layer = Linear(32, 24, rngs=nnx.Rngs(0), use_bias=False)
    layer.path = "layer"
    NEAREST.rewrite(layer)
    x = operands(16)[0]
    integers, step = integers_of(layer)
    shipped = IntegerOperation(dot, layer.storage.activations, layer.output_axis)
    np.testing.assert_array_equal(layer(x), shipped(x, integers, {"kernel_step": step}))


@pytest.mark.parametrize(
    "other",
    [Quantize(bits=4), Quantize(activations=32), Quantize(method="lsq"), Quantize(grid="ternary")],
    ids=["bits", "activations", "lsq", "grid"],
)
def test_a_layer_that_would_be_rounded_twice_is_refused(other):
    with pytest.raises(VariantError, match=r"round hidden_0 again.* int8 .*weights.*--start") as e:
        other.rewrite(rewritten(INT8))
    assert "\n" not in str(e.value)
    other.rewrite(rewritten(Precision()))  # what is in 16 bits may be rounded


def test_a_layer_that_is_rounded_so_already_is_left_as_it_is():
    for method in ("qat", "ptq"):
        model = Quantize(method=method).rewrite(rewritten(INT8))
        for layer in linear(model):
            assert isinstance(layer.op, IntegerTraining) and set(layer.slots) == {"rounding"}
    apart = dataclasses.replace(INT8, weights="hidden_0")
    model = Quantize(bits=4, weights="head").rewrite(rewritten(apart))
    assert [layer.storage.bits for layer in linear(model)] == [8, 4]


def test_a_conversion_that_would_round_again_is_refused_before_training():
    config = dataclasses.replace(tiny.DIGITS, variants=(INT8, Quantize(method="ptq", bits=4)))
    with pytest.raises(VariantError, match="round hidden_0 again"):
        build(config, load("digits"), Path("nowhere"))


@pytest.mark.parametrize(
    "config",
    [
        pytest.param(tiny.DIGITS, id="digits"),
        pytest.param(tiny.TEXT, id="text", marks=pytest.mark.slow),
    ],
)
def test_a_run_in_int8_learns_and_ships_what_it_was(config, trained):
    record, baseline = (
        trained(dataclasses.replace(config, variants=variants)) for variants in ((INT8,), ())
    )
    assert record.params_digest != baseline.params_digest
    first, last = (record.points[i].validation.loss for i in (0, -1))
    reached = baseline.points[-1].validation.loss
    assert last < first and last - reached < 0.05 * reached
    assert record.scores["artefact"].loss == pytest.approx(record.scores["test"].loss, abs=1e-5)
    assert any("int8" in name for name in record.cost.flops_by_dtype)
    assert record.cost.flops_model == baseline.cost.flops_model


def test_the_gradients_of_too_many_positions_are_refused():
    shapes = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in ((200_000, 4), (4, 2))]
    gradient = jax.grad(lambda x, w: IntegerTraining(dot)(x, w, {}).sum(), 1)
    with pytest.raises(VariantError, match=r"200000 positions.*at most 133144"):
        jax.eval_shape(gradient, *shapes)


# -- float8 ----------------------------------------------------------------------------------------


def device(**facts):
    return SimpleNamespace(**{"platform": "gpu", "device_kind": "A device"} | facts)


@pytest.mark.parametrize(
    "facts",
    [
        dict(platform="cpu"),
        dict(platform="tpu"),
        dict(compute_capability="8.0"),
        dict(compute_capability="gfx942"),
    ],
)
def test_float8_is_refused_where_it_would_be_widened(facts):
    with pytest.raises(VariantError, match=r"float8 .* A device; choose bfloat16 or int8"):
        require_float8(device(**facts))


@pytest.mark.parametrize("capability", ["8.9", "9.0", "10.0"])
def test_float8_is_taken_where_the_hardware_has_it(capability):
    require_float8(device(compute_capability=capability))


def test_float8_is_refused_on_this_cpu_and_names_the_remedy():
    with pytest.raises(VariantError, match=r"float8 .* choose bfloat16 or int8") as refusal:
        rewritten(Precision("float8"))
    assert "\n" not in str(refusal.value)


def test_all_three_products_are_of_8_bit_floats_on_cuda(monkeypatch):
    monkeypatch.setattr(float8, "_CAPABILITY", (0, 0))
    x, kernel, cotangent = operands(16)

    def both(x, kernel):
        return jax.vjp(lambda *a: Float8Training(dot)(*a, {}), x, kernel)[1](cotangent)

    def value(x, kernel):
        return Float8Training(dot)(x, kernel, {})

    lines = []
    for function in (value, both):
        lowered = jax.jit(function).trace(x, kernel).lower(lowering_platforms=("cuda",))
        lines += [line for line in lowered.as_text().splitlines() if "dot_general" in line]
    types = [line.split(" : (")[1] for line in lines]
    assert [(t.count("f8E4M3FN>"), t.count("f8E5M2>")) for t in types] == [(2, 0), (1, 1), (1, 1)]
    assert all(t.endswith("xf32>") for t in types)


def test_8_bit_floats_are_close_to_float32_at_any_scale():
    x, kernel, cotangent = operands(4, 8)
    small = 1e-12 * cotangent
    own = gradients(Float8Training(dot), x, kernel, small, {})
    for left, right in zip(own, gradients(dot, x, kernel, small, {}), strict=True):
        assert cosine(1e12 * left, 1e12 * right) > 0.99


# -- settings --------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["bfloat16", "int8", "float32"])
def test_storage_says_what_ships(dtype):
    storages = {layer.storage.dtype for layer in linear(rewritten(Precision(dtype)))}
    assert storages == {dtype}


def test_float32_is_the_very_model():
    model = tiny.DIGITS.model.build(IMAGE, nnx.Rngs(0))
    assert Precision("float32").rewrite(model) is model


def test_int8_leaves_lookups_and_convolutions_in_float32():
    text = Signature((16,), 256, "text")
    model = INT8.rewrite(tiny.TEXT.model.build(text, nnx.Rngs(0)))
    for layer in weighted_layers(model).values():
        assert (layer.storage.dtype == "int8") == (layer.kind == "linear")


@pytest.mark.parametrize(
    "settings, words",
    [
        (dict(dtype="float16"), "dtype 'float16' .* bfloat16, int8, float8 or float32"),
        (dict(dtype="int8", rounding="up"), "rounding 'up' .* stochastic or nearest"),
    ],
)
def test_unknown_settings_are_refused(settings, words):
    with pytest.raises(VariantError, match=words):
        Precision(**settings)


def test_a_pattern_that_matches_nothing_is_refused():
    with pytest.raises(VariantError, match="matches no layer"):
        rewritten(Precision("int8", weights="nowhere*"))
