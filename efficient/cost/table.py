"""Dated tables of facts that travel with the package: a CSV file each, a frozen dataclass a row.

A line that begins with # is a comment. A cell is text, a number, or several texts between | signs;
an empty cell is None where the field allows it. Every row says where it is from.
"""

from __future__ import annotations

import csv
import math
import types
import typing
from collections.abc import Iterator
from dataclasses import MISSING, fields
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

TABLES = Path(__file__).parent / "tables"
Row = TypeVar("Row")


class TableError(ValueError):
    """A table that cannot be read: one line naming the file, the line, the cell and the remedy."""


@cache
def rows(name: str, kind: type[Row]) -> tuple[Row, ...]:
    """The rows of the packaged table `name`, read once."""
    return read(TABLES / f"{name}.csv", kind)


def read(path: Path, kind: type[Row]) -> tuple[Row, ...]:
    """The rows of a file as `kind`, a dataclass whose fields are the file's columns.

    Raises:
        TableError: the file is missing, or a column or a cell is not what its field wants.
    """
    lines = _lines(path)
    number, columns = next(lines, (1, []))
    needed = {field.name for field in fields(cast(Any, kind)) if field.default is MISSING}
    wrong = sorted(needed - set(columns)) + sorted(set(columns) - set(_types(kind)))
    if wrong or len(set(columns)) < len(columns):
        column = wrong[0] if wrong else "twice"
        raise _error(path, number, f"columns are not the fields of {kind.__name__}: {column}")
    made = []
    for number, cells in lines:
        if len(cells) != len(columns):
            raise _error(path, number, f"{len(cells)} cells for {len(columns)} columns")
        made.append(_row(path, number, kind, dict(zip(columns, cells, strict=True))))
    return tuple(made)


def _row(path: Path, number: int, kind: type[Row], cells: dict[str, str]) -> Row:
    values = {}
    for column, text in cells.items():
        try:
            values[column] = _value(text, _types(kind)[column])
        except ValueError as error:
            raise _error(path, number, f"{column}: {error}") from None
    return kind(**values)


def _value(text: str, kind: Any) -> Any:
    options = typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
    if text == "" and type(None) in options:
        return None
    wanted = next(option for option in options if option is not type(None))
    if wanted is str:
        return text
    if wanted == tuple[str, ...]:
        return tuple(part.strip() for part in text.split("|") if part.strip())
    try:
        value = wanted(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a number") from None
    if not math.isfinite(value) or value < 0:
        raise ValueError(f"{text!r} is not a finite number of at least 0")
    return value


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of what is no comment."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise TableError(f"{path.name}: {error.strerror}: install the package anew") from None
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            yield number, next(csv.reader([line]))


@cache
def _types(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _error(path: Path, number: int, text: str) -> TableError:
    return TableError(f"{path.name}, line {number}: {text}; correct the table")
