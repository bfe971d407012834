"""What all layers share: their name, their storage, their extra state.

A weighted layer carries `kernel` (Param), `op` (the contraction alone, called as
`op(inputs, kernel, slots)`), `slots` (extra state of a wrapped op), `storage` (how the kernel is
kept when shipped) and `path` (its name, also the named scope of everything it computes).
Rewrites wrap `op`, set `storage` and add `slots`; they never replace the contraction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import jax
from flax import nnx
from jax import lax

from efficient.models.layers.noise import Noise, draw_key

Slots = dict[str, Any]


class Operation(Protocol):
    """A contraction and nothing else: no bias, no normalisation. Hashable, for it is static."""

    def __call__(self, inputs: jax.Array, kernel: jax.Array, slots: Slots, /) -> jax.Array: ...

    def __hash__(self) -> int: ...


@dataclass(frozen=True)
class Storage:
    """How the kernel of a layer is kept when the model is shipped.

    Attributes:
        dtype: name of the stored type.
        bits: bits per stored weight.
        scale_axis: axis of the kernel with one scale per index; None for one scale in all.
        activations: bits of the inputs that it is multiplied with.
        grid: which numbers a weight can be: "integer", "ternary" or "binary".
        static: whether the step of the inputs was calibrated, not read off each input.
        clip: how the largest integer was chosen: absmax, mse or a percentage, see `models.clip`.
    """

    dtype: str = "float32"
    bits: int = 32
    scale_axis: int | None = None
    activations: int = 32
    grid: str = "integer"
    static: bool = False
    clip: str = "absmax"


class Range(nnx.Variable):
    """A slot that follows the inputs of its layer: `rule(value, inputs) -> value`, hashable.

    It moves in training mode only, and is part of the state (`rest`), as a Noise slot is.
    """


class Weighted(Protocol):
    """A layer with a kernel and a contraction."""

    path: str
    kind: str
    output_axis: int
    position: int
    tapped: bool
    kernel: nnx.Param
    op: Operation
    slots: nnx.Dict
    storage: Storage


def read_slots(slots: nnx.Dict) -> Slots:
    """Reads the extra state for an op: a Noise slot gives a fresh key, any other its value."""
    return {
        name: draw_key(variable) if isinstance(variable, Noise) else variable[...]
        for name, variable in slots.items()
    }


def follow_inputs(layer: Any, name: str, value: jax.Array, rule: Callable[..., Any]) -> None:
    """Adds a Range slot; the layer gets an attribute by which `model.eval()` holds it still."""
    layer.slots[name] = Range(value, rule=rule)
    layer.deterministic = False


def contract(layer: Any, inputs: jax.Array) -> jax.Array:
    """Runs the layer's own op on its kernel; a Range slot moves first."""
    if not getattr(layer, "deterministic", True):
        for variable in layer.slots.values():
            if isinstance(variable, Range):
                variable[...] = variable.rule(variable[...], lax.stop_gradient(inputs))
    return layer.op(inputs, layer.kernel[...], read_slots(layer.slots))


def expose(layer: Any, outputs: jax.Array) -> jax.Array:
    """Hands the outputs on; a tapped layer also keeps them, until `collect` takes them."""
    if layer.tapped:
        layer.outputs = nnx.Intermediate(outputs)
    return outputs


def name_layers(model: nnx.Module) -> nnx.Module:
    """Gives every layer its path and position in definition order; returns the model."""
    for position, (path, layer) in enumerate(_walk(model, "")):
        layer.path, layer.position = path, position
    return model


def weighted_layers(model: nnx.Module) -> dict[str, Any]:
    """All layers with a kernel and an op, by path, in definition order.

    The parameter named `path + "/kernel"` belongs to the layer at `path`. The order survives
    `nnx.merge`, which forgets the order of attributes.
    """
    layers = [
        layer for _, layer in _walk(model, "") if hasattr(layer, "kernel") and hasattr(layer, "op")
    ]
    return {layer.path: layer for layer in sorted(layers, key=lambda layer: layer.position)}


def _walk(module: nnx.Module, path: str) -> Iterator[tuple[str, Any]]:
    if hasattr(module, "path"):
        yield path, module
    for name, child in vars(module).items():
        if isinstance(child, nnx.Module) and not isinstance(child, nnx.Dict):
            yield from _walk(child, f"{path}/{name}" if path else name)
