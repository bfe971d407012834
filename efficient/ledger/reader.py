"""Reading records: from one file, and all of a place. What is unfit is a line, and never stops."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from efficient.ledger.codec import from_dict, parse
from efficient.ledger.error import RecordError, StoreError, brief
from efficient.ledger.migration import migrate
from efficient.ledger.place import Entry, contents, entries
from efficient.ledger.record import SCHEMA, Record

RECORD = "record.json"
#: Many records in one file, a line each: what an experiment commits.
RECORDS = "records.jsonl"
#: One of a ledger, named RUN.DIGEST.record.json; DIGEST begins the sha256 of its bytes.
PUBLISHED = ".record.json"
DIGITS = 16


@dataclass(frozen=True)
class Document:
    """A record as it is stored. line: 0 in a file of its own; content: or why it cannot be had."""

    path: str
    line: int
    content: bytes | StoreError

    @property
    def where(self) -> str:
        return f"{self.path} line {self.line}" if self.line else self.path

    def record(self) -> Record:
        """What it holds.

        Raises:
            RecordError, StoreError: it is unfit, or cannot be had; one line says where and why.
        """
        if isinstance(self.content, StoreError):
            raise self.content
        name = Path(self.path).name
        if name.endswith(PUBLISHED) and _digest(name) != digest(self.content):
            raise StoreError(f"{self.path}: changed since it was published; remove it")
        return parse_record(self.where, self.content)


def parse_record(path: str, content: bytes) -> Record:
    """A record from the bytes of its file; one of an earlier schema becomes one of this.

    Raises:
        RecordError: it is damaged or its schema is not known here; the line begins with `path`.
    """
    plain = parse(path, content)
    schema = plain.get("schema") if isinstance(plain, dict) else None
    if type(schema) is not int:
        raise RecordError(f"{path}: no schema number; the file is damaged or is no record")
    if schema > SCHEMA:
        raise RecordError(
            f"{path}: schema {schema} is newer than this package ({SCHEMA}): upgrade efficient-jax"
        )
    plain = migrate(plain, SCHEMA)
    if plain["schema"] < SCHEMA:
        raise RecordError(f"{path}: there never was a schema {schema}; the file is no record")
    try:
        return from_dict(Record, plain)
    except RecordError as error:
        raise RecordError(f"{path}: {brief(error)}") from error


def records(place: Path | str) -> tuple[list[Record], list[str]]:
    """All records of a folder or prefix by time of start, and a complaint for each unfit one.

    They stand in folders of runs, in files of many (`RECORDS`) and one by one (`PUBLISHED`).

    Raises:
        StoreError: the place does not exist or cannot be reached.
    """
    found: dict[str, Record] = {}
    listed, complaints = holders(place)
    for document in documents(place, listed):
        try:
            record = document.record()
        except (RecordError, StoreError) as error:
            complaints.append(str(error))
            continue
        if record.run_id in found:
            where = f"{document.where}: run {record.run_id}"
            complaints.append(f"{where} stands twice; this copy is not used")
            continue
        found[record.run_id] = record
    return sorted(found.values(), key=lambda r: (r.started_utc, r.run_id)), complaints


def holders(place: Path | str) -> tuple[list[Entry], list[str]]:
    """The files of a place that hold records, in the order of reading, and complaints.

    Raises:
        StoreError: as `records`.
    """
    listed, complaints = entries(place, lambda name: rank(name) is not None)
    return sorted(listed, key=lambda entry: rank(entry.name) or 0), complaints


def rank(name: str) -> int | None:
    """Of two copies of a run the one in the file of lower rank is used; None: no records there."""
    if name in (RECORD, RECORDS):
        return (RECORD, RECORDS).index(name)
    return 2 if name.endswith(PUBLISHED) else None


def documents(place: Path | str, listed: Sequence[Entry]) -> Iterator[Document]:
    """Every record of these files of a place, not parsed yet."""
    for entry, content in contents(place, listed):
        if isinstance(content, StoreError):
            yield Document(entry.path, 0, content)
        elif entry.name == RECORDS:
            for number, line in enumerate(content.splitlines(), 1):
                yield Document(entry.path, number, line)
        else:
            yield Document(entry.path, 0, content)


def digest(content: bytes) -> str:
    """Of a published record: the beginning of the sha256 of its bytes."""
    return hashlib.sha256(content).hexdigest()[:DIGITS]


def _digest(name: str) -> str:
    return name.removesuffix(PUBLISHED).rpartition(".")[2]
