"""Training in int8: the product of a linear layer and its two gradients multiply integers.

Each of the three products rounds its own two operands to 8-bit integers and adds int8 x int8 in
int32. A step is the largest magnitude along the axis that is contracted, over 127: one for every
row of the left operand and every column of the right one, so it can be multiplied back afterwards.
Weights and activations are rounded to nearest. Gradients are rounded up or down at random, with
the chances that make the expectation exact (Gupta et al. 2015, arXiv 1502.02551; 8-bit training
with it: Banner et al. 2018, arXiv 1805.11046). Steps by row and column are those of SwitchBack
(Wortsman et al. 2023, arXiv 2304.13013), which keeps the gradient of the weight in 16 bits; here it
is in 8 as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from efficient.models.clip import integer_scale, largest_integer, round_to_grid
from efficient.models.layers.contraction import Contraction, Product
from efficient.models.layers.integer import OFFSET
from efficient.models.layers.noise import random_bits
from efficient.variants.variant import VariantError

BITS = 8
#: Slot of a layer with its stream of randomness; there is none where all is rounded to nearest.
ROUNDING = "rounding"
#: Integers, int8, and their steps, float32, of size 1 along the axes that are contracted.
Operand = tuple[jax.Array, jax.Array]
#: So many products certainly fit in an int32 sum.
_MOST = (2**31 - 1) // largest_integer(BITS) ** 2


@dataclass(frozen=True)
class IntegerTraining:
    """A contraction (..., i) times (i, o) whose three products are of integers.

    The gradients are rounded with the key in the slot `rounding`, to nearest without one. Both
    products that a gradient enters share its random numbers: each is exact in expectation.
    """

    inner: Contraction

    def __call__(self, inputs: jax.Array, kernel: jax.Array, slots: Any) -> jax.Array:
        made = Contraction(self._forward, self._to_inputs, self._to_kernel)
        keys = (slots[ROUNDING],) if ROUNDING in slots else ()
        return made.apply(inputs, kernel, *keys)

    def _forward(self, inputs: jax.Array, kernel: jax.Array, *key: jax.Array) -> jax.Array:
        del key  # to nearest: the model as it ships computes the same
        left, right = _to_integers(inputs, (-1,)), _to_integers(kernel, (0,))
        return _multiply(self.inner.forward, left, right)

    def _to_inputs(self, gradient: jax.Array, kernel: jax.Array, *key: jax.Array) -> jax.Array:
        left, right = _to_integers(gradient, (-1,), *key), _to_integers(kernel, (1,))
        return _multiply(self.inner.to_inputs, left, right)

    def _to_kernel(self, inputs: jax.Array, gradient: jax.Array, *key: jax.Array) -> jax.Array:
        leading = tuple(range(inputs.ndim - 1))
        summed = inputs.size // inputs.shape[-1]
        if summed > _MOST:
            raise VariantError(
                f"precision int8 adds the gradients of {summed} positions, which may not fit in "
                f"int32; train on at most {_MOST} at once (batch_size, accumulate)"
            )
        left, right = _to_integers(inputs, leading), _to_integers(gradient, leading, *key)
        return _multiply(self.inner.to_kernel, left, right)


def round_at_random(values: jax.Array, step: jax.Array, bits: int, noise: jax.Array) -> jax.Array:
    """The integers of `values` on the grid of `step`, as floats, each up or down by chance.

    An integer and a fraction f become the next integer with chance f. noise: uint32, uniform, of
    the shape of `values`.
    """
    top = largest_integer(bits)
    chance = (noise >> 8).astype(jnp.float32) * jnp.float32(2**-24)
    return jnp.clip(jnp.floor(values / step + chance), -top, top)


def _to_integers(values: jax.Array, axes: tuple[int, ...], key: jax.Array | None = None) -> Operand:
    """One step along `axes`, which are contracted; rounded at random where there is a key."""
    step = integer_scale(values, BITS, axes)
    if key is None:
        return round_to_grid(values, step, BITS).astype(jnp.int8), step
    noise = random_bits(key, values.shape)
    return round_at_random(values, step, BITS, noise).astype(jnp.int8), step


def _multiply(product: Product, left: Operand, right: Operand) -> jax.Array:
    """The product as float32, in the form of bytes that is fast on the platform."""
    sums = lax.platform_dependent(
        left[0], right[0], cpu=lambda a, b: product(_shift(a), b), default=product
    ).astype(jnp.float32)
    rows = left[1].reshape(*sums.shape[:-1], 1)
    columns = right[1].reshape((1,) * (sums.ndim - 1) + (-1,))
    return sums * rows * columns


def _shift(integers: jax.Array) -> jax.Array:
    """The same integers as uint8, 128 higher: see `models.layers.integer`."""
    return lax.bitcast_convert_type(integers, jnp.uint8) ^ np.uint8(OFFSET)
