"""Networks as if they had been trained, without computing their initial weights."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from efficient.deploy import Packed, pack


def trained_like(spec, signature, density=1.0):
    """A network with weights, biases and statistics unlike their initial values.

    density: the share of weights that are not zero.
    """
    rng = np.random.default_rng(0)

    def weights(leaf):
        values = rng.normal(0, 0.3, leaf.shape) * (rng.random(leaf.shape) < density)
        return jnp.asarray(values, leaf.dtype)

    def statistics(leaf):
        return jnp.asarray(rng.uniform(0.5, 1.5, leaf.shape), leaf.dtype)

    model = nnx.eval_shape(lambda: spec.build(signature, nnx.Rngs(0)))
    graph, params, rest = nnx.split(model, nnx.Param, ...)
    return nnx.merge(graph, jax.tree.map(weights, params), jax.tree.map(statistics, rest))


def packed(model) -> Packed:
    """What a network ships."""
    model.eval()
    graph, *trees = nnx.split(model, nnx.Param, ...)
    return pack(graph, *map(nnx.to_pure_dict, trees))


def inputs_of(signature, batch):
    """Random inputs of a batch size."""
    rng, shape = np.random.default_rng(1), (batch, *signature.input_shape)
    if signature.kind == "text":
        return rng.integers(0, signature.classes, shape, np.int32)
    return rng.standard_normal(shape, np.float32)
