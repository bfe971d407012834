"""From training weights to shipped arrays, and back to a function.

Convolutions fold with their normalisation. A layer whose storage says int8 becomes integers with
one scale per output channel and contracts int8 x int8 -> int32; one that says bfloat16 is stored
and contracted so. Arrays are named as parameters are; scales end in `/kernel_step`.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from efficient.models.layers import ConvNorm, Storage, weighted_layers
from efficient.models.operand import Cast, IntegerOperation, integer_scale, round_to_grid, wrap
from efficient.models.tree import flatten, nest

STEP = "kernel_step"


@dataclass(frozen=True)
class Packed:
    """arrays by name; storage: layer's path -> how its kernel is kept."""

    arrays: dict[str, np.ndarray]
    storage: dict[str, dict[str, Any]]

    @property
    def weight_bytes(self) -> int:
        return sum(array.nbytes for array in self.arrays.values())

    @property
    def float32_bytes(self) -> int:
        """Bytes of the same weights unpacked."""
        return sum(4 * a.size for name, a in self.arrays.items() if not name.endswith(STEP))


def pack(graph: Any, params: Any, rest: Any) -> Packed:
    """Arrays of a trained model; `graph` is its static half, storage attributes included."""
    model = nnx.merge(graph, params, rest)
    steps, storage = {}, {}
    for path, layer in weighted_layers(model).items():
        if layer.storage.dtype == "int8":
            _snap(layer)
        if isinstance(layer, ConvNorm):
            layer.fold()
        if layer.storage.dtype == "int8":
            step = _step(layer)
            integers = round_to_grid(layer.kernel[...], step, layer.storage.bits)
            steps[f"{path}/{STEP}"] = np.asarray(step, np.float32).ravel()
            layer.kernel = nnx.Param(integers.astype(jnp.int8))
        elif layer.storage.dtype != "float32":
            layer.kernel = nnx.Param(layer.kernel[...].astype(layer.storage.dtype))
        storage[path] = dataclasses.asdict(layer.storage)
    _, shipped, _ = nnx.split(model, nnx.Param, ...)
    flat = flatten(nnx.to_pure_dict(shipped))
    return Packed({n: np.asarray(a) for n, a in (flat | steps).items()}, storage)


def unpack(model: nnx.Module, packed: Packed) -> tuple[Any, dict[str, Any]]:
    """A function `(weights, inputs) -> logits` and its weights, from a freshly built model.

    Raises:
        ValueError: arrays are missing, or of another shape than the network's.
    """
    for path, layer in weighted_layers(model).items():
        if path not in packed.storage:
            raise ValueError(f"layer {path!r} is missing")
        storage = Storage(**packed.storage[path])
        layer.storage = storage
        if isinstance(layer, ConvNorm):
            layer.fold()
        if storage.dtype == "int8":
            layer.slots["scale"] = nnx.Param(jnp.zeros(layer.kernel.shape[layer.output_axis]))
            axis, inputs = layer.output_axis, storage.activations
            wrap(layer, partial(IntegerOperation, activations=inputs, output_axis=axis))
        elif storage.dtype != "float32":
            wrap(layer, partial(Cast, dtype=storage.dtype))
    model.eval()
    graph, params, rest = nnx.split(model, nnx.Param, ...)
    expected = flatten(nnx.to_pure_dict(params))
    named = {n.replace(STEP, "slots/scale"): a for n, a in packed.arrays.items()}
    for name in sorted(set(expected) | set(named)):
        if name not in named or name not in expected:
            raise ValueError(f"array {name!r} is {'missing' if name in expected else 'unknown'}")
        if named[name].shape != expected[name].shape:
            shapes = f"{named[name].shape}, the network has {expected[name].shape}"
            raise ValueError(f"array {name!r} is of shape {shapes}")
    weights = nest({n: jnp.asarray(a) for n, a in named.items()})
    constants = nnx.to_pure_dict(rest)

    def predict(weights: Any, inputs: jax.Array) -> jax.Array:
        return nnx.merge(graph, weights, constants)(inputs)

    return predict, weights


def _snap(layer: Any) -> None:
    """Move the kernel onto the grid that training rounded to, before anything scales it."""
    step = _step(layer)
    layer.kernel[...] = round_to_grid(layer.kernel[...], step, layer.storage.bits) * step


def _step(layer: Any) -> jax.Array:
    kernel = layer.kernel[...]
    axes = tuple(a for a in range(kernel.ndim) if a != layer.output_axis)
    return integer_scale(kernel, layer.storage.bits, axes)
