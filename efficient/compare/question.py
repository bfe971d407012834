"""What a run asked: the part of its configuration that decides its numbers, but for the seed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from efficient.compare.error import CompareError
from efficient.ledger.record import Record

#: Fields of a configuration in which runs of one arm may differ: the seed, two labels, and the
#: run whose outputs are compared with after training.
_NOT_ASKED = ("seed", "preset", "arm", "reference")
#: Characters of a role. Names are put in at once and are short, so that no record of a stranger can
#: make a text grow without bound.
_LONGEST = 20


def question(record: Record) -> dict[str, Any]:
    """The configuration without those fields; a parent is named by its role, as `<teacher>`."""
    config = {k: v for k, v in record.config.items() if k not in _NOT_ASKED}
    roles = {p.run_id: f"<{p.role[:_LONGEST]}>" for p in record.parents if p.run_id}
    if not roles:
        return config
    longest = sorted(roles, key=len, reverse=True)
    ids = re.compile(rf"(?<![\w-])({'|'.join(map(re.escape, longest))})(?![\w-])")
    return _each_text(config, lambda text: ids.sub(lambda found: roles[found[0]], text))


def refuse_others(one: Record, other: Record) -> None:
    """Refuse a run of an arm that asks another question.

    Raises:
        CompareError: with both runs, and the first field that differs.
    """
    for name, (a, b) in config_changes(question(one), question(other)).items():
        raise CompareError(
            f"runs {one.run_id} and {other.run_id} of arm {one.arm!r} differ in more than the "
            f"seed: config.{name} is {a!r} and {b!r}; give them two arms or two folders"
        )


def config_changes(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Dotted fields in which two configurations differ, with both values (`None`: absent).

    An empty list or object has no fields, so it equals an absent one.
    """
    a, b = dict(_leaves(one)), dict(_leaves(other))
    names = dict.fromkeys((*a, *b))
    return {
        name: (a.get(name), b.get(name))
        for name in names
        if (name in a, a.get(name)) != (name in b, b.get(name))
    }


def _each_text(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, dict):
        return {k: _each_text(v, change) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_each_text(v, change) for v in value]
    return change(value) if isinstance(value, str) else value


def _leaves(value: Any, where: str = "") -> Iterable[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for name in value:
            yield from _leaves(value[name], f"{where}.{name}" if where else str(name))
    elif isinstance(value, (list, tuple)):
        for i, item in enumerate(value):
            yield from _leaves(item, f"{where}[{i}]")
    else:
        yield where, value
