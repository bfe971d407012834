"""A user's own variants, as a module of his own would hold them."""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp

from efficient.variants import Variant


@dataclass(frozen=True)
class Confidence(Variant):
    """Penalises large logits, by an amount that it reads from `frozen`."""

    amount: float = 0.1

    def objective(self, base, load):
        def loss(outputs, batch, frozen):
            size = jnp.square(outputs.logits).mean()
            return base(outputs, batch, frozen) + frozen["confidence"] * size

        return loss, {"confidence": jnp.float32(self.amount)}
