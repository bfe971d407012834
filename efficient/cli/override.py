"""Typed values from words: fields of a config by dotted path, and variants with their settings.

A field's type is its dataclass's annotation. This is not left to tyro: it answers a mistake with
a framed page printed by itself where we promise one line, and it cannot type the fields behind
`model` and `workload`, which may be chosen on the very same command line.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Sequence
from typing import Any

from efficient.config import TABLES, Config, ConfigError, find_type, nearest, type_name
from efficient.variants import VARIANTS, Variant

#: Words by dotted field.
Words = dict[str, list[str]]

NOT_OPTIONS = ("variants", "preset", "arm")


def override(config: Config, words: Sequence[str], others: Sequence[str] = ()) -> Config:
    """The config with `--field value ...` applied; `others` are options that also exist.

    Raises:
        ConfigError: an unknown field (the nearest is named), or a value of the wrong type.
    """
    given = _options(words)
    if stray := given.pop("", None):
        raise ConfigError(f"{stray[0]!r} belongs to no option; CONFIG comes first, one per run")
    changed = _assembled(config, given, "")
    if given:
        name = option(next(iter(given)))
        known = [*others, *(option(field) for field, _ in fields(changed))]
        last = [o for o in known if o.rpartition(".")[2] == name.removeprefix("--")]
        remedy = f"did you mean {last[0]!r}?" if last else nearest(name, known)
        raise ConfigError(f"override {name!r} is unknown; {remedy}")
    return changed


def fields(value: Any, prefix: str = "") -> list[tuple[str, Any]]:
    """Dotted fields of a config and their values, in order of definition."""
    found: list[tuple[str, Any]] = []
    for field in dataclasses.fields(value):
        path, inner = prefix + field.name, getattr(value, field.name)
        if path in NOT_OPTIONS:
            continue
        if path in TABLES:
            found.append((path, type_name(TABLES[path], inner)))
        found += fields(inner, path + ".") if dataclasses.is_dataclass(inner) else [(path, inner)]
    return found


def option(path: str) -> str:
    """How a field is written on the command line."""
    return "--" + path.replace("_", "-")


def variant(text: str) -> Variant:
    """`NAME` or `NAME:field=value,field=value`; NAME stands in the table or is module:Attribute.

    Raises:
        ConfigError: the name, a field or a value is wrong. VariantError: the variant refuses it.
    """
    name, settings = _divided(text, VARIANTS)
    kind = find_type(VARIANTS, name)
    if not (isinstance(kind, type) and issubclass(kind, Variant)):
        raise ConfigError(f"{name!r} is no variant; derive it from efficient.Variant")
    return _set(kind, settings, f"variant {name!r}")


def control(text: str) -> Any:
    """`NAME` or `NAME:field=value`, as a variant's; NAME stands in the table of controls.

    Raises:
        ConfigError: the name, a field or a value is wrong.
    """
    from efficient.controls import CONTROLS

    name, settings = _divided(text, CONTROLS)
    kind = find_type(CONTROLS, name)
    if lacking := [part for part in ("fit", "kind", "library", "title") if not hasattr(kind, part)]:
        raise ConfigError(f"{name!r} is no control: it has no {lacking[0]}; see docs/controls.md")
    return _set(kind, settings, f"control {name!r}")


def _divided(text: str, table: dict[str, Any]) -> tuple[str, str]:
    """The name, of the table or module:Attribute, and the settings behind it."""
    parts = text.split(":", 2)
    own = parts[0] not in table and len(parts) > 1 and "=" not in parts[1]
    count = 2 if own else 1
    return ":".join(parts[:count]), ":".join(parts[count:])


def _set(kind: Any, settings: str, where: str) -> Any:
    """A dataclass from `field=value,field=value`."""
    given: Words = {}
    for setting in settings.split(",") if settings else ():
        field, equals, value = setting.partition("=")
        if not equals:
            raise ConfigError(f"{setting!r} of {where} is no field=value")
        given[field.strip().replace("-", "_")] = value.split() or [""]
    return _constructed(kind, given, where)


def convert(hint: Any, words: Sequence[str], name: str) -> Any:
    """A value of the annotated type.

    Raises:
        ConfigError: the words are not of that type.
    """
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType) and type(None) in arguments:
        if list(words) == ["none"]:
            return None
        return convert(next(a for a in arguments if a is not type(None)), words, name)
    if origin is tuple:
        if typing.get_origin(arguments[0]) is tuple:
            return tuple(convert(arguments[0], word.split(","), name) for word in words)
        if Ellipsis not in arguments and len(words) != len(arguments):
            raise ConfigError(f"{name} takes {len(arguments)} values, not {len(words)}")
        return tuple(convert(arguments[0], [word], name) for word in words)
    if hint is str:
        return " ".join(words)
    if hint not in _SIMPLE:
        raise ConfigError(f"{name} cannot be given as text; set it in a config file")
    if len(words) != 1:
        raise ConfigError(f"{name} takes one value, not {len(words)}")
    read, what = _SIMPLE[hint]
    try:
        return read(words[0])
    except (ValueError, KeyError):
        raise ConfigError(f"{name} {words[0]!r} is not {what}") from None


_SIMPLE: dict[Any, tuple[Any, str]] = {
    int: (int, "a whole number"),
    float: (float, "a number"),
    bool: ({"true": True, "false": False}.__getitem__, "true or false"),
}


def _options(words: Sequence[str]) -> Words:
    """Words by the option that they follow; those before any option under ""."""
    given: Words = {}
    name = ""
    for word in words:
        if word.startswith("--"):
            name, equals, value = word.removeprefix("--").partition("=")
            name = name.replace("-", "_")
            if name in given:
                raise ConfigError(f"override {option(name)!r} stands twice; keep one")
            given[name] = [value] if equals else []
        else:
            given.setdefault(name, []).append(word)
    return given


def _assembled(value: Any, given: Words, prefix: str) -> Any:
    """`value` with its fields changed; what is used is taken out of `given`."""
    hints = typing.get_type_hints(type(value))
    changes: dict[str, Any] = {}
    for field in dataclasses.fields(value):
        path, inner = prefix + field.name, getattr(value, field.name)
        if path in NOT_OPTIONS:
            continue
        if path in TABLES and path in given:
            kind = find_type(TABLES[path], convert(str, given.pop(path), option(path)))
            below = [name for name in given if name.startswith(path + ".")]
            own = {name.removeprefix(path + "."): given.pop(name) for name in below}
            changes[field.name] = _constructed(kind, own, option(path))
        elif dataclasses.is_dataclass(inner):
            changes[field.name] = _assembled(inner, given, path + ".")
        elif path in given:
            changes[field.name] = convert(hints[field.name], given.pop(path), option(path))
    return dataclasses.replace(value, **changes)


def _constructed(kind: Any, given: Words, where: str) -> Any:
    """A dataclass from words; fields that are not given keep their defaults."""
    if not (isinstance(kind, type) and dataclasses.is_dataclass(kind)):
        raise ConfigError(f"{where}: {kind!r} is no dataclass; its settings must be its fields")
    hints = typing.get_type_hints(kind)
    settable = {f.name: f for f in dataclasses.fields(kind) if f.init}
    for name in given:
        if name not in settable:
            raise ConfigError(f"{where} has no field {name!r}; {nearest(name, settable)}")
    for name, field in settable.items():
        if field.default is field.default_factory is dataclasses.MISSING and name not in given:
            raise ConfigError(f"{where} needs a value for its field {name!r}")
    values = {name: convert(hints[name], w, f"{where} {name}") for name, w in given.items()}
    try:
        return kind(**values)
    except ConfigError:
        raise
    except ValueError as error:
        raise ConfigError(str(error)) from error
