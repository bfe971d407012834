"""Laws: one program written in several ways, random programs, and the parts of every sum."""

import functools

import jax
import jax.numpy as jnp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jax import lax

from efficient.cost.flops import count, count_training, flops

NUMBERS = ("NHWC", "HWIO", "NHWC")


def array(*shape, dtype=jnp.float32):
    return jax.ShapeDtypeStruct(shape, dtype)


def einsum_attention(query, key, value):
    scores = jnp.einsum("btnh,bsnh->bnts", query, key)
    return jnp.einsum("bnts,bsnh->btnh", jax.nn.softmax(scores), value)


def matmul_attention(query, key, value):
    batch, time, heads, width = query.shape
    query, key, value = (
        x.swapaxes(1, 2).reshape(batch * heads, time, width) for x in (query, key, value)
    )
    mixed = jax.nn.softmax(query @ key.swapaxes(1, 2)) @ value
    return mixed.reshape(batch, heads, time, width).swapaxes(1, 2)


def masked_attention(query, key, value):
    return jax.nn.dot_product_attention(query, key, value, is_causal=True)


ATTENTIONS = (einsum_attention, matmul_attention, jax.nn.dot_product_attention, masked_attention)


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_attention_costs_the_same_however_it_is_written(attention):
    """Two products of a score for every pair, the masked half included."""
    batch, time, heads, width = 2, 6, 3, 4
    inputs = (array(batch, time, heads, width),) * 3
    forward = 2 * 2 * batch * heads * time * time * width
    assert flops(attention, *inputs).total == forward
    loss = lambda *x: attention(*x).sum()  # noqa: E731
    assert flops(jax.value_and_grad(loss, (0, 1, 2)), *inputs).total == 3 * forward
    rule = count_training(jax.make_jaxpr(loss)(*inputs), (True,) * 3)
    assert (rule.total, rule.by_phase["backward"]) == (3 * forward, 2 * forward)


CONVOLUTIONS = {  # images, kernel, options, (padded, un-padded) FLOPs
    "valid": ((1, 8, 8, 3), (3, 3, 3, 5), {"padding": "VALID"}, 2 * 36 * 27 * 5, 2 * 36 * 27 * 5),
    "same": ((1, 8, 8, 3), (3, 3, 3, 5), {}, 2 * 64 * 27 * 5, 2 * 22 * 22 * 15),
    "stride 2": (
        (1, 8, 8, 3),
        (3, 3, 3, 5),
        {"window_strides": (2, 2)},
        2 * 16 * 27 * 5,
        2 * 11 * 11 * 15,
    ),
    "1 x 1, stride 2": (
        (1, 8, 8, 3),
        (1, 1, 3, 5),
        {"window_strides": (2, 2)},
        2 * 16 * 15,
        2 * 16 * 15,
    ),
    "depthwise": (
        (1, 8, 8, 4),
        (3, 3, 1, 4),
        {"feature_group_count": 4},
        2 * 64 * 9 * 4,
        2 * 22 * 22 * 4,
    ),
    "grouped": (
        (1, 8, 8, 4),
        (3, 3, 2, 6),
        {"feature_group_count": 2},
        2 * 64 * 18 * 6,
        2 * 22 * 22 * 2 * 6,
    ),
    "dilated": (
        (1, 8, 8, 3),
        (3, 3, 3, 5),
        {"rhs_dilation": (2, 2)},
        2 * 64 * 27 * 5,
        2 * 20 * 20 * 15,
    ),
    "transposed": (
        (1, 4, 4, 3),
        (3, 3, 3, 5),
        {"lhs_dilation": (2, 2), "padding": ((1, 2), (1, 2))},
        2 * 12 * 12 * 15,
        2 * 11 * 11 * 15,
    ),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolutions_cost_what_their_arithmetic_says(name):
    """The gradients too, in both conventions: one forward for each operand that needs one."""
    images, kernel, options, padded, exact = CONVOLUTIONS[name]
    options = {"window_strides": (1, 1), "padding": "SAME"} | options
    convolve = functools.partial(lax.conv_general_dilated, dimension_numbers=NUMBERS, **options)
    arguments = array(*kernel), array(*images)
    loss = lambda w, x: convolve(x, w).sum()  # noqa: E731
    jaxpr = jax.make_jaxpr(loss)(*arguments)
    for argnums, trained in ((0, (True, False)), ((0, 1), (True, True))):
        times = 1 + sum(trained)
        gradient = jax.make_jaxpr(jax.value_and_grad(loss, argnums))(*arguments)
        for total, is_padded in ((padded, True), (exact, False)):
            assert count(jaxpr, padded=is_padded).total == total
            assert count_training(jaxpr, trained, padded=is_padded).total == times * total
            assert count(gradient, padded=is_padded).total == times * total


SIZE, WIDTH = 5, 3


def dense(weight, x):
    return jnp.tanh(x @ weight)


def convolution(weight, x):
    kernel = jnp.broadcast_to(weight, (3, 3, WIDTH, WIDTH))
    return lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=NUMBERS)


def strided(weight, x):
    """To half the size, and back to the whole."""
    kernel = jnp.broadcast_to(weight, (2, 3, WIDTH, WIDTH))
    small = lax.conv_general_dilated(x, kernel, (2, 1), "VALID", dimension_numbers=NUMBERS)
    padding = tuple(zip((1, 1), (SIZE - small.shape[1], SIZE - small.shape[2]), strict=True))
    tall = jnp.pad(small, ((0, 0), *padding, (0, 0)))
    return tall[:, :SIZE, :SIZE]


def gram(weight, x):
    return x + jnp.einsum("bhwi,bhvi->bhwv", x, x) @ x @ weight


def repeat(inner, length):
    return lambda weight, x: lax.scan(lambda c, _: (inner(weight, c), None), x, None, length)[0]


def collect(inner):
    def stacked(weight, x):
        last, every = lax.scan(lambda c, _: (inner(weight, c), c.mean(0)), x, None, 2)
        return last + every.sum(0)[None]

    return stacked


def choose(first, second):
    return lambda weight, x: lax.cond(
        x.sum() > 0, lambda: first(weight, x), lambda: second(weight, x)
    )


def compose(first, second):
    return lambda weight, x: second(weight, first(weight, x))


def cut(inner):
    return lambda weight, x: x + lax.stop_gradient(inner(weight, x))


layers = st.recursive(
    st.sampled_from([dense, convolution, strided, gram]),
    lambda inner: st.one_of(
        st.builds(repeat, inner, st.integers(0, 3)),
        st.builds(collect, inner),
        st.builds(compose, inner, inner),
        st.builds(choose, inner, st.just(lambda weight, x: x)),
        st.builds(cut, inner),
        st.builds(jax.jit, inner),
    ),
    max_leaves=4,
)


@given(layer=layers, is_frozen=st.booleans())
def test_forward_rule_is_the_walk_of_the_gradient(layer, is_frozen):
    """In both conventions, and the sums by scope, phase and dtype are the total."""
    weight, inputs = array(WIDTH, WIDTH), array(1, SIZE, SIZE, WIDTH)

    def loss(weight, x):
        with jax.named_scope("first"):
            x = dense(lax.stop_gradient(weight) if is_frozen else weight, x)
        with jax.named_scope("random"):
            return layer(weight, x).sum()

    jaxpr = jax.make_jaxpr(loss)(weight, inputs)
    gradient = jax.make_jaxpr(jax.value_and_grad(loss))(weight, inputs)
    for padded in (True, False):
        rule = count_training(jaxpr, (True, False), padded=padded)
        walked = count(gradient, padded=padded)
        assert walked.total == rule.total
        for found in (rule, walked):
            assert sum(found.by_scope.values()) == found.total
            assert sum(found.by_phase.values()) == found.total
            assert sum(found.by_dtype.values()) == found.total
        assert walked.by_phase == rule.by_phase
        assert sum(layer.total for layer in rule.layers.values()) == rule.total


@given(layer=layers, length=st.integers(0, 3))
def test_scan_costs_what_unrolling_costs(layer, length):
    """Where the input needs a gradient: a scan has one body, an unrolled loop may begin cheaper."""
    weight, inputs = array(WIDTH, WIDTH), array(1, SIZE, SIZE, WIDTH)

    def unrolled(weight, x):
        for _ in range(length):
            x = layer(weight, x)
        return x.sum()

    def scanned(weight, x):
        return repeat(layer, length)(weight, x).sum()

    for transform in (lambda f: f, functools.partial(jax.value_and_grad, argnums=(0, 1))):
        once, often = (flops(transform(f), weight, inputs) for f in (scanned, unrolled))
        assert (once.total, once.by_phase) == (often.total, often.by_phase)
