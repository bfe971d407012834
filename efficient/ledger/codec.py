"""Dataclasses to strict JSON and back, with one line that names what does not fit."""

from __future__ import annotations

import dataclasses
import functools
import math
import sys
import types
import typing
from typing import Any

#: Plain types whose values need no second look.
_EXACT = frozenset({str, int, bool})


class RecordError(ValueError):
    """A record that cannot be read: the message names the field, the value and the remedy."""


def to_dict(value: Any) -> Any:
    """Plain JSON types of a dataclass tree. Non-finite numbers become `None`: strict JSON."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_dict(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(k): to_dict(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_dict(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def from_dict(kind: Any, value: Any, where: str = "record") -> Any:
    """Rebuild `kind` (a dataclass or a type of one of its fields) from plain JSON types.

    Raises:
        RecordError: a field is missing, unknown or of another type; one line names it.
    """
    if kind in _EXACT and type(value) is kind:
        return value  # nearly all of them
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        if not isinstance(value, dict):
            raise RecordError(f"{where}: expected an object, found {type(value).__name__}")
        hints, names = _fields(kind)
        if unknown := sorted(set(value) - set(names)):
            raise RecordError(f"{where}: unknown field {unknown[0]!r}; is it of a newer version?")
        for name, f in names.items():
            needed = f.default is f.default_factory is dataclasses.MISSING
            if name not in value and needed:
                raise RecordError(f"{where}: field {name!r} is missing; the file is damaged")
        return kind(**{k: from_dict(hints[k], v, f"{where}.{k}") for k, v in value.items()})
    return _from_plain(kind, value, where)


@functools.cache
def _fields(kind: type) -> tuple[dict[str, Any], dict[str, Any]]:
    """Types and fields of a dataclass by name; resolving the types is what takes time."""
    return typing.get_type_hints(kind), {f.name: f for f in dataclasses.fields(kind)}


def _from_plain(kind: Any, value: Any, where: str) -> Any:
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return value
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in args:
            return None
        options = [a for a in args if a is not type(None)]
        if len(options) == 1:
            return from_dict(options[0], value, where)
        if value is None and float in options:
            return math.nan
        if not isinstance(value, tuple(options)) or isinstance(value, bool):
            raise RecordError(f"{where}: {value!r} is none of {kind}")
        return value
    if origin is dict:
        if not isinstance(value, dict):
            raise RecordError(f"{where}: expected an object, found {type(value).__name__}")
        return {k: from_dict(args[1], v, f"{where}.{k}") for k, v in value.items()}
    if origin is tuple:
        if not isinstance(value, list):
            raise RecordError(f"{where}: expected a list, found {type(value).__name__}")
        return tuple(from_dict(args[0], v, f"{where}[{i}]") for i, v in enumerate(value))
    if kind is float:
        if value is None:
            return math.nan
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise RecordError(f"{where}: expected a number, found {value!r}")
        if abs(value) > sys.float_info.max:
            raise RecordError(f"{where}: {str(value)[:20]}... is too large a number")
        return float(value)
    if (isinstance(value, bool) and kind is not bool) or not isinstance(value, kind):
        raise RecordError(f"{where}: expected {kind.__name__}, found {value!r}")
    return value
