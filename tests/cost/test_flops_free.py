"""What is free is named; whatever else has no price leaves no total."""

import jax
import jax.numpy as jnp
import pytest
from jax import lax
from jax.experimental import sparse
from jax.extend.core import Primitive

from efficient.cost.flops import count, count_training, flops
from efficient.cost.flow import CALLS
from efficient.cost.primitive import FREE

SQUARE = jax.ShapeDtypeStruct((4, 4), jnp.float32)
PRODUCT = 2 * 4**3  # of two squares

PRICED = {"dot_general", "conv_general_dilated", "ragged_dot_general"}
CONTROL = {"cond", "while"}

# Dense linear algebra and transforms of `jax.lax`: they contract, and nobody says how much.
LINEAR_ALGEBRA = """
    cholesky cholesky_update custom_linear_solve eig eigh fft geqp3 geqrf hessenberg
    householder_product lu ormqr qr schur svd symmetric_product triangular_solve tridiagonal
    tridiagonal_solve
"""
UNPRICED = set(LINEAR_ALGEBRA.split())


def primitives():
    found = [value for module in (lax, lax.linalg) for value in vars(module).values()]
    return {value.name for value in found if isinstance(value, Primitive)}


def test_every_primitive_of_lax_is_known():
    assert primitives() - FREE <= PRICED | CONTROL | UNPRICED | CALLS
    assert FREE.isdisjoint(PRICED | CONTROL | UNPRICED | CALLS)


def foreign(name):
    """A primitive of somebody else, as a kernel library has it."""
    primitive = Primitive(name)
    primitive.def_abstract_eval(lambda x: x)
    return primitive.bind


def test_unknown_primitive_is_never_free():
    kernel = foreign("somebodys_kernel")
    found = flops(lambda x: kernel(x @ x), SQUARE)
    assert (found.total, found.priced, found.unpriced) == (None, PRODUCT, ("somebodys_kernel",))
    assert flops(lambda x: (kernel(x), x @ x)[1], SQUARE).total == PRODUCT  # dead


def test_call_of_foreign_code_is_named():
    call = jax.ffi.ffi_call("somebodys_gemm", SQUARE)
    assert flops(lambda x: call(x, x), SQUARE).unpriced == ("ffi_call",)


def test_sparse_product_is_unpriced():
    found = flops(lambda x: sparse.BCOO.fromdense(x, nse=4) @ x, SQUARE)
    assert found.total is None and "bcoo_dot_general" in found.unpriced


def test_random_numbers_reductions_and_lookups_are_free():
    def free(x, key):
        noise = jax.random.normal(key, x.shape) + jax.random.bernoulli(key, 0.5, x.shape)
        table = jnp.cumsum(jnp.sort(x + noise), 0)[jnp.array([0, 2])]
        return jax.nn.logsumexp(table) + jax.nn.gelu(x, approximate=False).at[0].add(1.0).max()

    found = flops(jax.grad(free), SQUARE, jax.eval_shape(lambda: jax.random.key(0)))
    assert (found.total, found.reason) == (0, None)


def test_mutable_array_is_free_and_what_is_written_counts():
    def accumulate(x):
        total = jax.new_ref(jnp.zeros((4, 4)))
        total[...] += x @ x
        return total[...]

    assert flops(accumulate, SQUARE).total == PRODUCT


ROWS = jax.ShapeDtypeStruct((6, 4), jnp.float32)
EXPERTS = jax.ShapeDtypeStruct((3, 4, 5), jnp.float32)
SIZES = jax.ShapeDtypeStruct((3,), jnp.int32)


def test_ragged_product_has_a_padded_price_only():
    """Every row meets one group's matrix; how many are executed is up to data and kernel."""

    def loss(experts, rows, sizes):
        return lax.ragged_dot(rows, experts, sizes).sum()

    jaxpr = jax.make_jaxpr(loss)(EXPERTS, ROWS, SIZES)
    rule = count_training(jaxpr, (True, False, False))
    assert flops(loss, EXPERTS, ROWS, SIZES).total == 2 * 6 * 4 * 5
    assert rule.total == 2 * 2 * 6 * 4 * 5
    assert flops(jax.value_and_grad(loss), EXPERTS, ROWS, SIZES).total == rule.total
    both = flops(jax.value_and_grad(loss, (0, 1)), EXPERTS, ROWS, SIZES)
    assert both.total == 3 * 2 * 6 * 4 * 5
    executed = count(jaxpr)
    assert (executed.total, executed.unpriced) == (None, ("ragged_dot_general",))


@pytest.mark.parametrize("dtype", [jnp.complex64, jnp.float32])
def test_complex_multiply_add_is_four_of_each(dtype):
    square = jax.ShapeDtypeStruct((4, 4), dtype)
    expected = 4 * PRODUCT if dtype == jnp.complex64 else PRODUCT
    assert flops(jnp.matmul, square, square).total == expected
