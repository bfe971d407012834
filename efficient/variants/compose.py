"""One run from a model and a tuple of variants. A tuple means *while*: its order has no meaning.

The seams fix the order: casting inside, rounding outside of it; pruning outermost of the update.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Container
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from efficient.models.layers import collect
from efficient.variants.variant import (
    Load,
    Objective,
    Outputs,
    Plan,
    Variant,
    Weight,
    weight_table,
)


@dataclass(frozen=True, eq=False)
class Composition:
    """What the variants made of the three ingredients.

    apply: (params, rest, inputs) -> (outputs, rest), training mode; observe: (params, rest,
    inputs) -> outputs, evaluation mode; predict: its logits alone; objective and base: with and
    without what variants added; frozen: what the objective reads beside the batch; weights: the
    table; model: the rewritten module, for its static attributes.
    """

    apply: Callable[..., tuple[Outputs, Any]]
    observe: Callable[..., Outputs]
    predict: Callable[..., jax.Array]
    objective: Objective
    base: Objective
    frozen: Any
    weights: tuple[Weight, ...]
    model: nnx.Module
    params: Any
    rest: Any
    variants: tuple[Variant, ...]

    def plan(self, plan: Plan) -> Plan:
        for variant in self.variants:
            plan = variant.phases(plan)
        return plan

    def horizon(self, steps: int) -> int:
        for variant in self.variants:
            steps = variant.horizon(steps)
        return steps

    def dense_gradient_steps(self, steps: int, done: int) -> int:
        return sum(variant.dense_gradient_steps(steps, done) for variant in self.variants)

    def extend(self, tx: optax.GradientTransformation, plan: Plan) -> optax.GradientTransformation:
        for variant in self.variants:
            tx = variant.extend(tx, self.weights, plan)
        return tx


def compose(
    variants: tuple[Variant, ...],
    model: nnx.Module,
    label_smoothing: float,
    load: Load,
    reached: Container[str] | None = None,
) -> Composition:
    """Rewrite the model and the objective.

    reached: names of the phases that have begun after the first, on which some rewrites wait;
    None for all: the network as it is at the end.

    Raises:
        VariantError: techniques that exclude each other, or a setting that does not fit the model.
    """
    variants = tuple(sorted(variants, key=lambda v: (v.rank, type(v).__name__)))
    for variant, other in itertools.permutations(variants, 2):
        variant.beside(other)
    base = cross_entropy(label_smoothing)
    objective, frozen = base, {}
    for variant in variants:
        if reached is None or not variant.since or variant.since in reached:
            model = variant.rewrite(model)
        objective, reads = variant.objective(objective, load)
        frozen |= reads
    model.eval()
    evaluating, params, rest = nnx.split(model, nnx.Param, ...)
    model.train()
    training, _, _ = nnx.split(model, nnx.Param, ...)

    def apply(params, rest, inputs):
        module = nnx.merge(training, params, rest)
        outputs = Outputs(module(inputs), collect(module))
        return outputs, nnx.to_pure_dict(nnx.state(module, nnx.Not(nnx.Param)))

    def observe(params, rest, inputs):
        module = nnx.merge(evaluating, params, rest)
        return Outputs(module(inputs), collect(module))

    def predict(params, rest, inputs):
        return observe(params, rest, inputs).logits

    return Composition(
        apply,
        observe,
        predict,
        objective,
        base,
        frozen,
        weight_table(model),
        model,
        nnx.to_pure_dict(params),
        nnx.to_pure_dict(rest),
        variants,
    )


def pruned(optimizer: optax.GradientTransformation, params: Any) -> tuple[str, ...]:
    """Names of the weights that lose entries, in the order of the `kept` that counts them."""
    state = jax.eval_shape(optimizer.init, params)
    return tuple(sorted(optax.tree.get(state, "masks", default={})))


def kept(opt_state: Any) -> jax.Array:
    """(weights,) int32 entries present, as the optimizer's state says; empty without pruning."""
    return optax.tree.get(opt_state, "kept", default=jnp.zeros(0, jnp.int32))


def cross_entropy(label_smoothing: float) -> Objective:
    """Mean cross-entropy over the batch's weights, in nats; the baseline's objective."""

    def loss(outputs, batch, frozen):
        del frozen
        logits = outputs.logits
        log_total = jax.nn.logsumexp(logits, axis=-1)
        picked = jnp.take_along_axis(logits, batch.targets[..., None], axis=-1)[..., 0]
        nats = log_total - picked
        if label_smoothing:
            uniform = log_total - logits.mean(axis=-1)
            nats = (1 - label_smoothing) * nats + label_smoothing * uniform
        return (nats * batch.weights).sum() / batch.weights.sum()

    return loss
