"""Convolutions as products of gathered pixels: every form gives the sums of the native one."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from efficient.models.layers.convolution import Convolve, gathered
from efficient.models.layers.gather import _gather, _pad_apart, gather_and_multiply

LAYOUT = ("NHWC", "HWIO", "NHWC")


def whole(seed, shape):
    """Small integers as floats, whose sums are exact in any order."""
    return jnp.asarray(np.random.default_rng(seed).integers(-9, 10, shape), jnp.float32)


@pytest.mark.parametrize(
    "strides, padding", [((1, 1), ((1, 2), (0, 1))), ((2, 3), ((0, 0), (0, 0)))]
)
@pytest.mark.parametrize("channels", [1, 3, 64])
def test_any_number_of_neighbours_gives_the_same_sums(channels, strides, padding):
    x, w = whole(0, (2, 6, 7, channels)), whole(1, (3, 2, channels, 5))
    options = {"strides": strides, "padding": padding, "product": jnp.matmul}

    @jax.jit
    def forms(x, w):
        form = partial(_gather, x, w, **options, zero=0)
        return gather_and_multiply(x, w, **options), *(
            form(neighbours=n, pad=_pad_apart) for n in (1, 2, 3, 9)
        )

    wanted = lax.conv_general_dilated(x, w, strides, padding, dimension_numbers=LAYOUT)
    for found in forms(x, w):
        np.testing.assert_array_equal(found, wanted)


def test_a_gathered_convolution_is_the_same_and_native_elsewhere():
    x, w = whole(0, (2, 12, 12, 1)), whole(1, (5, 5, 1, 6))
    native, product = Convolve(), gathered(Convolve(), w.shape)
    assert product.gathered
    np.testing.assert_array_equal(product(x, w, {}), native(x, w, {}))

    def lowered(platform):
        traced = jax.jit(lambda x, w: product(x, w, {})).trace(x, w)
        return traced.lower(lowering_platforms=(platform,)).as_text()

    assert "stablehlo.convolution" in lowered("cuda")
    assert "stablehlo.convolution" not in lowered("cpu")


@pytest.mark.parametrize(
    "shape, groups", [((5, 5, 4, 6), 1), ((5, 5, 1, 32), 1), ((3, 3, 1, 8), 8)]
)
def test_only_what_pays_is_gathered(shape, groups):
    operation = Convolve(groups=groups)
    assert gathered(operation, shape) == operation


def test_what_makes_the_images_is_computed_once():
    """And not for every pixel of the window, of which there are 25."""
    w = jnp.zeros((5, 5, 2, 4), jnp.int8)

    def forward(x):
        return Convolve()(jnp.round(x).astype(jnp.int8), w, {})

    compiled = jax.jit(forward).lower(jnp.zeros((8, 12, 12, 2))).compile()
    assert compiled.as_text().count(" round-nearest-even(") == 1
