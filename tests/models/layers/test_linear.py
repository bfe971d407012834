"""Contractions with gradients of our own against those of autodiff."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from efficient.models.layers.contraction import Contraction
from efficient.models.layers.integer import OFFSET
from efficient.models.layers.layer import weighted_layers
from efficient.models.layers.linear import Linear, dot, dot_transposed

FORMS = {
    "dot": (dot, (5, 6), lambda x, w: jnp.matmul(x, w)),
    "dot_transposed": (dot_transposed, (6, 5), lambda x, w: jnp.matmul(x, w.T)),
}


@pytest.fixture(params=FORMS)
def form(request):
    """The contraction, its plain form and a kernel from 5 to 6."""
    op, shape, plain = FORMS[request.param]
    kernel = jax.random.normal(jax.random.key(1), shape)
    return lambda x, w: op(x, w, {}), plain, kernel


def inputs(*leading):
    return jax.random.normal(jax.random.key(0), (*leading, 5))


def gradients(function, *operands):
    return jax.grad(lambda *a: jnp.sin(function(*a).astype(jnp.float32)).sum(), (0, 1))(*operands)


@pytest.mark.parametrize("leading", [(), (3,), (8,), (2, 3), (2, 3, 4)])
def test_value_and_gradients_equal_the_plain_form(form, leading):
    own, plain, kernel = form
    x = inputs(*leading)
    np.testing.assert_allclose(own(x, kernel), plain(x, kernel), rtol=1e-5, atol=1e-5)
    for left, right in zip(gradients(own, x, kernel), gradients(plain, x, kernel), strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("rows", [7, 8])
def test_bfloat16_gives_float32_and_gradients_in_bfloat16(form, rows):
    own, plain, kernel = form
    x, kernel = inputs(rows).astype(jnp.bfloat16), kernel.astype(jnp.bfloat16)
    assert own(x, kernel).dtype == jnp.float32
    exact = gradients(plain, x.astype(jnp.float32), kernel.astype(jnp.float32))
    for left, right in zip(gradients(own, x, kernel), exact, strict=True):
        assert left.dtype == jnp.bfloat16
        np.testing.assert_allclose(left.astype(jnp.float32), right, rtol=0.03, atol=0.03)


def test_int8_is_exact_in_int32(form):
    own, plain, kernel = form
    x = jnp.full((2, 5), 127, jnp.int8)
    kernel = jnp.full(kernel.shape, -127, jnp.int8)
    assert own(x, kernel).dtype == jnp.int32
    expected = plain(x.astype(jnp.int32), kernel.astype(jnp.int32))
    np.testing.assert_array_equal(own(x, kernel), expected)


def test_only_gradients_that_are_asked_for_are_computed(form):
    own, _, kernel = form

    def products(argument):
        traced = jax.make_jaxpr(jax.grad(lambda *a: own(*a).sum(), argument))(inputs(3), kernel)
        return str(traced).count("dot_general[")

    assert (products(0), products(1), products((0, 1))) == (2, 2, 3)


def test_second_derivatives_equal_the_plain_form(form):
    own, plain, kernel = form
    x, direction = inputs(4), jnp.cos(kernel)

    def curvature(function):
        def slope(w):
            gradient = jax.grad(lambda w: jnp.sin(function(x, w)).sum())(w)
            return (gradient * direction).sum()

        return jax.grad(slope)(kernel)

    np.testing.assert_allclose(curvature(own), curvature(plain), rtol=1e-3, atol=1e-4)


def test_gradients_of_single_examples(form):
    own, plain, kernel = form

    def each(function):
        gradient = jax.grad(lambda w, x: jnp.sin(function(x, w)).sum())
        return jax.vmap(gradient, (None, 0))(kernel, inputs(3))

    np.testing.assert_allclose(each(own), each(plain), rtol=1e-4, atol=1e-5)


def test_a_wrapped_operation_sees_the_slots():
    def scaled(x, kernel, slots):
        return dot(x, kernel, {}) * slots["step"]

    layer = Linear(5, 6, rngs=nnx.Rngs(0), use_bias=False)
    plain = layer(inputs(2))
    layer.op, layer.slots["step"] = scaled, nnx.Param(jnp.array(2.0))
    np.testing.assert_allclose(layer(inputs(2)), 2 * plain, rtol=1e-6)
    assert "step" in nnx.to_pure_dict(nnx.state(layer, nnx.Param))["slots"]
    assert list(weighted_layers(layer)) == [""]


def turned(op, left, right):
    """The gradient of the kernel alone, and how many axes its product contracts."""
    jaxpr = jax.make_jaxpr(op.to_kernel)(left, right)
    equations = [e for e in jaxpr.eqns if e.primitive.name == "dot_general"]
    assert len(equations) == 1
    return op.to_kernel(left, right), len(equations[0].params["dimension_numbers"][0][0])


@pytest.mark.parametrize("leading", [(8,), (2, 4), (7,)])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int8"])
def test_the_weight_gradient_has_the_form_that_a_cpu_is_fast_in(dtype, leading):
    key = jax.random.key(2)
    left = jax.random.randint(key, (*leading, 5), -9, 9).astype(dtype)
    right = jax.random.randint(key, (*leading, 6), -9, 9).astype(dtype)
    found, contracted = turned(dot, left, right)
    assert contracted == (1 if dtype == "float32" or leading == (7,) else 2)
    axes = tuple(range(len(leading)))
    exact = np.tensordot(np.asarray(left, int), np.asarray(right, int), (axes, axes))
    np.testing.assert_array_equal(np.asarray(found, int), exact)


@pytest.mark.parametrize("leading", [(8,), (2, 4), (7,)])
def test_unsigned_bytes_stand_for_integers_128_lower(leading):
    key = jax.random.key(3)
    low, high = -127, 128
    x = jax.random.randint(key, (*leading, 5), low, high)
    g = jax.random.randint(key, (*leading, 6), low, high).astype(jnp.int8)
    kernel = jax.random.randint(key, (5, 6), low, high).astype(jnp.int8)
    shifted = (x + OFFSET).astype(jnp.uint8)
    wide = x.astype(jnp.int32)
    for product, right in (
        (dot.forward, kernel),
        (dot.to_inputs, kernel.T),
        (dot.to_kernel, g),
    ):
        np.testing.assert_array_equal(
            product(shifted, right), product(wide, right.astype(jnp.int32))
        )


def test_the_products_of_a_contraction_see_further_operands():
    """Also where the gradient is computed in another trace than the value."""

    def scaled(product):
        return lambda left, right, factor: product(left, right) * factor

    op = Contraction(*map(scaled, (dot.forward, dot.to_inputs, dot.to_kernel)))
    x, kernel = inputs(3), jax.random.normal(jax.random.key(1), (5, 6))

    @jax.jit
    def both(x, kernel, factor):
        again = jax.checkpoint(lambda x, w: op.apply(x, w, factor).sum())
        return jax.grad(again, (0, 1))(x, kernel)

    plain = jax.grad(lambda x, w: dot(x, w, {}).sum(), (0, 1))(x, kernel)
    for left, right in zip(both(x, kernel, jnp.float32(3)), plain, strict=True):
        np.testing.assert_allclose(left, 3 * right, rtol=1e-5)
