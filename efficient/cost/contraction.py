"""The price of one contraction: a matrix product or a convolution, in FLOPs.

A multiply-add is 2 FLOPs. Only `dot_general` and `conv_general_dilated` have a price; elementwise
arithmetic, reductions, gathers and sorts are free. A convolution has two prices:

- padded: a tap that falls on padding is counted, which is how papers and torchvision count;
- un-padded: only pairs of a tap and an output that meet a real input element are counted, which
  is how XLA counts, and the one that a convolution shares with its two gradients.

Zeros that `lhs_dilation` puts between the inputs (the stride of a transposed convolution) are
counted by neither.
"""

from __future__ import annotations

from functools import lru_cache
from math import gcd, prod

from jax.extend.core import JaxprEqn

from efficient.cost.value import dtype, shape

# Primitives that contract, or that hide what they do: a program that runs one has no exact price.
OPAQUE = frozenset(
    {
        # dense linear algebra
        "cholesky",
        "cholesky_update",
        "eig",
        "eigh",
        "geqp3",
        "geqrf",
        "hessenberg",
        "householder_product",
        "lu",
        "ormqr",
        "qr",
        "schur",
        "svd",
        "symmetric_product",
        "triangular_solve",
        "tridiagonal",
        "tridiagonal_solve",
        # transforms and products of other shapes
        "fft",
        "ragged_dot",
        "ragged_dot_general",
        "scaled_dot",
        "scaled_matmul",
        "scaled_matmul_wrapper",
        # attention kernels
        "dot_product_attention_bwd",
        "dot_product_attention_bwd_wrapper",
        "dot_product_attention_fp8_bwd",
        "dot_product_attention_fp8_bwd_wrapper",
        "dot_product_attention_fp8_fwd",
        "dot_product_attention_fp8_fwd_wrapper",
        "dot_product_attention_fwd",
        "dot_product_attention_fwd_wrapper",
        # code that is not a program of ours
        "bass_call",
        "buffer_callback",
        "call_exported",
        "call_hi_primitive",
        "call_hi_primitive_linearized",
        "core_map",
        "cudnn_fusion",
        "custom_partitioning",
        "ffi_call",
        "io_callback",
        "mpmd_map",
        "pallas_call",
        "pure_callback",
        "tpu_custom_call",
    }
)


def price(equation: JaxprEqn, *, padded: bool) -> int | None:
    """FLOPs of one execution of `equation`; None when it is not a contraction."""
    match equation.primitive.name:
        case "dot_general":
            return _price_dot(equation)
        case "conv_general_dilated":
            return _price_convolution(equation, padded=padded)
    return None


def declared(equation: JaxprEqn) -> int | None:
    """FLOPs that the author of a Pallas kernel declared in its `cost_estimate`, if there is one."""
    estimate = equation.params.get("cost_estimate")
    return None if estimate is None else int(estimate.flops)


def operand_dtype(equation: JaxprEqn) -> str:
    """The dtype that is contracted: "float32", or "bfloat16*int8" when the two operands differ."""
    return "*".join(sorted({dtype(value) for value in equation.invars[:2]}))


def _price_dot(equation: JaxprEqn) -> int:
    (contracted, _), _ = equation.params["dimension_numbers"]
    left = shape(equation.invars[0])
    return 2 * prod(shape(equation.outvars[0])) * prod(left[axis] for axis in contracted)


def _price_convolution(equation: JaxprEqn, *, padded: bool) -> int:
    """An output element sums over the taps and over the input features of its group."""
    params = equation.params
    numbers = params["dimension_numbers"]
    image, kernel = map(shape, equation.invars)
    out = shape(equation.outvars[0])
    pairs = (
        _pairs(
            image[numbers.lhs_spec[axis]],
            kernel[numbers.rhs_spec[axis]],
            out[numbers.out_spec[axis]],
            stride=params["window_strides"][axis - 2],
            before=params["padding"][axis - 2][0],
            spread=params["lhs_dilation"][axis - 2],
            step=params["rhs_dilation"][axis - 2],
            padded=padded,
        )
        for axis in range(2, len(out))
    )
    batch, features = out[numbers.out_spec[0]], out[numbers.out_spec[1]]
    return 2 * batch * features * kernel[numbers.rhs_spec[1]] * prod(pairs)


@lru_cache(maxsize=4096)
def _pairs(
    size: int,
    taps: int,
    out: int,
    *,
    stride: int,
    before: int,
    spread: int,
    step: int,
    padded: bool,
) -> int:
    """Pairs of a tap and an output, along one axis, whose product is counted.

    Output `o` reads through tap `t` the position `o * stride + t * step - before` of an input whose
    elements lie `spread` apart; a position between two elements is a zero that is never counted.
    """
    extent = (size - 1) * spread + 1
    period = spread // gcd(stride, spread)  # outputs that meet an element lie this far apart
    total = 0
    for offset in range(-before, taps * step - before, step):
        hits = (o for o in range(period) if (o * stride + offset) % spread == 0)
        first = next(hits, None)
        if first is None:
            continue
        start, stop = 0, out
        if not padded:
            start, stop = max(0, -(offset // stride)), min(out, -((offset - extent) // stride))
        skipped = max(0, -((first - start) // period))
        total += len(range(first + skipped * period, stop, period))
    return total
