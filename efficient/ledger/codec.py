"""Dataclasses to strict JSON and back, with one line that names what does not fit."""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import sys
import types
import typing
from collections import Counter
from typing import Any

from efficient.ledger.error import RecordError, brief

__all__ = ["RecordError", "from_dict", "parse", "to_dict"]

#: Levels of free-form JSON, as in the config of a record.
DEEPEST = 50


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
    if type(value) in _as_it_is(kind) and (type(value) is not float or math.isfinite(value)):
        return value
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        if not isinstance(value, dict):
            raise RecordError(f"{where}: expected an object, found {type(value).__name__}")
        hints, needed = _fields(kind)
        if unknown := sorted(value.keys() - hints.keys()):
            raise RecordError(f"{where}: unknown field {unknown[0]!r}; is it of a newer version?")
        for name in needed:
            if name not in value:
                raise RecordError(f"{where}: field {name!r} is missing; the file is damaged")
        return kind(**{k: from_dict(hints[k], v, f"{where}.{k}") for k, v in value.items()})
    return _from_plain(kind, value, where)


def parse(where: str, text: bytes) -> Any:
    """JSON as its standard has it: UTF-8, no NaN, no infinity, no key twice.

    Raises:
        RecordError: it is not; the line begins with `where`.
    """
    try:
        return json.loads(
            text.decode(), parse_constant=_refuse, parse_float=_number, object_pairs_hook=_unique
        )
    except (ValueError, RecursionError) as error:
        why = brief(str(error).splitlines()[0])
        raise RecordError(f"{where}: damaged ({why}); delete it or repeat the run") from error


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON number")


def _number(text: str) -> float:
    value = float(text)
    return value if abs(value) != math.inf else _refuse(text)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise ValueError(f"key {twice!r} stands twice")
    return value


def _bounded(value: Any, where: str, depth: int = 0) -> Any:
    """What anybody may go through by recursion."""
    if depth > DEEPEST:
        raise RecordError(f"{where}: more than {DEEPEST} levels deep; no run writes that")
    if isinstance(value, (dict, list)):
        for each in value.values() if isinstance(value, dict) else value:
            _bounded(each, where, depth + 1)
    return value


@functools.cache
def _fields(kind: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Of a dataclass: the types of its fields, and the names of those that have no default."""
    fields = dataclasses.fields(kind)
    needed = (f.name for f in fields if f.default is f.default_factory is dataclasses.MISSING)
    return typing.get_type_hints(kind), tuple(needed)


@functools.cache
def _as_it_is(kind: Any) -> frozenset[type]:
    """The types whose values need no look: most of a record."""
    options = typing.get_args(kind) if _is_union(kind) else (kind,)
    return frozenset(options) & {str, int, float, bool, type(None)}


def _is_union(kind: Any) -> bool:
    return typing.get_origin(kind) in (typing.Union, types.UnionType)


def _from_plain(kind: Any, value: Any, where: str) -> Any:
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return _bounded(value, where)
    if _is_union(kind):
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
