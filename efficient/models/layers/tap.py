"""Outputs of layers for an onlooker: a rewrite taps them, and a call leaves them to be collected.

What is collected is no state: the weights and `rest` of a tapped network are those of the network.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from efficient.models.layers.layer import weighted_layers
from efficient.models.layers.linear import dot
from efficient.models.signature import SpecError

#: The slot with what turns a layer's outputs into vectors of another width.
PROJECTION = "projection"


def tap(model: nnx.Module, paths: Iterable[str], whose: str = "the network") -> None:
    """Taps layers, in place.

    Raises:
        SpecError: there is no such layer; the message lists what there is.
    """
    layers = weighted_layers(model)
    for path in paths:
        if path not in layers:
            raise SpecError(f"{whose} has no layer {path!r}; there are: {', '.join(layers)}")
        layers[path].tapped = True


def project(model: nnx.Module, path: str, width: int) -> None:
    """Gives a tapped layer a trained projection of its outputs to `width`, which starts at zero.

    The network itself never reads it.
    """
    layer = weighted_layers(model)[path]
    layer.slots[PROJECTION] = nnx.Param(jnp.zeros((layer.kernel.shape[-1], width)))


def collect(model: nnx.Module) -> dict[str, jax.Array]:
    """Takes what the last call left in the tapped layers: (batch, ..., width) float32 by path."""
    tapped = {path: layer for path, layer in weighted_layers(model).items() if layer.tapped}
    found = {path: _read(path, layer) for path, layer in tapped.items()}
    if tapped:
        nnx.pop(model, nnx.Intermediate)
    return found


def _read(path: str, layer: Any) -> jax.Array:
    outputs = layer.outputs[...]
    if PROJECTION not in layer.slots:
        return outputs
    with jax.named_scope(f"{path}/{PROJECTION}"):
        return dot(outputs, layer.slots[PROJECTION][...], {})
