"""Contractions of integers to int32, in the forms that are fast on a CPU.

Inputs are int8, or uint8 that stand for integers 128 lower. The second kind is there because x86
multiplies bytes without a sign by bytes with one (VNNI): jax 0.10 has a fast kernel for such pairs
only, later ones for both. All forms give the same integers.

Measured on 2 cores with VNNI, GFLOP/s of 128 x 1200 x 1200 on jax 0.10.2 | 0.12.0.1, medians:
float32 173 | 173, bfloat16 350 | 345; int8 238 | 500; int8, last axes contracted, 250 | 545; uint8
by int8, last axes contracted, 570 | 540 with what the offset takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from efficient.models.layers.gather import Padding, gather_and_multiply

#: What a uint8 input is more than the integer that it stands for.
OFFSET = 128


def dot_shifted(inputs: jax.Array, kernel: jax.Array, axis: int) -> jax.Array:
    """(..., i) uint8 times int8, contracted along an axis of the kernel, to (..., o) int32.

    A last row of zeros, each written as 128, finds what the shift adds to every sum.
    """
    rows = inputs.reshape(-1, inputs.shape[-1])
    rows = jnp.pad(rows, ((0, 1), (0, 0)), constant_values=np.uint8(OFFSET))
    sums = _dot(rows, kernel, axis)
    return (sums[:-1] - sums[-1:]).reshape(*inputs.shape[:-1], sums.shape[-1])


def convolve_integers(
    inputs: jax.Array, kernel: jax.Array, strides: Sequence[int], padding: Padding
) -> jax.Array:
    """Images (batch, height, width, i), kernel int8 (height, width, i, o): sums in int32."""
    shifted = inputs.dtype == jnp.uint8
    zero, product = OFFSET if shifted else 0, partial(_dot, axis=0)
    sums = gather_and_multiply(inputs, kernel, strides, padding, product, zero)
    if not shifted:
        return sums
    extra = OFFSET * kernel.astype(jnp.int32).sum((0, 1, 2))
    return sums - extra.reshape(1, 1, 1, -1)


def _dot(left: jax.Array, right: jax.Array, axis: int) -> jax.Array:
    """Contracts the last axis of the left; the precision keeps jax from widening mixed operands."""
    return lax.dot_general(
        left,
        right,
        (((left.ndim - 1,), (axis,)), ((), ())),
        precision=lax.DotAlgorithmPreset.DEFAULT,
        preferred_element_type=jnp.int32,
    )
