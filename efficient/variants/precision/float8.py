"""Training in 8-bit floats: e4m3 for weights and activations, e5m2 for gradients.

The two formats are those of Micikevicius et al. 2022, arXiv 2209.05433. e4m3 has a bit more of
precision, e5m2 of range, which gradients need. Every operand has one scale, from its largest
magnitude at this moment, because libraries multiply 8-bit floats with one scale per operand; sums
are float32.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from efficient.models.layers.contraction import Contraction, Product
from efficient.variants.variant import VariantError

FORWARD, BACKWARD = jnp.float8_e4m3fn, jnp.float8_e5m2
#: NVIDIA's compute capability from which on the hardware multiplies 8-bit floats (Ada, Hopper).
_CAPABILITY = (8, 9)


@dataclass(frozen=True)
class Float8Training:
    """A contraction whose three products are of 8-bit floats; results are float32."""

    inner: Contraction

    def __call__(self, inputs: jax.Array, kernel: jax.Array, slots: Any) -> jax.Array:
        made = Contraction(
            lambda x, w: _multiply(self.inner.forward, _scale(x, FORWARD), _scale(w, FORWARD)),
            lambda g, w: _multiply(self.inner.to_inputs, _scale(g, BACKWARD), _scale(w, FORWARD)),
            lambda x, g: _multiply(self.inner.to_kernel, _scale(x, FORWARD), _scale(g, BACKWARD)),
        )
        return made(inputs, kernel, slots)


def require_float8(device: Any) -> None:
    """Raises VariantError where the device would compute 8-bit floats in more bits."""
    capability = str(getattr(device, "compute_capability", ""))
    parts = capability.split(".")
    known = device.platform == "gpu" and all(part.isdigit() for part in parts)
    if not known or tuple(map(int, parts)) < _CAPABILITY:
        raise VariantError(
            f"precision float8 is not computed by {device.device_kind}; choose bfloat16 or int8, "
            "or an NVIDIA GPU of compute capability 8.9 or more"
        )


def _scale(values: jax.Array, dtype: Any) -> tuple[jax.Array, jax.Array]:
    """(values divided by their scale, in `dtype`; the scale, () float32)."""
    top = float(jnp.finfo(dtype).max)
    largest = jnp.abs(values).max().astype(jnp.float32)
    scale = jnp.where(largest > 0, largest / top, 1.0)
    return jnp.clip(values / scale, -top, top).astype(dtype), scale


def _multiply(
    product: Product, left: tuple[jax.Array, jax.Array], right: tuple[jax.Array, jax.Array]
) -> jax.Array:
    return product(left[0], right[0]) * (left[1] * right[1])
