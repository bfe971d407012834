"""The price of single contractions against brute force and against their own gradients."""

import itertools

import jax
import jax.numpy as jnp
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from jax import lax

from efficient.cost.contraction import operand_dtype, price
from efficient.cost.flops import count, count_training


def array(shape, dtype=jnp.float32):
    return jax.ShapeDtypeStruct(tuple(shape), dtype)


def only_equation(function, *args):
    (equation,) = jax.make_jaxpr(function)(*args).eqns
    return equation


@st.composite
def convolutions(draw, spread=3):
    """The operands of a small convolution and the parameters of `conv_general_dilated`."""
    rank = draw(st.integers(1, 2))
    several = st.integers(1, 2)

    def each(values):
        return tuple(draw(st.lists(values, min_size=rank, max_size=rank)))

    groups = draw(st.sampled_from(["none", "feature", "batch"]))
    feature_groups = draw(st.integers(2, 3)) if groups == "feature" else 1
    batch_groups = draw(st.integers(2, 3)) if groups == "batch" else 1
    into, out = draw(several), draw(several) * feature_groups * batch_groups
    padding = each(st.tuples(st.integers(-1, 3), st.integers(-1, 3)))
    image = (draw(several) * batch_groups, into * feature_groups, *each(st.integers(1, 5)))
    kernel = (out, into, *each(st.integers(1, 3)))
    params = {
        "window_strides": each(st.integers(1, 3)),
        "padding": padding,
        "lhs_dilation": each(st.integers(1, spread)),
        "rhs_dilation": each(st.integers(1, 3)),
        "feature_group_count": feature_groups,
        "batch_group_count": batch_groups,
    }
    try:
        shape = jax.eval_shape(convolution(params), array(image), array(kernel)).shape
    except (TypeError, ValueError):
        shape = (0,)
    assume(0 not in shape)
    return array(image), array(kernel), params


def convolution(params):
    return lambda image, kernel: lax.conv_general_dilated(image, kernel, **params)


def brute_force(image, kernel, out, params, *, padded):
    """Every pair of a tap and an output, one by one."""
    pairs = 1
    for axis in range(len(params["padding"])):
        spread, step = params["lhs_dilation"][axis], params["rhs_dilation"][axis]
        stride, (before, _) = params["window_strides"][axis], params["padding"][axis]
        met = 0
        for o, tap in itertools.product(range(out[axis + 2]), range(kernel[axis + 2])):
            element, between = divmod(o * stride + tap * step - before, spread)
            inside = 0 <= element < image[axis + 2]
            met += not between and (padded or inside)
        pairs *= met
    return 2 * out[0] * out[1] * kernel[1] * pairs


@pytest.mark.parametrize("padded", [False, True])
@given(convolutions())
def test_convolution_counts_every_pair_of_tap_and_output(padded, case):
    image, kernel, params = case
    equation = only_equation(convolution(params), image, kernel)
    out = equation.outvars[0].aval.shape
    expected = brute_force(image.shape, kernel.shape, out, params, padded=padded)
    assert price(equation, padded=padded) == expected


@given(convolutions(spread=1))
def test_padded_convolution_is_outputs_times_taps(case):
    image, kernel, params = case
    equation = only_equation(convolution(params), image, kernel)
    taps = kernel.size // kernel.shape[0]
    assert price(equation, padded=True) == 2 * equation.outvars[0].aval.size * taps


@given(convolutions())
def test_convolution_gradients_cost_what_the_forward_rule_says(case):
    image, kernel, params = case
    convolve = convolution(params)
    check_against_gradient(lambda kernel, image: convolve(image, kernel).sum(), kernel, image)


sizes = st.integers(1, 4)


@given(batch=sizes, rows=sizes, inner=st.lists(sizes, min_size=0, max_size=2), columns=sizes)
def test_dot_costs_two_flops_per_multiply_add(batch, rows, inner, columns):
    left, right = array((batch, *inner, rows)), array((columns, *inner, batch))
    contracted = tuple(range(1, 1 + len(inner)))
    numbers = ((contracted, contracted), ((0,), (1 + len(inner),)))

    def dot(left, right):
        return lax.dot_general(left, right, numbers)

    expected = 2 * batch * rows * columns
    for size in inner:
        expected *= size
    assert price(only_equation(dot, left, right), padded=True) == expected
    check_against_gradient(lambda left, right: dot(left, right).sum(), left, right)


def check_against_gradient(loss, weight, data):
    """Both with raw data and with data that needs a gradient."""
    jaxpr = jax.make_jaxpr(loss)(weight, data)
    for trained, argnums in (([True, False], 0), ([True, True], (0, 1))):
        gradient = jax.make_jaxpr(jax.value_and_grad(loss, argnums))(weight, data)
        rule = count_training(jaxpr, trained, padded=False)
        assert rule.total == count(gradient).total
        assert rule.total == (1 + sum(trained)) * count(jaxpr).total


def test_strided_transposed_convolution_counts_inputs_times_taps():
    """Zeros between the inputs are free: 4 inputs x 3 taps, of which 1 falls on the cut border."""

    def double(image, kernel):
        return lax.conv_transpose(
            image, kernel, (2,), "SAME", dimension_numbers=("NHC", "HIO", "NHC")
        )

    equation = only_equation(double, array((1, 4, 1)), array((3, 1, 1)))
    assert price(equation, padded=True) == 2 * 4 * 3
    assert price(equation, padded=False) == 2 * (4 * 3 - 1)


def test_depthwise_convolution_reads_one_feature():
    def depthwise(image, kernel):
        return lax.conv_general_dilated(image, kernel, (1, 1), "VALID", feature_group_count=8)

    equation = only_equation(depthwise, array((1, 8, 5, 5)), array((8, 1, 3, 3)))
    assert price(equation, padded=False) == 2 * 8 * 3 * 3 * 3 * 3


def test_integers_cost_the_same_in_their_own_bucket():
    floating, integer = array((4, 8)), array((4, 8), jnp.int8)

    def gram(left, right):
        return lax.dot_general(
            left, right, (((1,), (1,)), ((), ())), preferred_element_type=jnp.int32
        )

    assert operand_dtype(only_equation(gram, integer, integer)) == "int8"
    exact = count(jax.make_jaxpr(gram)(integer, integer))
    assert exact.by_dtype == {"int8": 2 * 4 * 4 * 8}
    assert count(jax.make_jaxpr(jnp.inner)(floating, floating)).by_dtype == {"float32": exact.total}


def test_elementwise_arithmetic_is_free():
    (equation,) = jax.make_jaxpr(jnp.sin)(array((3,))).eqns
    assert price(equation, padded=True) is None
