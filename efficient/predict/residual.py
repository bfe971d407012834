"""What the backward pass keeps of the forward: the activations of a traced step, in bytes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
from jax.extend.core import Jaxpr, Var

from efficient.cost.value import program

#: Primitives whose result is their first operand in another shape: a compiler keeps one of both.
VIEWS = {"reshape", "transpose", "squeeze", "expand_dims", "broadcast_in_dim", "copy", "rev"}


def residual_bytes(loss: Callable[..., jax.Array], params: Any, *rest: Any) -> int:
    """Bytes that differentiating `loss(params, *rest)` by `params` keeps until they are used.

    The arguments are shapes or arrays; nothing is computed. What is an argument itself is not
    counted, as it is held anyway, and a value that is kept in two shapes counts once. This is what
    automatic differentiation asks for: a compiler may keep less, as it fuses and recomputes cheap
    operations, and it needs working memory of its own.
    """

    def forward(params: Any, *rest: Any) -> Any:
        _, backward = jax.vjp(lambda p: loss(p, *rest), params)
        return jax.tree.leaves(backward)

    jaxpr = program(jax.make_jaxpr(forward)(params, *rest))
    origin = _origins(jaxpr)
    kept = {origin.get(v, v) for v in jaxpr.outvars if isinstance(v, Var)}
    return sum(_bytes(value) for value in kept - {*jaxpr.invars, *jaxpr.constvars})


def _origins(jaxpr: Jaxpr) -> dict[Var, Var]:
    """Value -> the value that it shows in another shape."""
    origin: dict[Var, Var] = {}
    for equation in jaxpr.eqns:
        first = equation.invars[0] if equation.invars else None
        if equation.primitive.name in VIEWS and isinstance(first, Var):
            origin[equation.outvars[0]] = origin.get(first, first)
    return origin


def _bytes(value: Var) -> int:
    shape, dtype = getattr(value.aval, "shape", ()), getattr(value.aval, "dtype", None)
    return math.prod(shape) * (dtype.itemsize if dtype is not None else 0)
