"""Records as rows: the tables of the index, read off the types of the record.

A number, word or flag of the record is a column of its own name; what stands in a part of the
record has the part's name before it (`machine_cores`, `data_name`, `grid_region`), but for the
cost, whose names are the record's. Scores and laps are columns, lists stay lists, and what has no
fixed names is JSON. NULL is unknown, as an empty word is. What repeats within a run has a table of
its own.
"""

from __future__ import annotations

import dataclasses
import json
import math
import types
import typing
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from efficient.ledger.bill import EnergyPart, Process
from efficient.ledger.codec import to_dict
from efficient.ledger.error import RecordError
from efficient.ledger.record import LAPS, Parent, Point, Record

SPLITS = ("validation", "test", "artefact")
#: Fields that are flattened under another name, or have a table of their own (None).
_NAMES: dict[str, str | None] = {
    "select": "selection",  # a word of SQL
    "cost": "",
    "points": None,
    "parents": None,
    "evidence": None,
    "unknown": None,
    "scores": None,
    "laps": None,
    "processes": None,
    "energy": None,
}
#: Parts of the record that stay one JSON value.
_WHOLE = ("calibration", "estimate")
_KINDS = {int: "BIGINT", float: "DOUBLE", str: "VARCHAR", bool: "BOOLEAN"}
_LIMITS = {"BIGINT": 2**63 - 1, "HUGEINT": 2**127 - 1}


@dataclass(frozen=True)
class Column:
    """kind: its type in SQL; value: what it holds of a row, None where that is unknown."""

    name: str
    kind: str
    value: Callable[[Any], Any]

    def of(self, row: Any) -> Any:
        """The value as the index can hold it.

        Raises:
            RecordError: a number is too large.
        """
        value = self.value(row)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else None
        if isinstance(value, int):
            if abs(value) > _LIMITS.get(self.kind, math.inf):
                raise RecordError(f"{self.name} {str(value)[:20]}... is too large a number")
            return value
        if self.kind.endswith("[]"):
            return [clean(each) for each in value]
        if not value:
            return None
        if self.kind == "JSON":
            return clean(json.dumps(to_dict(value), ensure_ascii=False))
        return clean(value)


@dataclass(frozen=True)
class Table:
    """rows: what a record has in it; the id of its run is added where it is no column."""

    name: str
    meaning: str
    columns: tuple[Column, ...]
    rows: Callable[[Record], Iterable[Any]]


def flat(kind: Any, prefix: str = "", get: Callable[[Any], Any] = lambda row: row) -> list[Column]:
    """The columns of a dataclass, its parts included; all are NULL where `get` finds None."""
    found = []
    for name, hint in typing.get_type_hints(kind).items():
        label = _NAMES.get(name, name)
        if label is None:
            continue
        hint, value = _present(hint), _field(get, name)
        if dataclasses.is_dataclass(hint) and name not in _WHOLE:
            found += flat(hint, f"{prefix}{label}_" if label else prefix, value)
        else:
            found.append(Column(prefix + label, _sql(prefix + label, hint), value))
    return found


def clean(value: Any) -> Any:
    """Text that UTF-8 has no bytes for is shown by question marks."""
    if isinstance(value, str) and not value.isascii():
        return value.encode("utf-8", "replace").decode()
    return value


def _present(hint: Any) -> Any:
    """X of X | None."""
    options = [each for each in typing.get_args(hint) if each is not type(None)]
    union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    return options[0] if union and len(options) == 1 else hint


def _field(get: Callable[[Any], Any], name: str) -> Callable[[Any], Any]:
    return lambda row: None if (part := get(row)) is None else getattr(part, name)


def _sql(name: str, hint: Any) -> str:
    """FLOPs of large runs are above 2^63."""
    if hint is int and (name.startswith("flops_") or name == "bit_operations"):
        return "HUGEINT"
    if typing.get_origin(hint) is tuple and typing.get_args(hint)[0] in _KINDS:
        return f"{_KINDS[typing.get_args(hint)[0]]}[]"
    return _KINDS.get(hint, "JSON")


def _scores() -> list[Column]:
    """test_accuracy and so on."""
    return [
        Column(f"{split}_{name}", kind, _score(split, name))
        for split in SPLITS
        for name, kind in (("loss", "DOUBLE"), ("accuracy", "DOUBLE"), ("units", "BIGINT"))
    ]


def _score(split: str, name: str) -> Callable[[Record], Any]:
    return lambda run: getattr(run.scores[split], name) if split in run.scores else None


def _laps() -> list[Column]:
    return [Column(f"lap_{lap}_s", "DOUBLE", _lap(lap)) for lap in LAPS]


def _lap(name: str) -> Callable[[Record], Any]:
    return lambda run: run.cost.laps.get(name)


def _item(position: int) -> Callable[[Any], Any]:
    return lambda row: row[position]


def _number(row: tuple[str, Any]) -> float | None:
    try:
        return None if isinstance(row[1], str) else float(row[1])
    except OverflowError:
        return None


def _word(row: tuple[str, Any]) -> str | None:
    return row[1] if isinstance(row[1], str) else None


TABLES = (
    Table("runs", "a row for each run", (*flat(Record), *_scores(), *_laps()), lambda run: (run,)),
    Table("points", "the curve, where it has a score", tuple(flat(Point)), attrgetter("points")),
    Table("parents", "runs it needed", tuple(flat(Parent, "parent_")), attrgetter("parents")),
    Table(
        "processes",
        "processes of an attempt, killed ones included",
        tuple(flat(Process)),
        attrgetter("cost.processes"),
    ),
    Table(
        "energy",
        "joules by part of the machine",
        tuple(flat(EnergyPart)),
        attrgetter("cost.energy"),
    ),
    Table(
        "unknown",
        "why a cost is NULL",
        (Column("name", "VARCHAR", _item(0)), Column("reason", "VARCHAR", _item(1))),
        lambda run: run.cost.unknown.items(),
    ),
    Table(
        "evidence",
        "what a variant proves of its mechanism",
        (
            Column("name", "VARCHAR", _item(0)),
            Column("number", "DOUBLE", _number),
            Column("word", "VARCHAR", _word),
        ),
        lambda run: run.evidence.items(),
    ),
)
