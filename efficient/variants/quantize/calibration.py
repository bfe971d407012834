"""Steps that are measured before a phase: of the kernels as they are, and of inputs on batches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from efficient.models.grid import INPUT_STEP, KERNEL_STEP
from efficient.models.layers import follow_inputs, weighted_layers
from efficient.models.tree import flatten, nest
from efficient.variants.variant import Probe, Work

#: `rule(value, inputs) -> value` of a slot that follows the inputs.
Rule = Callable[[jax.Array, jax.Array], jax.Array]
SEEN = "seen"


def calibrate(
    work: Work,
    probe: Probe,
    layers: dict[str, Any],
    kernel_step: Callable[[jax.Array, Any], jax.Array],
    rules: dict[str, Rule],
    batches: int,
    join: Callable[[jax.Array], jax.Array],
) -> Work:
    """Set the slots of the steps, in the parameters or in the rest, wherever they are.

    layers: those with a slot `kernel_step`, by path; kernel_step: of (kernel, layer); rules: what
    one batch says of a layer's inputs, by path; join: (batches,) of them to one step, () float32.
    """
    weights = flatten(work.params)
    steps = {
        slot_name(path, KERNEL_STEP): kernel_step(weights[f"{path}/kernel"], layer)
        for path, layer in layers.items()
    }
    seen = observe(work, probe, rules, batches) if rules else {}
    steps |= {slot_name(path, INPUT_STEP): join(values) for path, values in seen.items()}
    params, rest = (_replaced(tree, steps) for tree in (work.params, work.rest))
    return replace(work, params=params, rest=rest)


def observe(work: Work, probe: Probe, rules: dict[str, Rule], batches: int) -> dict[str, jax.Array]:
    """What the rules say of the inputs of every layer: (batches,) float32 by path.

    The inputs are those of the network without variants, in evaluation mode: no dropout, running
    statistics.
    """
    model = work.spec.build(work.signature, nnx.Rngs(0))
    layers = weighted_layers(model)
    for path, rule in rules.items():
        follow_inputs(layers[path], SEEN, jnp.zeros(()), rule)
    model.eval()
    for path in rules:
        layers[path].deterministic = False
    graph, params, rest = nnx.split(model, nnx.Param, ...)

    def seen(given_params, given_rest, batch):
        merged = nnx.merge(graph, _fill(params, given_params), _fill(rest, given_rest))
        merged(batch.inputs)
        found = weighted_layers(merged)
        return {path: found[path].slots[SEEN][...] for path in rules}

    found = probe.measure(seen, work.params, batches)
    return {path: jnp.stack([values[path] for values in found]) for path in rules}


def slot_name(path: str, name: str) -> str:
    """Of a layer's slot in the flat parameters or the flat rest."""
    return f"{path}/slots/{name}"


def _fill(fresh: Any, given: Any) -> dict[str, Any]:
    """The leaves of a fresh tree, in the place of each the given one of its name."""
    named = flatten(given)
    return nest({n: named.get(n, leaf) for n, leaf in flatten(nnx.to_pure_dict(fresh)).items()})


def _replaced(tree: Any, leaves: dict[str, jax.Array]) -> dict[str, Any]:
    """The tree with those of the leaves that it has."""
    flat = flatten(tree)
    return nest(flat | {name: leaf for name, leaf in leaves.items() if name in flat})
