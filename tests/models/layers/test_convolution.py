"""The convolution with gradients of our own against the native one."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax import lax

from efficient.models.layers import ConvNorm
from efficient.models.layers.convolution import Conv, Convolve

PADDINGS = ("SAME", "VALID", ((1, 2), (0, 1)), ((3, 3), (3, 3)))
WINDOWS = ((1, 1), (3, 3), (5, 5), (3, 1))
SIZES = ((7, 8), (9, 6))


def native(op):
    def convolve(x, w):
        return lax.conv_general_dilated(
            x, w, op.strides, op.padding, dimension_numbers=("NHWC", "HWIO", "NHWC")
        )

    return convolve


def operands(size, window, dtype=jnp.float32):
    key = jax.random.key(0)
    x = jax.random.normal(key, (2, *size, 3), dtype)
    return x, jax.random.normal(key, (*window, 3, 4), dtype)


def gradients(function, x, w):
    def loss(x, w):
        return jnp.sin(function(x, w).astype(jnp.float32)).sum()

    return jax.jit(jax.value_and_grad(loss, (0, 1)))(x, w)


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("stride", [1, 2, pytest.param(4, marks=pytest.mark.slow)])
def test_value_and_gradients_equal_the_native_ones(stride, padding):
    op = Convolve((stride, stride), padding)
    for size, window in itertools.product(SIZES, WINDOWS):
        x, w = operands(size, window)
        (own, ours), (value, theirs) = (
            gradients(function, x, w) for function in (lambda x, w: op(x, w, {}), native(op))
        )
        np.testing.assert_allclose(own, value, rtol=1e-4, atol=1e-4)
        for left, right in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(left, right, rtol=1e-3, atol=1e-4)


def test_different_strides_of_rows_and_columns():
    op, (x, w) = Convolve((2, 1), "SAME"), operands((7, 8), (3, 3))
    ours, theirs = (gradients(f, x, w)[1] for f in (lambda x, w: op(x, w, {}), native(op)))
    for left, right in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-3, atol=1e-4)


def test_bfloat16_gives_float32_and_gradients_in_bfloat16():
    op, (x, w) = Convolve((2, 2)), operands((7, 8), (3, 3), jnp.bfloat16)
    assert op(x, w, {}).dtype == jnp.float32
    _, ours = gradients(lambda x, w: op(x, w, {}), x, w)
    _, exact = gradients(native(op), x.astype(jnp.float32), w.astype(jnp.float32))
    for left, right in zip(ours, exact, strict=True):
        assert left.dtype == jnp.bfloat16
        np.testing.assert_allclose(left.astype(jnp.float32), right, rtol=0.05, atol=0.1)


@pytest.mark.parametrize("platform", ["cuda", "tpu"])
def test_accelerators_get_the_native_gradients(platform):
    op, (x, w) = Convolve((2, 2)), operands((7, 8), (3, 3), jnp.bfloat16)

    def lowered(function):
        step = jax.jit(jax.grad(lambda x, w: function(x, w).astype(jnp.float32).sum(), (0, 1)))
        return step.trace(x, w).lower(lowering_platforms=(platform,)).as_text()

    layouts = [
        sorted(
            line.split("dim_numbers = ")[1].split(",")[0]
            for line in text.splitlines()
            if "stablehlo.convolution" in line
        )
        for text in (lowered(lambda x, w: op(x, w, {})), lowered(native(op)))
    ]
    # The plain program need not compute the value; ours keeps it as the first of three.
    assert set(layouts[1]) <= set(layouts[0]) and len(layouts[0]) <= len(layouts[1]) + 1


@pytest.mark.parametrize("window", [(1, 1), (3, 3)])
@pytest.mark.parametrize("padding", ["SAME", "VALID"])
def test_int8_is_exact_in_int32_on_every_branch(window, padding):
    op = Convolve((2, 2), padding)
    x, w = (jnp.round(40 * a).astype(jnp.int8) for a in operands((7, 8), window))
    expected = native(op)(x.astype(jnp.float32), w.astype(jnp.float32))
    assert op(x, w, {}).dtype == jnp.int32
    np.testing.assert_array_equal(op(x, w, {}), expected)
    gathered = jax.make_jaxpr(lambda x, w: op(x, w, {}))(x, w)
    for platform in ("cuda", "tpu"):
        lowered = (
            jax.jit(lambda x, w: op(x, w, {})).trace(x, w).lower(lowering_platforms=(platform,))
        )
        assert "stablehlo.convolution" not in lowered.as_text(), gathered


def grouped(groups, dtype=jnp.float32, outputs=8):
    """Images of 4 channels, and a kernel for them in groups."""
    key = jax.random.key(1)
    x = jax.random.normal(key, (2, 7, 8, 4), dtype)
    return x, jax.random.normal(key, (3, 3, 4 // groups, outputs), dtype)


def native_in_groups(op):
    def convolve(x, w):
        return lax.conv_general_dilated(
            x,
            w,
            op.strides,
            op.padding,
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=op.groups,
        )

    return convolve


@pytest.mark.parametrize("groups", [2, 4])
@pytest.mark.parametrize("padding", ["SAME", ((2, 2), (0, 1))])
@pytest.mark.parametrize("stride", [1, 2])
def test_groups_equal_the_native_ones(stride, padding, groups):
    op, (x, w) = Convolve((stride, stride), padding, groups), grouped(groups)
    own, ours = gradients(lambda x, w: op(x, w, {}), x, w)
    value, theirs = gradients(native_in_groups(op), x, w)
    np.testing.assert_allclose(own, value, rtol=1e-5, atol=1e-5)
    for left, right in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-4, atol=1e-5)


def test_groups_are_separate_convolutions():
    op, (x, w) = Convolve((1, 1), "SAME", 2), grouped(2)
    halves = [Convolve()(x[..., 2 * i : 2 * i + 2], w[..., 4 * i : 4 * i + 4], {}) for i in (0, 1)]
    np.testing.assert_allclose(op(x, w, {}), jnp.concatenate(halves, -1), rtol=1e-4, atol=1e-4)


def test_a_1x1_kernel_in_groups_is_no_plain_matrix_product():
    op = Convolve((1, 1), "SAME", 4)
    x, w = grouped(4)
    np.testing.assert_allclose(
        op(x, w[:1, :1], {}), native_in_groups(op)(x, w[:1, :1]), rtol=1e-5, atol=1e-5
    )


def test_groups_keep_the_types_of_one_group():
    op, (x, w) = Convolve((2, 2), "SAME", 4), grouped(4, jnp.bfloat16)
    assert op(x, w, {}).dtype == jnp.float32
    _, ours = gradients(lambda x, w: op(x, w, {}), x, w)
    _, exact = gradients(native_in_groups(op), x.astype(jnp.float32), w.astype(jnp.float32))
    for left, right in zip(ours, exact, strict=True):
        assert left.dtype == jnp.bfloat16
        np.testing.assert_allclose(left.astype(jnp.float32), right, rtol=0.05, atol=0.1)
    x, w = (jnp.round(40 * a).astype(jnp.int8) for a in grouped(4))
    expected = native_in_groups(op)(x.astype(jnp.float32), w.astype(jnp.float32))
    assert op(x, w, {}).dtype == jnp.int32
    np.testing.assert_array_equal(op(x, w, {}), expected)


@pytest.mark.parametrize("make", [Conv, ConvNorm])
def test_a_depthwise_layer_has_one_kernel_for_every_channel(make):
    layer = make(4, 4, (3, 3), groups=4, rngs=nnx.Rngs(0))
    assert layer.kernel.shape == (3, 3, 1, 4) and layer.op.groups == 4
    assert layer(jnp.ones((1, 5, 5, 4))).shape == (1, 5, 5, 4)
