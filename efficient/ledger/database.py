"""The tables of the index in DuckDB: made, compared with the files there are, and filled.

Schema `kept` holds the rows of every record that was read, by the number of its document; the
views of the main schema show those that count.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby, islice
from pathlib import Path

import duckdb

from efficient import __version__
from efficient.ledger.error import RecordError, StoreError, brief
from efficient.ledger.place import Entry
from efficient.ledger.reader import Document, documents, rank
from efficient.ledger.record import SCHEMA, Record
from efficient.ledger.table import TABLES, Table, clean

Connection = duckdb.DuckDBPyConnection
#: A file and the place it was listed in.
Listed = tuple[str, Entry]
#: Is given how many files of how many are read.
Tell = Callable[[int, int], None]
#: By table.
Rows = dict[str, list[tuple]]

#: Records that are written at once.
BATCH = 500
_FILES = {"path": "VARCHAR", "size": "BIGINT", "stamp": "VARCHAR"}
_DOCUMENTS = {
    "document": "BIGINT",
    "path": "VARCHAR",
    "line": "BIGINT",
    "rank": "BIGINT",
    "run_id": "VARCHAR",
    "reason": "VARCHAR",
}
_KEPT = {
    "files": _FILES,
    "documents": _DOCUMENTS,
    "used": {"document": "BIGINT", "run_id": "VARCHAR"},
    **{t.name: {"document": "BIGINT"} | {c.name: c.kind for c in t.columns} for t in TABLES},
}
#: What an index was made by; another version makes it anew.
_LAYOUT = hashlib.sha256(repr((__version__, SCHEMA, _KEPT)).encode()).hexdigest()
#: Of several copies of a run the first is used, as when records are read.
_CHOOSE = """
insert into kept.used select arg_min(document, (rank, path, line)), run_id from kept.documents
where reason is null group by run_id
"""
_COMPLAINTS = """
create view complaints as select path, line, coalesce(reason,
  path || case when line > 0 then ' line ' || line else '' end
  || ': run ' || run_id || ' stands twice; this copy is not used') as reason
from kept.documents anti join kept.used using (document) order by rank, path, line
"""


def make(file: str) -> Connection:
    """An index of nothing."""
    connection = duckdb.connect(file)
    connection.execute("create schema kept")
    connection.execute("create table kept.layout as select ? as digest", [_LAYOUT])
    for name, columns in _KEPT.items():
        listed = ", ".join(f"{column} {kind}" for column, kind in columns.items())
        connection.execute(f"create table kept.{name} ({listed})")
    for table in TABLES:
        own = {column.name for column in table.columns}
        run = "" if "run_id" in own else "u.run_id, "
        connection.execute(
            f"create view {table.name} as select {run}t.* exclude (document)"
            f" from kept.{table.name} t join kept.used u using (document)"
        )
    connection.execute(_COMPLAINTS)
    return connection


def is_current(connection: Connection) -> bool:
    """Whether this version of the package made it."""
    return connection.execute("select digest from kept.layout").fetchall() == [(_LAYOUT,)]


def differences(connection: Connection, listed: dict[str, Listed]) -> list[str]:
    """Paths of files that were changed, came or went since the index was made."""
    found = connection.execute("select path, size, stamp from kept.files").fetchall()
    old = {path: (size, stamp) for path, size, stamp in found}
    now = {path: (entry.size, entry.stamp) for path, (_, entry) in listed.items()}
    unstamped = (path for path, (_, stamp) in now.items() if not stamp)
    changed = (path for path in old.keys() | now.keys() if old.get(path) != now.get(path))
    return sorted({*changed, *unstamped})


def update(connection: Connection, listed: dict[str, Listed], tell: Tell) -> None:
    """Read the files that differ, and forget what they held before.

    A file that cannot be read is kept without a stamp, so that it is asked for again.
    """
    paths = differences(connection, listed)
    changed = "path in (select unnest(?::VARCHAR[]))"
    gone = f"document in (select document from kept.documents where {changed})"
    for table in TABLES:
        connection.execute(f"delete from kept.{table.name} where {gone}", [paths])
    for name in ("documents", "files"):
        connection.execute(f"delete from kept.{name} where {changed}", [paths])
    fresh = [listed[path] for path in paths if path in listed]
    count = "select coalesce(max(document), 0) from kept.documents"
    numbered = enumerate(_documents(fresh, tell), connection.execute(count).fetchall()[0][0] + 1)
    unread: set[str] = set()
    while batch := list(islice(numbered, BATCH)):
        unread |= {each.path for _, each in batch if isinstance(each.content, StoreError)}
        _write(connection, batch)
    stamps = [(one.path, one.size, "" if one.path in unread else one.stamp) for _, one in fresh]
    _insert(connection, "files", stamps)
    connection.execute("delete from kept.used")
    connection.execute(_CHOOSE)


def _documents(fresh: Sequence[Listed], tell: Tell) -> Iterator[Document]:
    done = 0
    for place, group in groupby(fresh, key=lambda pair: pair[0]):
        entries = [entry for _, entry in group]
        for _, held in groupby(documents(place, entries), key=lambda document: document.path):
            yield from held
            done += 1
            tell(done, len(fresh))


def _read(number: int, document: Document) -> Rows:
    """The rows of a document in every table; of one that is unfit only why."""
    try:
        record = document.record()
        rows = {table.name: _rows(number, table, record) for table in TABLES}
    except (RecordError, StoreError, RecursionError) as error:
        return _unfit(number, document, error)
    return rows | {"documents": [(*_head(number, document), clean(record.run_id), None)]}


def _rows(number: int, table: Table, record: Record) -> list[tuple]:
    return [(number, *(c.of(row) for c in table.columns)) for row in table.rows(record)]


def _unfit(number: int, document: Document, error: Exception) -> Rows:
    """The complaint of a record that is refused here, or was by the reader, who names the place."""
    said = isinstance(error, StoreError) or str(error).startswith(document.where)
    reason = str(error) if said else f"{document.where}: {brief(str(error).splitlines()[0])}"
    return {"documents": [(*_head(number, document), None, clean(reason))]}


def _head(number: int, document: Document) -> tuple:
    return number, clean(document.path), document.line, rank(Path(document.path).name)


def _write(connection: Connection, batch: Sequence[tuple[int, Document]]) -> None:
    """Insert a batch; where DuckDB refuses a value, its record alone is unfit."""
    found = [_read(number, document) for number, document in batch]
    try:
        _insert_all(connection, found)
    except duckdb.Error as error:
        if len(batch) == 1:
            _insert_all(connection, [_unfit(*batch[0], error)])
            return
        half = len(batch) // 2
        _write(connection, batch[:half])
        _write(connection, batch[half:])


def _insert_all(connection: Connection, found: Sequence[Rows]) -> None:
    connection.begin()
    try:
        for name in ("documents", *(table.name for table in TABLES)):
            _insert(connection, name, [row for rows in found for row in rows.get(name, ())])
    except duckdb.Error:
        connection.rollback()
        raise
    connection.commit()


def _insert(connection: Connection, name: str, rows: Sequence[tuple]) -> None:
    """Column by column: many times as fast as row by row."""
    if not rows:
        return
    values = [_unnested(kind) for kind in _KEPT[name].values()]
    columns = [list(column) for column in zip(*rows, strict=True)]
    connection.execute(f"insert into kept.{name} select {', '.join(values)}", columns)


def _unnested(kind: str) -> str:
    return "unnest(?::VARCHAR[])::JSON" if kind == "JSON" else f"unnest(?::{kind}[])"
