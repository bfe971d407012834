"""A contraction of two operands with gradients of our own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

Contraction = Callable[[jax.Array, jax.Array], jax.Array]


def differentiable(
    forward: Contraction, to_inputs: Contraction, to_kernel: Contraction
) -> Contraction:
    """`forward(inputs, kernel)` with the given gradients, each computed only where asked for.

    The gradient of an operand is skipped where nothing is differentiated with respect to it:
    the data under the first layer, the kernel of a frozen one. Both gradients are computed in
    the type of the operands and returned in the type of their primal.

    Args:
        forward: `(inputs, kernel)` to outputs.
        to_inputs: `(gradient of outputs, kernel)` to the gradient of the inputs.
        to_kernel: `(inputs, gradient of outputs)` to the gradient of the kernel.
    """

    def keep(inputs: Any, kernel: Any) -> tuple[jax.Array, tuple]:
        needed = (
            inputs.value if kernel.perturbed else None,
            kernel.value if inputs.perturbed else None,
        )
        return forward(inputs.value, kernel.value), needed

    def pull_back(needed: tuple, gradient: jax.Array) -> tuple:
        inputs, kernel = needed
        back = forth = None
        if kernel is not None:
            back = to_inputs(gradient.astype(kernel.dtype), kernel).astype(kernel.dtype)
        if inputs is not None:
            forth = to_kernel(inputs, gradient.astype(inputs.dtype)).astype(inputs.dtype)
        return back, forth

    contraction = jax.custom_vjp(forward)
    contraction.defvjp(keep, pull_back, symbolic_zeros=True)
    return contraction


def accumulator(dtype: jnp.dtype) -> DTypeLike:
    """The type in which products of `dtype` are summed: int32 or float32."""
    return jnp.int32 if jnp.issubdtype(dtype, jnp.integer) else jnp.float32
