"""A configuration as lines: a field each, those of an inner object below its name."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

#: Levels of a configuration that are set out; what is deeper stands as one line of JSON.
DEEPEST = 8


@dataclass(frozen=True)
class Field:
    """A line of a configuration; `value` is None of a name with others below it."""

    depth: int
    name: str
    value: str | None


def outline(value: Any, name: str = "", depth: int = 0) -> list[Field]:
    """The lines of a value; `name` is its own, and none where it is the whole configuration."""
    inner = _inner(value)
    if not inner or depth >= DEEPEST:
        return [Field(depth, name, plain(value))]
    if name and isinstance(value, (list, tuple)) and not any(_inner(v) for v in value):
        return [Field(depth, name, ", ".join(map(plain, value)))]
    head = [Field(depth, name, None)] if name else []
    below = depth + 1 if name else depth
    for key, part in inner:
        head += outline(part, key, below)
    return head


def dotted(lines: Sequence[Field]) -> dict[str, str]:
    """Values by the names from the outermost to their own: `optimizer.lr`."""
    found: dict[str, str] = {}
    above: list[str] = []
    for line in lines:
        del above[line.depth :]
        above.append(line.name)
        if line.value is not None:
            found[".".join(above)] = line.value
    return found


def plain(value: Any) -> str:
    """A value as it stands in JSON, a text without its quotes."""
    if isinstance(value, str):
        return value or "(empty)"
    try:
        return json.dumps(value)
    except RecursionError:
        return "(too deep to show)"


def _inner(value: Any) -> list[tuple[str, Any]]:
    """Names and values of an object, places and values of a list; of all else none."""
    if isinstance(value, dict):
        return [(str(name), inner) for name, inner in value.items()]
    if isinstance(value, (list, tuple)):
        return [(str(i), inner) for i, inner in enumerate(value)]
    return []
