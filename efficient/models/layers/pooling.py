"""Pooling, as slices: several times faster on a CPU than a window reduction, on both passes."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
from jax import lax


def max_pool(images: jax.Array, window: int = 2) -> jax.Array:
    """Maximum of every `window x window` square; rows and columns left over are dropped.

    (batch, height, width, channels) to (batch, height // window, width // window, channels).
    The gradient of equal maxima is shared among them.
    """
    return _maximum(_maximum(images, 1, window), 2, window)


def mean_pool(images: jax.Array) -> jax.Array:
    """(batch, height, width, channels) to (batch, channels): the mean over all pixels."""
    return images.mean((1, 2))


def _maximum(images: jax.Array, axis: int, window: int) -> jax.Array:
    """Maximum of every `window` neighbours along an axis."""
    end = images.shape[axis] // window * window
    neighbours = [
        lax.slice_in_dim(images, first, end, window, axis=axis) for first in range(window)
    ]
    return functools.reduce(jnp.maximum, neighbours)
