"""`efficient query`: records asked in SQL."""

from __future__ import annotations

import argparse
import csv
import json
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from efficient.cli.failure import UsageError
from efficient.cli.output import (
    console,
    document,
    heading,
    say,
    say_now_and_then,
    table,
    warn,
)
from efficient.compare.column import BY_KEY
from efficient.data.location import cache_directory
from efficient.ledger.index import Index, index
from efficient.ledger.printable import printable
from efficient.ledger.query import Answer, select, write_parquet
from efficient.ledger.table import TABLES, Column

NUMBERS = ("BIGINT", "HUGEINT", "DOUBLE", "INTEGER", "FLOAT", "UBIGINT", "DECIMAL")
#: What a column's name says of its unit, where `compare.column` does not.
UNITS = {
    r"^flops_|_flops$": "flop",
    r"_s$": "s",
    r"_bytes$": "byte",
    r"_j$|^joules$": "j",
    r"_kwh$": "kwh",
    r"_w$": "w",
    r"_loss$": "nats",
    r"_accuracy$": "fraction",
    r"_usd_": "usd",
    r"_utc$": "UTC",
}


def query(arguments: argparse.Namespace) -> int:
    """Print or write what one SELECT says of the records of some places."""
    if arguments.schema:
        return _schema(arguments.json)
    if arguments.sql is None:
        raise UsageError("nothing is asked; give a SELECT, or --schema for the tables")
    tell = say_now_and_then()
    made = index(
        arguments.places or ["runs"],
        cache_directory() / "index",
        lambda done, total: tell(f"read {done:,} of {total:,} new or changed files"),
    )
    try:
        _answer(made, arguments)
    finally:
        made.connection.close()
    return 0


def _answer(made: Index, arguments: argparse.Namespace) -> None:
    if arguments.parquet:
        write_parquet(made.connection, arguments.sql, Path(arguments.parquet))
        say(f"written: {arguments.parquet}")
    else:
        answer = select(made.connection, arguments.sql)
        if arguments.json:
            rows = [dict(zip(answer.names, row, strict=True)) for row in _plain(answer)]
            document({"rows": rows, "complaints": made.complaints})
            return
        (_csv if arguments.csv else _table)(answer)
    for text in made.complaints:
        warn(text)


def _table(answer: Answer) -> None:
    numbers = [kind.startswith(NUMBERS) for kind in answer.kinds]
    names = [
        f">{name}" if right else name for name, right in zip(answer.names, numbers, strict=True)
    ]
    table(console(), names, ([_cell(v) for v in r] for r in answer.rows))


def _csv(answer: Answer) -> None:
    """NULL is empty; lists and objects are JSON."""
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(answer.names)
    for row in _plain(answer):
        nested = (json.dumps(v) if isinstance(v, (list, dict)) else v for v in row)
        out.writerow(nested)


def _plain(answer: Answer) -> Iterator[list[Any]]:
    """Rows of what JSON knows: JSON columns are parsed, dates and the like are text."""
    for row in answer.rows:
        yield [
            json.loads(value) if kind == "JSON" and value is not None else _json(value)
            for value, kind in zip(row, answer.kinds, strict=True)
        ]


def _json(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_json(each) for each in value]
    if isinstance(value, dict):
        return {str(key): _json(each) for key, each in value.items()}
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def _cell(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, (list, tuple)):
        return ", ".join(_cell(each) for each in value)
    return printable(str(value))


def _schema(as_document: bool) -> int:
    """What there is to ask; the columns of costs with the meaning that comparisons give them."""
    described = {each.name: (each.meaning, [*_columns(each.columns)]) for each in TABLES}
    described["complaints"] = (
        "files and lines that hold no usable record",
        [("path", "VARCHAR", "", ""), ("line", "BIGINT", "", ""), ("reason", "VARCHAR", "", "")],
    )
    names = ("column", "type", "unit", "meaning")
    if as_document:
        document(
            {
                name: {
                    "meaning": meaning,
                    "columns": [dict(zip(names, r, strict=True)) for r in rows],
                }
                for name, (meaning, rows) in described.items()
            }
        )
        return 0
    for name, (meaning, rows) in described.items():
        heading(console(), f"{name}: {meaning}")
        table(console(), names, rows)
    return 0


def _columns(columns: Iterable[Column]) -> Iterator[tuple[str, str, str, str]]:
    if "run_id" not in {column.name for column in columns}:
        yield "run_id", "VARCHAR", "", ""
    for column in columns:
        known = BY_KEY.get(column.name)
        named = (unit for pattern, unit in UNITS.items() if re.search(pattern, column.name))
        unit = known.unit if known else next(named, "")
        yield column.name, column.kind, unit, known.meaning if known else ""
