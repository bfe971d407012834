"""SynFlow: masks that keep signal flowing, without data (Tanaka et al. 2020, arXiv 2006.05467).

R is the sum of the outputs of the network with the absolute values of its weights, for an image
of ones. A weight's score is weight x dR/dweight; what a layer passes on is conserved, so removing
a little at a time, with new scores each time, never empties a layer before it must. A
normalisation keeps its initial statistics. A text has no token of ones: there R is that of real
tokens, and since layer normalisation takes the mean away, the law of conservation does not hold.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import lax

from efficient.models.tree import flatten, nest
from efficient.variants.prune.pattern import Pattern
from efficient.variants.prune.state import Masks
from efficient.variants.variant import Probe, Work


def flow_masks(
    pattern: Pattern, work: Work, names: list[str], probe: Probe, counts: np.ndarray, scope: str
) -> tuple[Masks, jax.Array]:
    """Masks after all removals, and R at the end; () float32, for the check that it is finite.

    counts: (removals, groups) units to keep after each.
    """
    predict, own = _evaluation(work)
    shapes = {name: flatten(work.params)[name].shape for name in names}

    def remove(params, rest, batch):
        del rest
        absolute = {n: jnp.abs(w) for n, w in flatten(params[0]).items() if n in own}
        inputs = batch.inputs
        if work.signature.kind == "image":
            inputs = jnp.ones((1, *work.signature.input_shape), jnp.float32)

        def flow(weights):
            return predict(nest(absolute | weights), inputs).sum()

        def iterate(masks, kept):
            weights = {name: jnp.where(masks[name], absolute[name], 0) for name in names}
            total, gradient = jax.value_and_grad(flow)(weights)
            scores = {n: pattern.pool(jnp.abs(w * gradient[n])) for n, w in weights.items()}
            scores = pattern.hide(scores, masks)
            return pattern.select(scores, kept, scope, shapes), total

        everything = {name: jnp.ones(shape, bool) for name, shape in shapes.items()}
        masks, totals = lax.scan(iterate, everything, params[1])
        return masks, totals[-1]

    (found,) = probe.measure(remove, (work.params, jnp.asarray(counts)), 1)
    return found


def _evaluation(work: Work) -> tuple[Callable[[Any, jax.Array], jax.Array], set[str]]:
    """`predict(params, inputs)` of the plain network in evaluation, and its parameters' names."""
    model = work.spec.build(work.signature, nnx.Rngs(0))
    model.eval()
    graph, params, rest = nnx.split(model, nnx.Param, ...)
    own = set(flatten(nnx.to_pure_dict(params)))
    return lambda params, inputs: nnx.merge(graph, params, rest)(inputs), own
