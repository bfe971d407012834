"""Contractions of integers: every form gives the exact sums, for bytes with a sign and without."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax

from efficient.models.layers.convolution import Convolve
from efficient.models.layers.integer import OFFSET, convolve_integers, dot_shifted
from efficient.models.layers.linear import dot, dot_transposed, turned

SIZES = st.integers(1, 7)


def bytes_of(seed, shape):
    """All of int8, extremes included, but -128, which no symmetric grid has."""
    values = np.random.default_rng(seed).integers(-127, 128, shape).astype(np.int8)
    values.ravel()[:2] = (127, -127)[: values.size]
    return values


def shift(values):
    return (values.astype(np.int16) + OFFSET).astype(np.uint8)


@given(st.lists(SIZES, min_size=1, max_size=2), SIZES, SIZES, st.booleans())
def test_products_of_shifted_inputs_are_exact(leading, inputs, outputs, turn):
    x, w = bytes_of(0, (*leading, inputs)), bytes_of(1, (inputs, outputs))
    wanted = x.astype(np.int64) @ w.astype(np.int64)
    found = (dot_transposed if turn else dot)(shift(x), w.T if turn else w, {})
    assert found.dtype == jnp.int32
    np.testing.assert_array_equal(found, wanted)
    np.testing.assert_array_equal(dot_shifted(shift(x), w, 0), wanted)


def test_the_precision_keeps_mixed_operands_narrow():
    x, w = jnp.zeros((4, 8), jnp.uint8), jnp.zeros((8, 3), jnp.int8)
    text = jax.jit(lambda x, w: dot(x, w, {})).lower(x, w).as_text()
    (product,) = [line for line in text.splitlines() if "stablehlo.dot_general" in line]
    assert "xui8>" in product and "xi8>" in product and "xi32>" in product


def exact(x, w, strides, padding):
    layout = ("NHWC", "HWIO", "NHWC")
    x, w = x.astype(np.float32), w.astype(np.float32)  # sums here stay below 2 ** 24
    return lax.conv_general_dilated(x, w, strides, padding, dimension_numbers=layout)


@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize(
    "strides, padding", [((1, 1), ((1, 2), (0, 1))), ((2, 3), ((0, 0), (0, 0)))]
)
@pytest.mark.parametrize("channels", [1, 3, 64])
def test_convolutions_are_exact(channels, strides, padding, shifted):
    x, w = bytes_of(0, (2, 6, 7, channels)), bytes_of(1, (3, 2, channels, 5))
    wanted = exact(x, w, strides, padding)
    inputs = shift(x) if shifted else x
    found = jax.jit(partial(convolve_integers, strides=strides, padding=padding))(inputs, w)
    np.testing.assert_array_equal(found, wanted)


@settings(max_examples=8)  # each compiles
@given(SIZES, SIZES, st.integers(1, 3), st.integers(1, 3), st.sampled_from(["SAME", "VALID"]))
def test_any_shape_is_exact(height, width, window, stride, padding):
    rows, columns = height + window - 1, width + window - 1
    x, w = bytes_of(2, (1, rows, columns, 2)), bytes_of(3, (window, window, 2, 3))
    op = jax.jit(lambda x, w: Convolve((stride, 1), padding)(x, w, {}))
    wanted = exact(x, w, (stride, 1), padding)
    for inputs in (x, shift(x)):
        np.testing.assert_array_equal(op(inputs, w), wanted)


def test_other_platforms_multiply_no_zeros():
    """Neighbours share pixels on a CPU only: what is counted is the convolution's own work."""
    x, w = jnp.zeros((1, 6, 6, 2), jnp.int8), jnp.zeros((3, 3, 2, 4), jnp.int8)

    def lowered(platform):
        traced = jax.jit(lambda x, w: Convolve(padding="VALID")(x, w, {})).trace(x, w)
        return traced.lower(lowering_platforms=(platform,)).as_text()

    assert "tensor<1x4x4x18xi8>" in lowered("cuda") and "tensor<18x4xi8>" in lowered("cuda")
    assert "tensor<18x4xi8>" not in lowered("cpu")


def test_only_a_plain_product_has_a_transposed_form():
    assert turned(dot) is dot_transposed
    assert turned(dot_transposed) is None and turned(Convolve()) is None
