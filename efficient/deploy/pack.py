"""From training weights to shipped arrays, and back to a function.

Convolutions fold with their normalisation. A layer whose storage says int8 becomes integers of its
bits with one step per output channel; one that says bfloat16 is stored and contracted so. Arrays
are named as parameters are; the step of a kernel ends in `/kernel_step`, the calibrated step of a
layer's inputs in `/input_step`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from efficient.deploy.encoding import Form, encode
from efficient.deploy.error import ArtefactError
from efficient.models.grid import INPUT_STEP, KERNEL_STEP, integers_of
from efficient.models.integer import IntegerOperation, arrange
from efficient.models.layers import ConvNorm, Storage, weighted_layers
from efficient.models.layers.layer import read_slots
from efficient.models.operand import Cast, wrap
from efficient.models.tree import flatten, nest

INTEGERS = "int8"

Build = Callable[[], nnx.Module]
Predict = Callable[..., Any]


@dataclass(frozen=True)
class Packed:
    """What is shipped of a model.

    arrays: by name, as they are computed with: float32, bfloat16, or int8 of any number of bits.
    storage: layer's path -> how its kernel is kept.
    """

    arrays: dict[str, np.ndarray]
    storage: dict[str, Storage]

    @cached_property
    def encoded(self) -> tuple[dict[str, np.ndarray], dict[str, Form]]:
        """The arrays as the file holds them, and the form of each array."""
        stored, forms = {}, {}
        for name, array in sorted(self.arrays.items()):
            forms[name], parts = encode(name, array, self._bits(name))
            stored |= parts
        return stored, forms

    @property
    def weight_bytes(self) -> int:
        """Bytes of all arrays as the file holds them, its header left out."""
        return sum(array.nbytes for array in self.encoded[0].values())

    @property
    def float32_bytes(self) -> int:
        """Bytes of the same weights in float32, without the steps."""
        steps = (f"/{KERNEL_STEP}", f"/{INPUT_STEP}")
        return sum(4 * a.size for name, a in self.arrays.items() if not name.endswith(steps))

    def _bits(self, name: str) -> int:
        """Bits of the integers in an array, as far as it has any."""
        path, _, part = name.rpartition("/")
        return self.storage[path].bits if part == "kernel" and path in self.storage else 8


def pack(graph: Any, params: Any, rest: Any) -> Packed:
    """Arrays of a trained model; `graph` is its static half, storage attributes included."""
    model = nnx.merge(graph, params, rest)
    steps, storage = {}, {}
    for path, layer in weighted_layers(model).items():
        storage[path] = layer.storage
        if layer.storage.dtype == INTEGERS:
            steps |= {f"{path}/{name}": value for name, value in _to_integers(layer).items()}
            continue
        if isinstance(layer, ConvNorm):
            layer.fold()
        # Adding zero turns the negative zeros, which pruning leaves, into positive ones.
        layer.kernel = nnx.Param((layer.kernel[...] + 0.0).astype(layer.storage.dtype))
        layer.slots = nnx.Dict()  # what a variant trains beside the network is not shipped
    _, shipped, _ = nnx.split(model, nnx.Param, ...)
    flat = flatten(nnx.to_pure_dict(shipped))
    return Packed({n: np.asarray(a) for n, a in (flat | steps).items()}, storage)


def unpack(
    build: Build, packed: Packed, shifted: bool | None = None
) -> tuple[Predict, dict[str, jax.Array]]:
    """A function `(weights, inputs) -> logits` and its weights by name.

    Given `method="decode"`, say, it calls that method of the network on any further arguments.

    build: makes the network, whose initial weights are never computed; shifted: contract integers
    in the forms that are fast on this machine, see `models.integer.arrange`, which transposes
    kernels; None leaves the arrays as they are shipped.

    Raises:
        ArtefactError: arrays are missing, or of another type or shape than the network's.
    """
    graph, constants, turned = _skeleton(build, packed, shifted)
    weights = {
        name: jnp.asarray(array.T if name in turned else array)
        for name, array in sorted(packed.arrays.items())
    }

    def predict(weights: dict[str, jax.Array], *inputs: Any, method: str = "__call__") -> Any:
        return getattr(nnx.merge(graph, _nested(weights), constants), method)(*inputs)

    return predict, weights


def install(build: Build, packed: Packed) -> nnx.Module:
    """The network in evaluation mode, with the shipped weights in place.

    Raises:
        ArtefactError: as `unpack`.
    """
    graph, constants, _ = _skeleton(build, packed)
    return nnx.merge(graph, _nested(packed.arrays), constants)


def _to_integers(layer: Any) -> dict[str, jax.Array]:
    """Replace the kernel by its integers, in place; the steps, by slot.

    A normalisation folds into the step and not into the kernel, so no integer is rounded twice;
    a negative scale gives a negative step.
    """
    integers, step = integers_of(layer)
    steps = {KERNEL_STEP: step}
    if layer.storage.static:
        steps[INPUT_STEP] = read_slots(layer.slots)[INPUT_STEP]
    if isinstance(layer, ConvNorm):
        layer.kernel = nnx.Param(step.reshape(1, 1, 1, -1))
        layer.fold()
        steps[KERNEL_STEP] = layer.kernel[...].ravel()
    layer.kernel, layer.slots = nnx.Param(integers), nnx.Dict()
    return steps


def _skeleton(
    build: Build, packed: Packed, shifted: bool | None = None
) -> tuple[Any, Any, tuple[str, ...]]:
    """The static half of the shipped network, whatever of it is no parameter, and the names of the
    kernels that it expects transposed."""
    turned: tuple[str, ...] = ()

    def make() -> nnx.Module:
        nonlocal turned
        model = build()
        _prepare(model, packed.storage)
        if shifted is not None:
            turned = arrange(model, shifted)
        model.eval()
        return model

    graph, params, rest = nnx.split(nnx.eval_shape(make), nnx.Param, ...)
    _compare(flatten(nnx.to_pure_dict(params)), packed.arrays)
    if not jax.tree.leaves(rest):
        return graph, {}, turned

    def constants() -> Any:
        _, _, values = nnx.split(make(), nnx.Param, ...)
        return nnx.to_pure_dict(values)

    return graph, jax.jit(constants)(), turned  # compiled, so that initial weights are not computed


def _prepare(model: nnx.Module, storages: dict[str, Storage]) -> None:
    """Fold, and wrap each layer's contraction as its storage says."""
    for path, layer in weighted_layers(model).items():
        if path not in storages:
            raise ArtefactError(f"layer {path!r} is missing; export the run again")
        storage = layer.storage = storages[path]
        if isinstance(layer, ConvNorm):
            layer.fold()
        if storage.dtype == INTEGERS:
            layer.slots[KERNEL_STEP] = nnx.Param(jnp.zeros(layer.kernel.shape[layer.output_axis]))
            if storage.static:
                layer.slots[INPUT_STEP] = nnx.Param(jnp.zeros(()))
            axis, inputs = layer.output_axis, storage.activations
            wrap(layer, partial(IntegerOperation, activations=inputs, output_axis=axis))
        elif storage.dtype != "float32":
            wrap(layer, partial(Cast, dtype=storage.dtype))
        layer.kernel = nnx.Param(layer.kernel[...].astype(storage.dtype))


def _compare(expected: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """Refuse arrays that are not those of the network, the first by name."""
    named = {_place(name): name for name in arrays}
    for place in sorted(set(expected) | set(named)):
        name = named.get(place, place)
        if place not in named or place not in expected:
            known = "missing" if place in expected else "unknown to the network"
            raise ArtefactError(f"array {name!r} is {known}; export the run again")
        found, wanted = (f"{a.dtype}{a.shape}" for a in (arrays[name], expected[place]))
        if found != wanted:
            raise ArtefactError(
                f"array {name!r} is {found}, the network has {wanted}; export the run again"
            )


def _nested(arrays: Mapping[str, Any]) -> dict[str, Any]:
    return nest({_place(name): jnp.asarray(array) for name, array in arrays.items()})


def _place(name: str) -> str:
    """Where an array lies in the network: a step is a slot of its layer."""
    path, _, part = name.rpartition("/")
    return f"{path}/slots/{part}" if part in (KERNEL_STEP, INPUT_STEP) else name
