"""Bit operations: multiply-adds times the bits of both operands, and never FLOPs."""

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from efficient.cost.bits import bit_operations
from efficient.cost.flops import count

MULTIPLY_ADDS = 4 * 8 * 3


def product(left, right):
    def dot(x, y):
        return lax.dot_general(x, y, (((1,), (0,)), ((), ())), preferred_element_type=jnp.float32)

    arguments = jax.ShapeDtypeStruct((4, 8), left), jax.ShapeDtypeStruct((8, 3), right)
    return jax.make_jaxpr(dot)(*arguments)


BITS = {
    ("float32", "float32"): 32 * 32,
    ("bfloat16", "bfloat16"): 16 * 16,
    ("float8_e4m3fn", "float8_e5m2"): 8 * 8,
    ("int8", "int8"): 8 * 8,
    ("int4", "int4"): 4 * 4,
    ("int8", "int4"): 8 * 4,
    ("bfloat16", "int8"): 16 * 8,
}


@pytest.mark.parametrize("operands", BITS, ids="*".join)
def test_a_product_takes_the_bits_of_both_operands(operands):
    jaxpr = product(*map(jnp.dtype, operands))
    assert bit_operations(jaxpr) == MULTIPLY_ADDS * BITS[operands]
    assert count(jaxpr).total == 2 * MULTIPLY_ADDS


def test_a_complex_product_is_four_real_ones():
    assert bit_operations(product(jnp.complex64, jnp.complex64)) == 4 * MULTIPLY_ADDS * 32 * 32


def test_parts_add_up_and_padding_is_counted():
    image = jax.ShapeDtypeStruct((1, 4, 4, 1), jnp.int8)
    kernel = jax.ShapeDtypeStruct((3, 3, 1, 2), jnp.int8)

    def network(image, kernel):
        numbers = ("NHWC", "HWIO", "NHWC")
        hidden = lax.conv_general_dilated(
            image,
            kernel,
            (1, 1),
            "SAME",
            dimension_numbers=numbers,
            preferred_element_type=jnp.int32,
        )
        return hidden.reshape(1, -1).astype(jnp.float32) @ jnp.ones((32, 5))

    narrow, wide = 16 * 9 * 2, 32 * 5
    assert bit_operations(jax.make_jaxpr(network)(image, kernel)) == narrow * 64 + wide * 1024


def test_what_has_no_price_has_no_bit_operations():
    square = jax.ShapeDtypeStruct((4, 4), jnp.float32)
    assert bit_operations(jax.make_jaxpr(jnp.linalg.cholesky)(square)) is None
