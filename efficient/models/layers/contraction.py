"""A contraction of two operands with gradients of our own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

Product = Callable[..., jax.Array]


@dataclass(frozen=True)
class Contraction:
    """An operation that is one product, with two more for its gradients.

    Called as `op(inputs, kernel, slots)`. A gradient is computed only where asked for: that of an
    operand is skipped where nothing is differentiated with respect to it, as the data under the
    first layer or the kernel of a frozen one. Both are computed in the type of the operands and
    returned in the type of their primal. Who computes in another arithmetic takes the three
    products and puts it around each.

    Attributes:
        forward: `(inputs, kernel)` to outputs.
        to_inputs: `(gradient of outputs, kernel)` to the gradient of the inputs.
        to_kernel: `(inputs, gradient of outputs)` to the gradient of the kernel.
    """

    forward: Product
    to_inputs: Product
    to_kernel: Product

    def __call__(self, inputs: jax.Array, kernel: jax.Array, slots: Any) -> jax.Array:
        del slots
        return self.apply(inputs, kernel)

    def apply(self, inputs: jax.Array, kernel: jax.Array, *others: Any) -> jax.Array:
        """The contraction. `others` are handed to all three products; they have no gradient."""
        contraction = jax.custom_vjp(self.forward)
        contraction.defvjp(self._keep, self._pull_back, symbolic_zeros=True)
        return contraction(inputs, kernel, *others)

    def _keep(self, inputs: Any, kernel: Any, *others: Any) -> tuple[jax.Array, tuple]:
        others = tuple(other.value for other in others)
        needed = (
            inputs.value if kernel.perturbed else None,
            kernel.value if inputs.perturbed else None,
            others,
        )
        return self.forward(inputs.value, kernel.value, *others), needed

    def _pull_back(self, needed: tuple, gradient: jax.Array) -> tuple:
        inputs, kernel, others = needed
        back = forth = None
        if kernel is not None:
            given = gradient.astype(kernel.dtype)
            back = self.to_inputs(given, kernel, *others).astype(kernel.dtype)
        if inputs is not None:
            given = gradient.astype(inputs.dtype)
            forth = self.to_kernel(inputs, given, *others).astype(inputs.dtype)
        return back, forth, *(None for _ in others)


def accumulator(dtype: jnp.dtype) -> DTypeLike:
    """The type in which products of `dtype` are summed: int32 or float32."""
    return jnp.int32 if jnp.issubdtype(dtype, jnp.integer) else jnp.float32
