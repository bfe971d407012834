"""Distillation: learn from a teacher's softened probabilities (Hinton, Vinyals and Dean 2015,
arXiv 1503.02531).

loss = (1 - mix) * base + mix * T^2 * KL(teacher at temperature T || student at temperature T),
the mean over units. The teacher runs live inside the step, in evaluation mode, so its forward is
on the step's bill (`flops_teacher`); its own training is on the lineage's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from efficient.variants.variant import Load, Objective, Variant, VariantError


@dataclass(frozen=True)
class Distill(Variant):
    """teacher: a finished run's id; temperature: above 0; mix: the teacher's share in [0, 1]."""

    teacher: str = ""
    temperature: float = 4.0
    mix: float = 0.7

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise VariantError(f"distill temperature {self.temperature} must be above 0")
        if not 0 <= self.mix <= 1:
            raise VariantError(f"distill mix {self.mix} is not a fraction in [0, 1]")

    def parents(self) -> tuple[tuple[str, str], ...]:
        if self.mix == 0:
            return ()
        if not self.teacher:
            raise VariantError("distill needs a teacher; give a run id: distill:teacher=RUN")
        return (("teacher", self.teacher),)

    def objective(self, base: Objective, load: Load) -> tuple[Objective, dict[str, Any]]:
        if self.mix == 0:
            return base, {}
        apply, weights = load(self.teacher)

        def loss(outputs, batch, frozen):
            with jax.named_scope("teacher"):
                target = lax.stop_gradient(apply(frozen["teacher"], batch.inputs))
            near = divergence(target, outputs.logits, self.temperature)
            softened = (near * batch.weights).sum() / batch.weights.sum()
            return (1 - self.mix) * base(outputs, batch, frozen) + (
                self.mix * self.temperature**2 * softened
            )

        return loss, {"teacher": weights}


def divergence(target: jax.Array, logits: jax.Array, temperature: float) -> jax.Array:
    """KL(target || logits) in nats, both softened; reduces the last axis."""
    q = jax.nn.log_softmax(target / temperature, axis=-1)
    p = jax.nn.log_softmax(logits / temperature, axis=-1)
    return (jnp.exp(q) * (q - p)).sum(axis=-1)
