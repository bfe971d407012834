"""Questions to the index in SQL: one statement that reads, and can reach nothing but the tables."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from efficient.ledger.error import StoreError

#: Neither files nor the network nor variables of this program, and no way to change that.
_LOCKS = (
    "set python_enable_replacements = false",
    "set enable_external_access = false",
    "set lock_configuration = true",
    "begin transaction read only",  # an index in memory could be written otherwise
)
#: A semicolon and the comments behind it.
_END = re.compile(r";\s*((--[^\n]*|/\*.*?\*/)\s*)*\Z", re.DOTALL)
ROWS = 1000


class QueryError(ValueError):
    """SQL that cannot be run: one line with DuckDB's reason and hint."""


@dataclass(frozen=True)
class Answer:
    """names and kinds (types of SQL) of its columns; rows can be gone through once."""

    names: tuple[str, ...]
    kinds: tuple[str, ...]
    rows: Iterator[tuple[Any, ...]]


def select(connection: duckdb.DuckDBPyConnection, sql: str) -> Answer:
    """What one statement says. Afterwards the connection can do nothing but read its tables.

    Raises:
        QueryError: it is no single statement that reads, or DuckDB refuses it. Rows may raise it
        as well.
    """
    statement = _reading(sql)
    _execute(connection, *_LOCKS)
    _execute(connection, statement)
    described = connection.description or []
    names = _different([str(column[0]) for column in described])
    return Answer(names, tuple(str(column[1]) for column in described), _rows(connection))


def write_parquet(connection: duckdb.DuckDBPyConnection, sql: str, path: Path) -> None:
    """What one statement says, as a Parquet file, whole or not at all.

    Raises:
        QueryError: as `select`. StoreError: the file cannot be written.
    """
    asked = _reading(_END.sub("", _reading(sql).query)).query
    work = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _execute(connection, f"set allowed_paths = [{_quoted(str(work.absolute()))}]", *_LOCKS)
        try:
            connection.sql(asked).write_parquet(str(work.absolute()))
        except duckdb.Error as error:
            raise QueryError(_line(error)) from None
        work.replace(path)
    except OSError as error:
        why = error.strerror or error
        raise StoreError(f"{path}: cannot be written ({why}); give another file") from None
    finally:
        with contextlib.suppress(OSError):
            work.unlink(missing_ok=True)


def _reading(sql: str) -> duckdb.Statement:
    try:
        statements = duckdb.extract_statements(sql)
    except duckdb.Error as error:
        raise QueryError(_line(error)) from None
    if len(statements) != 1:
        raise QueryError(f"{len(statements)} statements: give one SELECT")
    if statements[0].type is not duckdb.StatementType.SELECT:
        kind = statements[0].type.name
        raise QueryError(f"{kind} is refused: records are never changed here; give a SELECT")
    return statements[0]


def _execute(connection: duckdb.DuckDBPyConnection, *statements: Any) -> None:
    for statement in statements:
        try:
            connection.execute(statement)
        except duckdb.Error as error:
            raise QueryError(_line(error)) from None


def _rows(connection: duckdb.DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    while True:
        try:
            rows = connection.fetchmany(ROWS)
        except duckdb.Error as error:
            raise QueryError(_line(error)) from None
        if not rows:
            return
        yield from rows


def _different(names: Sequence[str]) -> tuple[str, ...]:
    """A name that stands twice gets a number, as DuckDB does it in tables."""
    found: list[str] = []
    for name in names:
        free, number = name, 0
        while free in found:
            number += 1
            free = f"{name}_{number}"
        found.append(free)
    return tuple(found)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _line(error: duckdb.Error) -> str:
    """Its reason and its hint, without the drawing of the place."""
    return " ".join(str(error).partition("\n\n")[0].split())
