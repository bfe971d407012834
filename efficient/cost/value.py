"""What a traced program says of its values: shape and dtype, never contents."""

from __future__ import annotations

import re
from typing import Any

import jax.numpy as jnp
from jax.extend.core import Jaxpr, Literal, Var

Value = Var | Literal

# A program as `jax.make_jaxpr` returns it: a ClosedJaxpr, which from jax 0.12 on is a Jaxpr.
Traced = Any


def shape(value: Value) -> tuple[int, ...]:
    """The shape of `value`; () when it has none, as a token."""
    return getattr(value.aval, "shape", ())


def dtype(value: Value) -> str:
    """The name of the dtype of `value`, such as "float32"; "" when it has none."""
    return getattr(getattr(value.aval, "dtype", None), "name", "")


def is_inexact(value: Value) -> bool:
    """Whether `value` holds floating or complex numbers, so that it can have a gradient."""
    kind = getattr(value.aval, "dtype", None)
    return kind is not None and jnp.issubdtype(kind, jnp.inexact)


def is_complex(value: Value) -> bool:
    kind = getattr(value.aval, "dtype", None)
    return kind is not None and jnp.issubdtype(kind, jnp.complexfloating)


def program(jaxpr: Traced) -> Jaxpr:
    """The equations of `jaxpr`, whether it came with its constants or without."""
    return getattr(jaxpr, "jaxpr", jaxpr)


def bucket(name: str) -> str:
    """The short name of a type of operands for display: "f32", "fp8", "int4", "bf16*int8", ...

    Formats of one width that machines multiply at one speed share a name: all 8-bit floats are
    "fp8", signed and unsigned integers are one.
    """
    return "*".join(dict.fromkeys(map(_bucket, name.split("*"))))


def _bucket(name: str) -> str:
    found = re.fullmatch(r"(bfloat|float|u?int|complex)(\d+)(_.*)?", name)
    if found is None:
        return name
    kind, bits, variant = found.groups()
    if kind == "float":
        return f"{'fp' if variant else 'f'}{bits}"
    return {"bfloat": "bf", "complex": "c"}.get(kind, "int") + bits
