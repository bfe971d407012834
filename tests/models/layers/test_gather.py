"""Convolutions as products of gathered pixels: every form gives the sums of the native one."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from efficient.models.layers.convolution import Convolve
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


def test_what_makes_the_images_is_computed_once():
    """And not for every pixel of the window, of which there are 25."""
    w = jnp.zeros((5, 5, 2, 4), jnp.int8)

    def forward(x):
        return Convolve()(jnp.round(x).astype(jnp.int8), w, {})

    compiled = jax.jit(forward).lower(jnp.zeros((8, 12, 12, 2))).compile()
    assert compiled.as_text().count(" round-nearest-even(") == 1
