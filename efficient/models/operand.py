"""Operands of another type: how a rewrite wraps a contraction, and the cast to fewer bits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp


def wrap(layer: Any, wrapper: Callable[[Any], Any]) -> None:
    """Wrap the contraction of a layer, and the lookup of an embedding."""
    layer.op = wrapper(layer.op)
    if hasattr(layer, "lookup"):
        layer.lookup = wrapper(layer.lookup)


@dataclass(frozen=True)
class Cast:
    """A contraction of operands of another float type; the result stays float32."""

    inner: Any
    dtype: str

    def __call__(self, inputs: jax.Array, kernel: jax.Array, slots: Any) -> jax.Array:
        if jnp.issubdtype(inputs.dtype, jnp.floating):
            inputs = inputs.astype(self.dtype)
        return self.inner(inputs, kernel.astype(self.dtype), slots).astype(jnp.float32)
