"""How far a student is from its teachers: softened probabilities, and relative entropy."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp


def soften(targets: Sequence[jax.Array], temperature: float) -> jax.Array:
    """Logarithm of the mean of the teachers' probabilities, each at that temperature.

    targets: logits of each teacher, (..., classes). Of one teacher it is its own log-softmax.
    """
    logs = [jax.nn.log_softmax(target / temperature, axis=-1) for target in targets]
    if len(logs) == 1:
        return logs[0]
    return jax.nn.logsumexp(jnp.stack(logs), axis=0) - jnp.log(len(logs))


def relative_entropy(q: jax.Array, p: jax.Array) -> jax.Array:
    """KL(q || p) in nats of two log-probabilities; reduces the last axis."""
    return (jnp.exp(q) * (q - p)).sum(axis=-1)


def divergence(target: jax.Array, logits: jax.Array, temperature: float) -> jax.Array:
    """KL(target || logits) in nats, both softened; reduces the last axis."""
    return relative_entropy(soften([target], temperature), soften([logits], temperature))
