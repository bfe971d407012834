"""The price of one contraction: a matrix product or a convolution, in FLOPs.

A multiply-add is 2 FLOPs, and 8 of complex numbers. Only `dot_general`, `ragged_dot_general` and
`conv_general_dilated` have a price; elementwise arithmetic, reductions, gathers and sorts are free.
Two of them have two prices:

- padded: a tap that falls on padding is counted, which is how papers and torchvision count. Every
  row of a ragged product meets one group's matrix, also a row behind the last group.
- un-padded: only pairs of a tap and an output that meet a real input element are counted, which
  is how XLA counts, and the one that a convolution shares with its two gradients. A ragged product
  has none: which rows and groups are multiplied is up to the data and the platform's kernel.

Zeros that `lhs_dilation` puts between the inputs (the stride of a transposed convolution) are
counted by neither.
"""

from __future__ import annotations

from functools import lru_cache
from math import gcd, prod
from typing import Any

from jax.extend.core import JaxprEqn

from efficient.cost.value import dtype, is_complex, shape


def price(equation: JaxprEqn, *, padded: bool, to_inputs: bool = False) -> int | None:
    """FLOPs of one execution of `equation`; None when it has no price here.

    `to_inputs` says that the equation is a convolution's gradient towards its inputs. Padded, it
    then costs what the convolution itself does: the taps that fell on padding are now the ones
    whose output is cut off.
    """
    match equation.primitive.name:
        case "dot_general":
            return _price_dot(equation)
        case "ragged_dot_general" if padded:
            return _price_ragged(equation)
        case "conv_general_dilated":
            return _price_convolution(equation, padded=padded, to_inputs=to_inputs)
    return None


def declared(equation: JaxprEqn) -> int | None:
    """FLOPs that the author of a Pallas kernel declared in its `cost_estimate`, if there is one."""
    estimate = equation.params.get("cost_estimate")
    return None if estimate is None else int(estimate.flops)


def operand_dtype(equation: JaxprEqn) -> str:
    """The dtype that is contracted: "float32", or "bfloat16*int8" when the two operands differ."""
    return "*".join(sorted({dtype(value) for value in equation.invars[:2]}))


def _per_product(equation: JaxprEqn) -> int:
    """FLOPs of a multiply-add. Of complex numbers it is four multiplications and four additions."""
    return 8 if all(map(is_complex, equation.invars[:2])) else 2


def _price_dot(equation: JaxprEqn) -> int:
    (contracted, _), _ = equation.params["dimension_numbers"]
    left = shape(equation.invars[0])
    depth = prod(left[axis] for axis in contracted)
    return _per_product(equation) * prod(shape(equation.outvars[0])) * depth


def _price_ragged(equation: JaxprEqn) -> int:
    """The product of one group, over all rows: each row belongs to one group."""
    numbers = equation.params["ragged_dot_dimension_numbers"]
    (_, contracted), (_, batch) = numbers.dot_dimension_numbers
    left, right = map(shape, equation.invars[:2])
    shared = {*contracted, *batch, *numbers.rhs_group_dimensions}
    free = prod(size for axis, size in enumerate(right) if axis not in shared)
    return _per_product(equation) * prod(left) * free


def _price_convolution(equation: JaxprEqn, *, padded: bool, to_inputs: bool) -> int:
    """An output element sums over the taps and over the input features of its group."""
    params = equation.params
    numbers = params["dimension_numbers"]
    image, kernel = map(shape, equation.invars)
    out = shape(equation.outvars[0])
    pairs = 1
    for axis in range(2, len(out)):
        inputs, outputs = image[numbers.lhs_spec[axis]], out[numbers.out_spec[axis]]
        taps, window = kernel[numbers.rhs_spec[axis]], _window(params, axis - 2)
        if padded and to_inputs:
            pairs *= _pairs(outputs, taps, inputs, padded=True, **_reversed(window, taps))
        else:
            pairs *= _pairs(inputs, taps, outputs, padded=padded, **window)
    batch, features = out[numbers.out_spec[0]], out[numbers.out_spec[1]]
    return _per_product(equation) * batch * features * kernel[numbers.rhs_spec[1]] * pairs


def _window(params: dict[str, Any], axis: int) -> dict[str, int]:
    return {
        "stride": params["window_strides"][axis],
        "before": params["padding"][axis][0],
        "spread": params["lhs_dilation"][axis],
        "step": params["rhs_dilation"][axis],
    }


def _reversed(window: dict[str, int], taps: int) -> dict[str, int]:
    """The window through which the inputs are seen from the outputs."""
    before = (taps - 1) * window["step"] - window["before"]
    stride, spread = window["spread"], window["stride"]
    return {"stride": stride, "before": before, "spread": spread, "step": window["step"]}


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
