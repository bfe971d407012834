"""The shipped function as StableHLO, so that it runs without this package.

Two functions, serialized by `jax.export`. `load.stablehlo` takes the arrays as the file holds them
to the weights, which is done once; `predict.stablehlo` takes the weights and inputs of any batch
size to logits. Each is lowered for several platforms and has no derivative.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import export

from efficient.deploy.encoding import decode
from efficient.deploy.pack import Packed
from efficient.models.signature import Signature

LOAD, PREDICT = "load.stablehlo", "predict.stablehlo"
PLATFORMS = ("cpu", "cuda", "tpu")

Predict = Callable[[dict[str, jax.Array], jax.Array], jax.Array]


def serialize(packed: Packed, predict: Predict, signature: Signature) -> dict[str, bytes]:
    """Both functions by file name, from `predict(weights, inputs) -> logits` of `unpack`."""
    stored, forms = packed.encoded

    def load(stored: dict[str, jax.Array]) -> dict[str, jax.Array]:
        return {name: decode(name, form, stored, jnp) for name, form in forms.items()}

    weights = {name: _shape(array) for name, array in packed.arrays.items()}
    inputs = {name: _shape(array) for name, array in stored.items()}
    return {
        LOAD: _serialize(load, inputs),
        PREDICT: _serialize(predict, weights, symbolic_inputs(signature)),
    }


def symbolic_inputs(signature: Signature) -> jax.ShapeDtypeStruct:
    """Inputs of any batch size: float32 images (batch, ...), or (batch, time) int32."""
    sizes = ", ".join(map(str, signature.input_shape))
    dtype = jnp.int32 if signature.kind == "text" else jnp.float32
    return jax.ShapeDtypeStruct(export.symbolic_shape(f"batch, {sizes}"), dtype)


def deserialize(content: bytes) -> Callable[..., Any]:
    """The function of a file."""
    return export.deserialize(bytearray(content)).call


def _serialize(function: Callable[..., Any], *arguments: Any) -> bytes:
    exported = export.export(jax.jit(function), platforms=PLATFORMS)(*arguments)
    return bytes(exported.serialize(vjp_order=0))


def _shape(array: Any) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(array.shape, array.dtype)
