"""The index of records: DuckDB tables that can be deleted and rebuilt at any time.

It lies in the cache, one file for each set of places, and is written under a temporary name and
renamed. A file of records is parsed again when its size or its time of change differs. Where the
cache cannot be written, the index is made in memory.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from efficient.ledger.database import Listed, Tell, differences, is_current, make, update
from efficient.ledger.place import is_remote
from efficient.ledger.reader import holders


@dataclass(frozen=True)
class Index:
    """connection: to the tables, for reading; complaints: of what could not be read."""

    connection: duckdb.DuckDBPyConnection
    complaints: list[str]


def index(places: Sequence[Path | str], cache: Path | None, tell: Tell | None = None) -> Index:
    """The tables of all records of some places, brought up to date.

    cache: the folder that keeps the index; None: it is made in memory. tell: is given how many
    files of how many are read.

    Raises:
        StoreError: a place does not exist or cannot be reached.
    """
    listed: dict[str, Listed] = {}
    complaints: list[str] = []
    whole = sorted({str(p) if is_remote(p) else str(Path(p).resolve()) for p in places})
    for place in whole:
        entries, unreadable = holders(place)
        listed |= {entry.path: (place, entry) for entry in entries}
        complaints += unreadable
    connection, tell = None, tell or (lambda done, total: None)
    if cache is not None:
        name = hashlib.sha256("\n".join(whole).encode()).hexdigest()[:24]
        connection = _kept(cache / f"{name}.duckdb", listed, tell)
    if connection is None:
        connection = make(":memory:")
        update(connection, listed, tell)
    said = connection.execute("select reason from complaints").fetchall()
    return Index(connection, [*complaints, *(reason for (reason,) in said)])


def _kept(file: Path, listed: dict[str, Listed], tell: Tell) -> duckdb.DuckDBPyConnection | None:
    """The index of a file, which is replaced where it is out of date; None: it cannot be."""
    work = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    try:
        old = _current(file)
        if old is not None and not differences(old, listed):
            return old
        file.parent.mkdir(parents=True, exist_ok=True)
        if old is not None:
            old.close()
            shutil.copyfile(file, work)
        with contextlib.closing(
            duckdb.connect(str(work)) if old is not None else make(str(work))
        ) as new:
            update(new, listed, tell)
        work.replace(file)
        return duckdb.connect(str(file), read_only=True)
    except (OSError, duckdb.Error):
        return None
    finally:
        for left in (work, work.with_name(f"{work.name}.wal")):
            with contextlib.suppress(OSError):
                left.unlink(missing_ok=True)


def _current(file: Path) -> duckdb.DuckDBPyConnection | None:
    """An index of this version; None where there is none, or none that can be read."""
    if not file.is_file():
        return None
    with contextlib.suppress(duckdb.Error):
        connection = duckdb.connect(str(file), read_only=True)
        with contextlib.suppress(duckdb.Error):
            if is_current(connection):
                return connection
        connection.close()
    return None
