"""Which weights matter: a score for every unit of a pattern; the highest are kept.

magnitude: the norm of the unit (Han et al. 2015, arXiv 1506.02626); random: nothing matters, the
control; l1: the sum of magnitudes of a whole filter (Li et al. 2017, arXiv 1608.08710). They need
the weights only.

snip: |gradient x weight| of the mean gradient, how much the loss feels a gate at the unit (Lee et
al. 2019, arXiv 1810.02340). saliency: the same of each batch, then the mean (Mozer and Smolensky
1988; Molchanov et al. 2017, arXiv 1611.06440). grasp: weight x (Hessian times gradient), so that
what is removed lowers the norm of the gradient least (Wang et al. 2020, arXiv 2002.07376), for the
cross-entropy of logits divided by 200, as in its code. They read the data through the Probe.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from efficient.models.tree import flatten, nest
from efficient.variants.prune.pattern import Pattern
from efficient.variants.prune.state import Arrays, chance_of
from efficient.variants.variant import Probe, Work

CRITERIA = ("magnitude", "random", "l1", "saliency", "snip", "grasp", "synflow")
#: Those that a step can compute from its own weights and gradient.
IN_STEP = CRITERIA[:4]
#: By which GraSP divides the logits.
TEMPERATURE = 200.0


@partial(jax.jit, static_argnames=("criterion", "pattern"))
def score_weights(
    criterion: str,
    pattern: Pattern,
    weights: Arrays,
    gradient: Arrays | None,
    chance: jax.Array,
) -> dict[str, jax.Array]:
    """Scores by units within a step, or of the weights alone; both dicts by name.

    gradient: of the loss at these weights, where there is one; chance: the key of random scores.
    """
    if criterion == "random":
        return _draw(pattern, weights, chance)
    if criterion == "l1":
        return {name: pattern.pool(jnp.abs(w)) for name, w in weights.items()}
    if criterion == "saliency" and gradient is not None:
        return _sensitivity(pattern, weights, gradient)
    return {name: _norm(pattern, w) for name, w in weights.items()}


def score(
    criterion: str, pattern: Pattern, work: Work, names: list[str], probe: Probe, batches: int
) -> dict[str, jax.Array]:
    """Scores by units between steps; the loss is that of the first `batches`."""
    params = work.params
    flat = flatten(params)
    weights = {name: flat[name] for name in names}
    if criterion == "saliency":
        return _saliency(pattern, params, names, probe, batches)
    if criterion == "snip":
        gradient = flatten(probe.gradient(params, batches))
        return _sensitivity(pattern, weights, gradient)
    if criterion == "grasp":
        curved = _hessian_gradient(params, names, probe, batches)
        return {name: pattern.pool(w * curved[name]) for name, w in weights.items()}
    return score_weights(criterion, pattern, weights, None, chance_of(work, 0))


def _saliency(
    pattern: Pattern, params: Any, names: list[str], probe: Probe, batches: int
) -> dict[str, jax.Array]:
    """Mean over batches of what each of them feels."""

    def felt(params, rest, batch):
        gradient = flatten(jax.grad(probe.loss_of)(params, rest, batch))
        flat = flatten(params)
        return _sensitivity(pattern, {name: flat[name] for name in names}, gradient)

    return _mean(probe.measure(felt, params, batches))


def _norm(pattern: Pattern, weights: jax.Array) -> jax.Array:
    if pattern.single:
        return jnp.abs(weights)
    return jnp.sqrt(pattern.pool(jnp.square(weights)))


def _sensitivity(pattern: Pattern, weights: Arrays, gradient: Arrays) -> dict[str, jax.Array]:
    return {name: jnp.abs(pattern.pool(w * gradient[name])) for name, w in weights.items()}


def _draw(pattern: Pattern, weights: Arrays, key: jax.Array) -> dict[str, jax.Array]:
    """Uniform scores in [0, 1)."""
    names = sorted(weights)
    shapes = [jax.eval_shape(pattern.pool, weights[name]).shape for name in names]
    edges = np.cumsum([int(np.prod(shape)) for shape in shapes])
    parts = jnp.split(jax.random.uniform(key, (edges[-1],)), edges[:-1])
    drawn = zip(names, parts, shapes, strict=True)
    return {name: part.reshape(shape) for name, part, shape in drawn}


def _hessian_gradient(params: Any, names: list[str], probe: Probe, batches: int) -> Arrays:
    """Hessian of the mean loss times its gradient, both in the named weights alone."""

    def loss_of(params, rest, batch):
        logits = probe.apply(params, rest, batch.inputs)[0].logits / TEMPERATURE
        nats = optax.softmax_cross_entropy_with_integer_labels(logits, batch.targets)
        return (nats * batch.weights).sum() / batch.weights.sum()

    def curve(pair, rest, batch):
        params, direction = pair
        slope = jax.grad(lambda p: loss_of(p, rest, batch))
        return jax.jvp(slope, (params,), (direction,))[1]

    gradient = flatten(_mean(probe.measure(jax.grad(loss_of), params, batches)))
    inside = {n: g if n in names else jnp.zeros_like(g) for n, g in gradient.items()}
    return flatten(_mean(probe.measure(curve, (params, nest(inside)), batches)))


def _mean(found: list[Any]) -> Any:
    return jax.tree.map(lambda *parts: sum(parts) / len(parts), *found)
