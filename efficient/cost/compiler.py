"""XLA's own count of a program, as a check of ours.

Only the analysis of the *lowered* program on a CPU is used. XLA's rules differ from ours in known
ways (docs/accounting.md): it counts element-wise arithmetic, about one FLOP for each element, and
the random bits of dropout; it counts the body of a loop once, however often that runs; it leaves
the taps on padding out. So the program that is checked is one step without loops and without
dropout, the count is the un-padded one, and XLA may be above it by a little, never below.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import jax
from jax.extend.core import JaxprEqn, jaxprs_in_params

from efficient.cost.flops import count
from efficient.cost.primitive import ELEMENTWISE, REDUCTIONS
from efficient.cost.value import Traced, program, shape

#: How far XLA may be above us, where element-wise work is below a share of the contractions' FLOPs:
#: networks of matrix products and convolutions; small, narrow or depthwise ones.
TOLERANCES = {0.015: 1.02, 0.08: 1.10}

#: For networks so small that element-wise work passes every share: that work and a quarter more.
BEYOND = 1.25

#: XLA adds in single precision.
ROUNDING = 1e-6

#: FLOPs for each element of functions that XLA writes out as polynomials; exact GELU is an erfc.
POLYNOMIALS = {"erfc": 62, "erf_inv": 37}


@dataclass(frozen=True)
class Check:
    """XLA's count / ours, and whether that is within 1 and `tolerance`; None: it says nothing."""

    ratio: float | None
    agrees: bool | None
    tolerance: float
    reason: str


def crosscheck_training(
    loss: Callable[[Any, Any, Any], jax.Array],
    params: Any,
    rest: Any,
    batch: Any,
    flops_unpadded: int | None = None,
) -> Check:
    """XLA against our count of `loss(params, rest, batch)` and its gradient by `params`.

    The loss is of one step without dropout; the arguments are arrays or shapes. `flops_unpadded`
    is what somebody else counted for the same step; without it, it is counted here.
    """
    traced = jax.jit(jax.value_and_grad(loss)).trace(params, rest, batch)
    ours = count(traced.jaxpr, platform="cpu")
    tolerance = tolerance_of(elementwise(traced.jaxpr), ours.priced)
    if ours.unpriced:
        return Check(None, None, tolerance, ours.reason or "")
    if _contracts_in_a_loop(traced.jaxpr):
        return Check(None, None, tolerance, "XLA counts the body of a loop once")
    counted = ours.priced if flops_unpadded is None else flops_unpadded
    return crosscheck(counted, lowered_flops(traced), tolerance)


def crosscheck(flops_unpadded: int, xla: float | None, tolerance: float = 1.02) -> Check:
    """Whether XLA's count lies between ours and `tolerance` times ours."""
    if xla is None:
        return Check(None, None, tolerance, "XLA counts no lowered program here: no CPU backend")
    if not flops_unpadded:
        return Check(None, None, tolerance, "the program contracts nothing")
    ratio = xla / flops_unpadded
    agrees = 1 - ROUNDING <= ratio <= tolerance
    verb = "agrees" if agrees else "disagrees"
    said = f"XLA {verb}: it counts {ratio:.4f} of our un-padded FLOPs"
    return Check(ratio, agrees, tolerance, f"{said}; 1 to {tolerance:.4g} is expected")


def lowered_flops(function: Any, *args: Any, **kwargs: Any) -> float | None:
    """FLOPs of `function(*args)`, or of a `jax.stages.Traced`, as XLA analyses them for a CPU.

    None where there is no CPU backend to ask. Nothing is compiled.
    """
    try:
        device = jax.devices("cpu")[0]
    except RuntimeError:
        return None
    with jax.default_device(device):
        traced = function if not args and hasattr(function, "lower") else None
        traced = traced or jax.jit(function).trace(*args, **kwargs)
        analysis = traced.lower(lowering_platforms=("cpu",)).cost_analysis()
    return None if analysis is None else float(analysis.get("flops", 0.0))


def tolerance_of(flops_elementwise: int, flops: int) -> float:
    """How far above `flops` XLA may count a program with that much element-wise work."""
    share = flops_elementwise / flops if flops else 0.0
    return next((t for most, t in TOLERANCES.items() if share < most), 1 + BEYOND * share)


def elementwise(jaxpr: Traced) -> int:
    """About what XLA counts for element-wise arithmetic and reductions: one FLOP an element."""
    return sum(map(_elements, program(jaxpr).eqns))


def _elements(equation: JaxprEqn) -> int:
    name = equation.primitive.name
    if name in ELEMENTWISE:
        return POLYNOMIALS.get(name, 1) * prod(shape(equation.outvars[0]))
    if name in REDUCTIONS:
        return prod(shape(equation.invars[0]))
    return sum(elementwise(inner) for inner in jaxprs_in_params(equation.params))


def _contracts_in_a_loop(jaxpr: Traced) -> bool:
    for equation in program(jaxpr).eqns:
        is_loop = equation.primitive.name in ("scan", "while")
        for inner in jaxprs_in_params(equation.params):
            if (is_loop and count(inner).priced) or _contracts_in_a_loop(inner):
                return True
    return False
