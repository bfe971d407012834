"""Adding records to a ledger: one object for each, named by its run and its content.

A name is written once. The same record again is nothing to do; another record of the same run is
refused. Two writers at one moment cannot overwrite each other: the digest of the content is a part
of the name, so they write the same bytes, or two objects of which a reader uses one and says so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from efficient.ledger.codec import parse
from efficient.ledger.error import RecordError, StoreError
from efficient.ledger.place import Entry, entries, is_remote, upload
from efficient.ledger.reader import PUBLISHED, Document, digest, documents, holders
from efficient.ledger.record import FINISHED, NONFINITE, RUN_ID
from efficient.ledger.store import write_bytes

#: Attempts that are over. What was interrupted or ran out of budget may go on, as another record.
OVER = (FINISHED, NONFINITE)


@dataclass(frozen=True)
class Copy:
    """What became of one record. path: its object in the ledger; refusal: why there is none.

    new: whether it was not there before.
    """

    run_id: str
    path: str
    new: bool = False
    refusal: str = ""


def publish(source: Path | str, ledger: Path | str) -> Iterator[Copy]:
    """Copy the records of runs that are over into a ledger, each as it was written.

    Raises:
        StoreError: a place cannot be reached, one lies in the other, or the ledger cannot be
            written; what was copied before stays, and the same call goes on.
    """
    _apart(source, ledger)
    listed, complaints = holders(source)
    yield from (Copy("", "", refusal=text) for text in complaints)
    there = {_run_of(entry.name): entry.name for entry in published(ledger)}
    for document in documents(source, listed):
        try:
            run_id, content = _checked(document)
        except (RecordError, StoreError) as error:
            yield Copy("", "", refusal=str(error))
            continue
        name = f"{run_id}.{digest(content)}{PUBLISHED}"
        where = f"{str(ledger).rstrip('/')}/{name}"
        if there.get(run_id) == name:
            yield Copy(run_id, where)
        elif run_id in there:
            why = f"{run_id} stands in {ledger} with other content, as {there[run_id]}"
            refusal = f"{document.where}: {why}; a ledger is never changed"
            yield Copy(run_id, "", refusal=refusal)
        else:
            _add(ledger, name, content)
            there[run_id] = name
            yield Copy(run_id, where, new=True)


def published(ledger: Path | str) -> list[Entry]:
    """The objects of a ledger; none where there is no ledger yet."""
    return entries(ledger, lambda name: name.endswith(PUBLISHED), may_lack=True)[0]


def _checked(document: Document) -> tuple[str, bytes]:
    """The id of a record that may be published, and its canonical bytes.

    Raises:
        RecordError, StoreError: it is none, or cannot be had.
    """
    record, where = document.record(), document.where
    assert isinstance(document.content, bytes)
    if not re.fullmatch(RUN_ID, record.run_id):
        raise RecordError(f"{where}: run_id {record.run_id[:80]!r} cannot be the name of a file")
    if record.status not in OVER:
        raise RecordError(f"{where}: {record.run_id} is {record.status} and may go on; left out")
    plain = parse(where, document.content)
    return record.run_id, json.dumps(plain, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def _add(ledger: Path | str, name: str, content: bytes) -> None:
    if is_remote(ledger):
        upload(str(ledger), name, content)
    else:
        write_bytes(Path(ledger, name), content)


def _run_of(name: str) -> str:
    return name.removesuffix(PUBLISHED).rpartition(".")[0]


def _apart(source: Path | str, ledger: Path | str) -> None:
    if is_remote(source) or is_remote(ledger):
        nested = f"{source}/".startswith(f"{ledger}/") or f"{ledger}/".startswith(f"{source}/")
    else:
        one, other = Path(source).resolve(), Path(ledger).resolve()
        nested = one.is_relative_to(other) or other.is_relative_to(one)
    if nested:
        raise StoreError(f"{source} and {ledger}: one lies in the other; give a ledger elsewhere")
