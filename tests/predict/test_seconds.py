"""Predicted seconds on a machine whose rates are all known, so that each follows by hand."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jax import lax
from machine import BYTES_S, FLOPS_S, OVERHEAD_S, calibration

from efficient.cost.flops import count
from efficient.predict.seconds import KINDS, MODEL_ERROR, Seconds, predict_seconds

MACHINE = calibration()


def array(*shape: int, dtype: str = "float32") -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, dtype)


def predict(function, *shapes, machine=MACHINE, platform="cpu", steps=1) -> Seconds:
    return predict_seconds(jax.make_jaxpr(function)(*shapes), steps, machine, platform)


def layer(x, w):
    return jnp.tanh(x @ w)


def test_a_product_takes_its_overhead_and_its_flops():
    found = predict(jnp.matmul, array(64, 32), array(32, 16))
    assert found.by_kind["matmul"] == pytest.approx(2 * 64 * 32 * 16 / FLOPS_S)
    assert found.by_kind["host"] == pytest.approx(OVERHEAD_S)
    assert found.central == pytest.approx(sum(found.by_kind.values()))


def test_an_elementwise_chain_is_one_kernel_that_reads_and_writes_once():
    found = predict(lambda x: (x + 1) * 2 - 3, array(1000))
    assert found.by_kind["memory"] == pytest.approx(2 * 4000 / BYTES_S)
    assert found.by_kind["host"] == pytest.approx(OVERHEAD_S)
    assert found.bytes_moved == 2 * 4000


def test_functions_take_longer_than_memory_where_there_are_many():
    plain = predict(lambda x: x + 1, array(10**6)).central
    found = predict(sum_of_functions, array(10**6))
    assert found.by_kind["arithmetic"] > plain and found.by_kind["memory"] == 0


def sum_of_functions(x):
    return sum((jnp.sin(x + i) for i in range(30)), x)


def test_a_transposed_copy_takes_longer_than_a_straight_one():
    straight = predict(lambda x: x * 2, array(128, 256)).central
    turned = predict(lambda x: (x * 2).T, array(128, 256)).central
    assert turned > 3 * straight


def test_moving_rows_of_a_line_and_more_is_a_straight_copy():
    straight = predict(lambda x: x * 2, array(8, 16, 32)).central
    assert predict(lambda x: (x * 2).swapaxes(0, 1), array(8, 16, 32)).central == straight


def test_a_gradient_over_two_axes_pays_for_the_turning_of_its_operand():
    shapes = array(4, 8, 16), array(4, 8, 32)
    both = predict(lambda x, g: jnp.einsum("bti,bto->io", x, g), *shapes)
    flat = predict(lambda x, g: x.T @ g, array(32, 16), array(32, 32))
    assert both.by_kind["matmul"] == pytest.approx(flat.by_kind["matmul"])
    assert both.by_kind["memory"] > 0 and flat.by_kind["memory"] == 0


def test_dead_code_is_free():
    def wasteful(x, w):
        layer(layer(x, w), w)
        return x + 1

    shapes = array(64, 64), array(64, 64)
    assert predict(wasteful, *shapes).central == predict(lambda x, w: x + 1, *shapes).central


@pytest.mark.parametrize("length", [1, 2, 7])
def test_a_loop_takes_its_body_as_often_as_it_runs(length):
    def loop(turns):
        def run(x, w):
            return lax.scan(lambda c, _: (layer(c, w), None), x, None, length=turns)[0]

        return predict(run, array(32, 32), array(32, 32)).central

    assert loop(length) == pytest.approx(length * loop(1))


def test_a_step_is_a_chunk_over_its_steps():
    def chunk(x, w):
        return lax.scan(lambda c, _: (layer(c, w), None), x, None, length=10)[0]

    shapes = array(32, 32), array(32, 32)
    whole, step = predict(chunk, *shapes), predict(chunk, *shapes, steps=10)
    assert 10 * step.central == pytest.approx(whole.central)
    assert 10 * step.bytes_moved == whole.bytes_moved


def test_of_branches_that_data_choose_the_dearest_counts():
    def choose(flag, x, w):
        return lax.cond(flag, lambda: layer(layer(x, w), w), lambda: layer(x, w))

    shapes = array(64, 64), array(64, 64)
    dear = predict(lambda x, w: layer(layer(x, w), w), *shapes).by_kind["matmul"]
    assert predict(choose, array(dtype="bool"), *shapes).by_kind["matmul"] == pytest.approx(dear)


@pytest.mark.parametrize(("platform", "products"), [("cpu", 2), ("gpu", 1)])
def test_of_branches_for_platforms_the_one_that_runs_counts(platform, products):
    def choose(x, w):
        return lax.platform_dependent(x, w, cpu=lambda x, w: layer(layer(x, w), w), default=layer)

    one = predict(layer, array(64, 64), array(64, 64)).by_kind["matmul"]
    found = predict(choose, array(64, 64), array(64, 64), platform=platform)
    assert found.by_kind["matmul"] == pytest.approx(products * one)


def test_calls_change_nothing():
    plain = predict(layer, array(64, 64), array(64, 64))
    by_hand = jax.custom_jvp(layer)
    by_hand.defjvps(None, None)
    for wrapped in (jax.jit(layer), jax.checkpoint(layer), by_hand):
        assert predict(wrapped, array(64, 64), array(64, 64)) == plain


@pytest.mark.parametrize("form", ["forward", "gradient"])
def test_both_forms_of_a_convolution_take_their_padded_flops(form):
    left, right = (
        (array(64, 8, 8, 64), array(3, 3, 64, 64))
        if form == "forward"
        else (array(64, 8, 8, 64), array(8, 8, 64, 64))
    )

    def convolve(x, w):
        return lax.conv_general_dilated(
            x, w, (1, 1), [(1, 1), (1, 1)], dimension_numbers=("NHWC", "HWIO", "NHWC")
        )

    flops = count(jax.make_jaxpr(convolve)(left, right), padded=True).total
    assert flops is not None
    found = predict(convolve, left, right)
    assert found.by_kind["convolution"] == pytest.approx(2 * flops / FLOPS_S, rel=1e-3)


def test_what_hides_its_work_leaves_no_range():
    def search(x):
        return lax.while_loop(lambda c: c.sum() < 9, lambda c: c @ c, x)

    found = predict(search, array(8, 8))
    assert found.unpriced == ("while",) and found.range is None


def test_the_range_is_the_models_error_and_the_calibrations():
    found = predict(layer, array(8, 8), array(8, 8), machine=calibration(spread=0.15))
    assert found.range is not None
    assert found.high / found.central == pytest.approx(1 + MODEL_ERROR + 0.15)
    assert found.central / found.low == pytest.approx(1 + MODEL_ERROR + 0.15)


def test_nothing_of_the_size_of_the_arrays_is_allocated():
    huge = array(10**6, 10**5), array(10**5, 10**6)
    assert predict(jnp.matmul, *huge).central > 1e6


@given(st.floats(0.1, 10.0))
def test_a_machine_that_is_faster_in_everything_is_faster_by_that(speed):
    def step(x, w):
        return jax.grad(lambda v: layer(layer(x, v), v.T).sum())(w)

    shapes = array(24, 16), array(16, 16)
    slow, fast = predict(step, *shapes), predict(step, *shapes, machine=calibration(speed))
    assert slow.central == pytest.approx(speed * fast.central)
    assert set(fast.by_kind) == set(KINDS)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40), st.integers(1, 4))
def test_more_work_never_takes_less_time(rows, inner, columns, factor):
    def seconds(n):
        return predict(layer, array(n * rows, inner), array(inner, columns)).central

    assert seconds(factor) >= seconds(1) * 0.999
