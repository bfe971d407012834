"""Linear layers, in the forms that are fast on each backend.

Measured on an AMX CPU: bfloat16 operands with a float32 result are 3 to 5 times faster than
float32, unless a transpose of the weight or of the input is written out, which falls back to
the speed of float32. So the gradients contract the axes where they lie. The same forms are the
fast ones without AMX, on 2 cores with AVX512-BF16 and VNNI: of the weight gradient of 256 x 1200 x
1200, bfloat16 took 3.7 ms plain and 2.1 ms in groups, int8 10 and 3.2, float32 3.7 either way. A
float32 weight gradient over two axes has its operands copied: without that, a step of the GPT of
128 tokens took 0.9 of the time, on jax 0.10.2 and on 0.12.0.1.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax

from efficient.models.layers.contraction import Contraction, accumulator
from efficient.models.layers.integer import OFFSET, dot_shifted
from efficient.models.layers.layer import Operation, Storage, contract, expose

Initializer = jax.nn.initializers.Initializer
LECUN = jax.nn.initializers.lecun_normal()

#: Groups into which the rows of a weight gradient are split, and the types for which it is faster.
_GROUPS = 4
_NARROW = ("bfloat16", "float16", "int8", "uint8")


class Linear(nnx.Module):
    """`outputs = inputs @ kernel + bias`.

    Args:
        inputs: size of the last axis of the input.
        outputs: size of the last axis of the output.
        use_bias: whether to add a bias, which starts at zero.
        initialiser: of the kernel, `(inputs, outputs)`.
        rngs: source of the initial kernel.
    """

    kind = "linear"
    output_axis = 1
    tapped = False

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        rngs: nnx.Rngs,
        use_bias: bool = True,
        initialiser: Initializer = LECUN,
    ) -> None:
        self.path, self.position, self.op, self.storage = "", 0, dot, Storage()
        self.slots = nnx.Dict()
        self.kernel = nnx.Param(initialiser(rngs.params(), (inputs, outputs), jnp.float32))
        self.bias = nnx.Param(jnp.zeros(outputs)) if use_bias else None

    def __call__(self, inputs: jax.Array) -> jax.Array:
        """(..., inputs) to (..., outputs) float32."""
        with jax.named_scope(self.path):
            return expose(self, add_bias(contract(self, inputs), self.bias))


def add_bias(outputs: jax.Array, bias: nnx.Param | None) -> jax.Array:
    """Adds a bias along the last axis, where there is one."""
    if bias is None:
        return outputs
    return outputs + bias[...].reshape((1,) * (outputs.ndim - 1) + (-1,))


def _contract_first(inputs: jax.Array, kernel: jax.Array) -> jax.Array:
    """Contracts the last axis of the inputs with the first of the kernel."""
    if inputs.dtype == jnp.uint8:
        return dot_shifted(inputs, kernel, 0)
    return _contract(inputs, kernel, (inputs.ndim - 1,), (0,))


def _contract_last(inputs: jax.Array, kernel: jax.Array) -> jax.Array:
    """Contracts the last axis of the inputs with the last of the kernel."""
    if inputs.dtype == jnp.uint8:
        return dot_shifted(inputs, kernel, 1)
    return _contract(inputs, kernel, (inputs.ndim - 1,), (1,))


def _contract_leading(left: jax.Array, right: jax.Array) -> jax.Array:
    """(..., k) and (..., n) to (k, n): contracts all leading axes.

    A CPU has two fast forms. Narrow operands need two contracted axes, so those of rank 2 are split
    in groups. Wide ones need one, or they are copied with their axes turned. An accelerator folds
    all axes into one.
    """
    if left.dtype.name not in _NARROW:
        left, right = (x.reshape(-1, x.shape[-1]) for x in (left, right))
    elif left.ndim == 2 and left.shape[0] % _GROUPS == 0:
        left, right = (x.reshape(_GROUPS, -1, x.shape[-1]) for x in (left, right))
    leading = tuple(range(left.ndim - 1))
    sums = _contract(left, right, leading, leading)
    if left.dtype == jnp.uint8:
        sums -= OFFSET * right.astype(jnp.int32).sum(leading).reshape(1, -1)
    return sums


def _contract(
    left: jax.Array, right: jax.Array, left_axes: tuple[int, ...], right_axes: tuple[int, ...]
) -> jax.Array:
    return lax.dot_general(
        left,
        right,
        ((left_axes, right_axes), ((), ())),
        # keeps jax from widening two types of bytes to int32
        precision=None if left.dtype == right.dtype else lax.DotAlgorithmPreset.DEFAULT,
        preferred_element_type=accumulator(left.dtype),
    )


#: (..., i) times (i, o) to (..., o): float32, or int32 for integer operands.
dot = Contraction(_contract_first, to_inputs=_contract_last, to_kernel=_contract_leading)
#: (..., i) times (o, i) to (..., o): contracts the last axis of both.
dot_transposed = Contraction(
    _contract_last,
    to_inputs=_contract_first,
    to_kernel=lambda inputs, gradient: _contract_leading(gradient, inputs),
)


def turned(operation: Operation) -> Operation | None:
    """The same contraction of the transposed kernel, where there is one."""
    return dot_transposed if operation is dot else None
