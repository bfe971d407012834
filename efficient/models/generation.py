"""Sampling of text, one token at a time."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from efficient.models.signature import SpecError


def generate(
    apply: Callable[[jax.Array], jax.Array],
    tokens: jax.Array,
    steps: int,
    key: jax.Array,
    *,
    context: int,
    temperature: float = 1.0,
    top_k: int | None = None,
) -> jax.Array:
    """Continues `tokens` by `steps` sampled ones: one compiled scan, deterministic in `key`.

    The model sees a window of fixed length: the last `context` tokens, or all there are. What
    stands in the window behind the last token is hidden from a causal model.

    Args:
        apply: tokens (batch, window) int32 to logits (batch, window, vocabulary); causal.
        tokens: (batch, time) int32, at least one.
        steps: number of tokens to add.
        key: source of the samples.
        context: longest window.
        temperature: divides the logits; 0 takes the most probable token.
        top_k: samples only among that many most probable tokens; None for all.

    Returns:
        (batch, time + steps) int32.

    Raises:
        SpecError: no token, a negative temperature, or a top_k below 1.
    """
    if tokens.shape[1] < 1:
        raise SpecError("generate got 0 tokens: start with at least 1")
    if temperature < 0 or (top_k is not None and top_k < 1):
        raise SpecError(
            f"generate got temperature {temperature} and top_k {top_k}: "
            "use a temperature of at least 0 and a top_k of at least 1"
        )
    start = tokens.shape[1]
    window = min(context, start + steps)
    choose = partial(_choose, temperature=temperature, top_k=top_k)

    def add(text: jax.Array, step: jax.Array) -> tuple[jax.Array, None]:
        length = start + step
        first = jnp.maximum(length - window, 0)
        logits = apply(lax.dynamic_slice_in_dim(text, first, window, axis=1))
        last = lax.dynamic_index_in_dim(logits, length - first - 1, axis=1, keepdims=False)
        token = choose(last, jax.random.fold_in(key, step)).astype(text.dtype)
        return lax.dynamic_update_slice_in_dim(text, token[:, None], length, axis=1), None

    @jax.jit
    def run(text: jax.Array) -> jax.Array:
        return lax.scan(add, text, jnp.arange(steps))[0]

    return run(jnp.pad(tokens, ((0, 0), (0, steps))))


def _choose(
    logits: jax.Array, key: jax.Array, *, temperature: float, top_k: int | None
) -> jax.Array:
    if temperature == 0:
        return logits.argmax(-1)
    if top_k is not None and top_k < logits.shape[-1]:
        least = lax.top_k(logits, top_k)[0][:, -1:]
        logits = jnp.where(logits < least, -jnp.inf, logits)
    return jax.random.categorical(key, logits / temperature)
