"""Reading records: from one file, and all of a place. What is unfit is a line, and never stops."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from efficient.ledger.codec import from_dict, parse
from efficient.ledger.error import RecordError, StoreError
from efficient.ledger.migration import migrate
from efficient.ledger.place import Entry, contents, entries
from efficient.ledger.record import SCHEMA, Record

RECORD = "record.json"
#: Many records in one file, a line each: what an experiment commits.
RECORDS = "records.jsonl"
#: One of a ledger, named RUN.DIGEST.record.json; DIGEST begins the sha256 of its bytes.
PUBLISHED = ".record.json"
DIGITS = 16


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
        raise RecordError(f"{path}: {error}") from error


def records(place: Path | str) -> tuple[list[Record], list[str]]:
    """All records of a folder or prefix by time of start, and a complaint for each unfit one.

    They stand in folders of runs, in files of many (`RECORDS`) and one by one (`PUBLISHED`).

    Raises:
        StoreError: the place does not exist or cannot be reached.
    """
    found: dict[str, Record] = {}
    listed, complaints = holders(place)
    for path, content in documents(place, listed):
        try:
            record = parse_record(path, sound(content))
        except (RecordError, StoreError) as error:
            complaints.append(str(error))
            continue
        if record.run_id in found:
            complaints.append(f"{path}: run {record.run_id} stands twice; this copy is not used")
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


def documents(
    place: Path | str, listed: Sequence[Entry]
) -> Iterator[tuple[str, bytes | StoreError]]:
    """Where each record of these files stands, and its bytes or why they cannot be had."""
    for entry, content in contents(place, listed):
        if isinstance(content, StoreError):
            yield entry.path, content
        elif entry.name == RECORDS:
            for number, line in enumerate(content.splitlines(), 1):
                yield f"{entry.path} line {number}", line
        elif entry.name.endswith(PUBLISHED) and _digest(entry.name) != digest(content):
            yield entry.path, StoreError(f"{entry.path}: changed since it was published; remove it")
        else:
            yield entry.path, content


def sound(content: bytes | StoreError) -> bytes:
    """What `documents` found, or its refusal."""
    if isinstance(content, StoreError):
        raise content
    return content


def digest(content: bytes) -> str:
    """Of a published record: the beginning of the sha256 of its bytes."""
    return hashlib.sha256(content).hexdigest()[:DIGITS]


def _digest(name: str) -> str:
    return name.removesuffix(PUBLISHED).rpartition(".")[2]
