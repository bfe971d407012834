"""Attention of queries to keys (Vaswani et al. 2017, arXiv 1706.03762)."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax


def attend(
    queries: jax.Array,
    keys: jax.Array,
    values: jax.Array,
    *,
    causal: bool,
    dropout: Callable[[jax.Array], jax.Array] = lambda weights: weights,
) -> jax.Array:
    """Softmax of the scores, in float32, times the values.

    All scores are computed, also those that a causal mask hides.

    Args:
        queries: (batch, time, heads, width).
        keys: (batch, time, heads, width).
        values: (batch, time, heads, width).
        causal: whether a position sees only itself and those before it.
        dropout: applied to the weights (batch, heads, time, time).

    Returns:
        (batch, time, heads, width) float32.
    """
    queries, keys, values = (x.swapaxes(1, 2) for x in (queries, keys, values))
    with jax.named_scope("scores"):
        scores = _product(queries, keys, 3) * queries.shape[-1] ** -0.5
    if causal:
        time = jnp.arange(scores.shape[-1])
        hidden = time[:, None] < time[None, :]
        scores = jnp.where(hidden[None, None], -jnp.inf, scores)
    weights = dropout(jax.nn.softmax(scores, axis=-1))
    with jax.named_scope("values"):
        return _product(weights, values, 2).swapaxes(1, 2)


def _product(left: jax.Array, right: jax.Array, axis: int) -> jax.Array:
    """Contracts the last axis of the left with `axis` of the right, over batch and heads."""
    dimensions = (((3,), (axis,)), ((0, 1), (0, 1)))
    return lax.dot_general(left, right, dimensions, preferred_element_type=jnp.float32)
