"""Activations of a traced loss: what the backward pass reads, no more and no less."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from efficient.predict.residual import residual_bytes


def shape(*axes: int, dtype: str = "float32") -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(axes, dtype)


def test_arguments_are_held_anyway():
    """y = x @ w reads x alone on its way back, and x is given."""
    assert residual_bytes(lambda w, x: (x @ w).sum(), shape(3, 5), shape(7, 3)) == 0


def test_a_value_between_two_layers_is_kept_once():
    def loss(params, x):
        hidden = jnp.sin(x @ params["first"])
        return (hidden @ params["second"]).sum()

    params = {"first": shape(3, 5), "second": shape(5, 2)}
    kept = residual_bytes(loss, params, shape(7, 3))
    assert kept == 2 * 7 * 5 * 4  # the sine, read by the second layer, and its cosine


def test_a_value_in_two_shapes_counts_once():
    def loss(w, x):
        y = x * w
        return (y * y.reshape(1, 24).reshape(4, 6)).sum()

    assert residual_bytes(loss, shape(4, 6), shape(4, 6)) == 24 * 4


def test_rematerialisation_keeps_less():
    def layer(w, x):
        return jnp.sin(jnp.cos(x @ w))

    def loss(apply):
        return lambda w, x: apply(w, apply(w, x)).sum()

    sizes = shape(16, 16), shape(8, 16)
    plain, less = (residual_bytes(loss(f), *sizes) for f in (layer, jax.checkpoint(layer)))
    assert less == 8 * 16 * 4 < plain


def test_half_the_width_is_half_the_bytes():
    def loss(w, x):
        return (jnp.sin(x @ w) @ w).sum()

    full = residual_bytes(loss, shape(16, 16), shape(8, 16))
    half = residual_bytes(loss, shape(16, 16, dtype="bfloat16"), shape(8, 16, dtype="bfloat16"))
    assert full == 2 * half > 0
