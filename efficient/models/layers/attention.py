"""Attention of queries to keys (Vaswani et al. 2017, arXiv 1706.03762), whole or token by token."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

Dropout = Callable[[jax.Array], jax.Array]


class Cache(NamedTuple):
    """Keys and values of the tokens so far: (batch, heads, context, width) float32 each.

    What stands behind the last token is never seen.
    """

    keys: jax.Array
    values: jax.Array


def attend(
    queries: jax.Array,
    keys: jax.Array,
    values: jax.Array,
    *,
    causal: bool,
    dropout: Dropout = lambda weights: weights,
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
    time = jnp.arange(keys.shape[2])
    hidden = time[:, None] < time[None, :] if causal else None
    return _mix(queries, keys, values, hidden, dropout).swapaxes(1, 2)


def remember(keys: jax.Array, values: jax.Array, context: int) -> Cache:
    """The cache of the first tokens of a text: keys and values (batch, time, heads, width)."""
    room = ((0, 0), (0, 0), (0, context - keys.shape[1]), (0, 0))
    return Cache(*(jnp.pad(x.swapaxes(1, 2), room) for x in (keys, values)))


def attend_one(
    query: jax.Array, key: jax.Array, value: jax.Array, cache: Cache, position: jax.Array
) -> tuple[jax.Array, Cache]:
    """What `attend` gives for one more token, and the cache with that token in it.

    Args:
        query: (batch, 1, heads, width).
        key: (batch, 1, heads, width).
        value: (batch, 1, heads, width).
        cache: of the tokens before.
        position: () int32 of the token, below the context.

    Returns:
        (batch, 1, heads, width) float32, and the cache.
    """
    query, key, value = (x.swapaxes(1, 2) for x in (query, key, value))
    cache = Cache(
        lax.dynamic_update_slice_in_dim(cache.keys, key, position, axis=2),
        lax.dynamic_update_slice_in_dim(cache.values, value, position, axis=2),
    )
    hidden = position < jnp.arange(cache.keys.shape[2])[None]
    mixed = _mix(query, *cache, hidden, lambda weights: weights)
    return mixed.swapaxes(1, 2), cache


def _mix(
    queries: jax.Array,
    keys: jax.Array,
    values: jax.Array,
    hidden: jax.Array | None,
    dropout: Dropout,
) -> jax.Array:
    """(batch, heads, time, width) each; hidden: (time of queries, time of keys) bool."""
    with jax.named_scope("scores"):
        scores = _product(queries, keys, 3) * queries.shape[-1] ** -0.5
    if hidden is not None:
        scores = jnp.where(hidden[None, None], -jnp.inf, scores)
    weights = dropout(jax.nn.softmax(scores, axis=-1))
    with jax.named_scope("values"):
        return _product(weights, values, 2)


def _product(left: jax.Array, right: jax.Array, axis: int) -> jax.Array:
    """Contracts the last axis of the left with `axis` of the right, over batch and heads."""
    dimensions = (((3,), (axis,)), ((0, 1), (0, 1)))
    return lax.dot_general(left, right, dimensions, preferred_element_type=jnp.float32)
