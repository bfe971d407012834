"""Files of the ledger: atomic JSON, journals that survive a kill, and finding a run again.

A record is written whole or not at all. A journal is appended line by line; the last line of a
killed process may be torn, and both the reader and the next writer pass over it.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from efficient.ledger.codec import parse, to_dict
from efficient.ledger.error import RecordError, StoreError
from efficient.ledger.place import is_remote
from efficient.ledger.reader import RECORD, RECORDS, parse_record, records
from efficient.ledger.record import Record
from efficient.ledger.remedy import meant

__all__ = ["RECORD", "RECORDS", "RecordError", "StoreError", "records"]

JOURNAL = "attempts.jsonl"


def write_json(path: Path | str, value: Any) -> None:
    """Write `value` as strict JSON, whole or not at all.

    Dataclasses become objects and non-finite numbers `null`.

    Raises:
        StoreError: the disk is full or the folder cannot be written; an older file still stands.
    """
    write_text(path, json.dumps(to_dict(value), indent=1, allow_nan=False) + "\n")


def read_json(path: Path | str) -> dict[str, Any]:
    """An object that `write_json` wrote.

    Raises:
        RecordError: the file is damaged. OSError: it cannot be read.
    """
    return _object(str(path), Path(path).read_bytes())


def write_text(path: Path | str, text: str) -> None:
    """Write `text` as UTF-8, as `write_bytes`."""
    write_bytes(path, text.encode())


def write_bytes(path: Path | str, content: bytes) -> None:
    """Write to a temporary name beside `path`, sync it, then rename it.

    Raises:
        StoreError: as `write_json`.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise _refusal(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_record(directory: Path | str, record: Record) -> Path:
    """Write `record` into the folder of its run; returns the path of the file."""
    path = Path(directory) / RECORD
    write_json(path, record)
    return path


def read_record(path: Path | str) -> Record:
    """Read a record from its file or from the folder that holds it.

    Raises:
        RecordError: there is none, it is damaged, or its schema is not known here.
    """
    path = Path(path)
    path = path / RECORD if path.is_dir() else path
    if not path.is_file():
        raise RecordError(f"{path}: no record here; `efficient list --out DIR` shows the runs")
    return parse_record(str(path), path.read_bytes())


def find_run(root: Path | str, run: Path | str) -> Path:
    """The folder of a run, given its path, its id or the beginning of its id.

    Raises:
        StoreError: no run or several answer to the name; the nearest ones are named.
    """
    path = Path(run)
    path = path.parent if path.name == RECORD else path
    if (path / RECORD).is_file() or (path / JOURNAL).is_file():
        return path
    folders = {p.parent.name: p.parent for name in (RECORD, JOURNAL) for p in _below(root, name)}
    wanted = str(run)
    matches = [wanted] if wanted in folders else [n for n in folders if n.startswith(wanted)]
    if len(matches) == 1 and wanted:
        return folders[matches[0]]
    remedy = f"`efficient list --out {root}` shows all"
    if matches and wanted:
        several = ", ".join(sorted(matches)[:3])
        raise StoreError(f"run {wanted!r} is the beginning of {len(matches)}: {several}; {remedy}")
    hint = " ".join(filter(None, (meant(wanted, folders), remedy)))
    raise StoreError(f"no run {wanted!r} in {root}: {hint}")


def digest_file(path: Path | str) -> str:
    """Sha256 of the bytes of a file, hexadecimal."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_json(value: Any) -> str:
    """Sha256 of the canonical JSON of `value`: keys sorted, no spaces, ASCII."""
    text = json.dumps(to_dict(value), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def append_line(path: Path | str, value: dict[str, Any]) -> None:
    """Append one JSON line to a journal, after cutting off what a killed process left torn.

    Raises:
        StoreError: the disk is full or the file cannot be written.
    """
    path = Path(path)
    line = json.dumps(to_dict(value), allow_nan=False).encode() + b"\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+b") as file:
            _mend(file)
            file.write(line)
            file.flush()
    except OSError as error:
        raise _refusal(path, error) from error


def read_lines(path: Path | str) -> list[dict[str, Any]]:
    """The lines of a journal; none where there is no file; a torn last line is passed over.

    Raises:
        RecordError: a line before the last is damaged.
    """
    path = Path(path)
    if not path.is_file():
        return []
    *whole, last = path.read_bytes().split(b"\n")
    lines = [_object(f"{path} line {i}", text) for i, text in enumerate(whole, 1)]
    if last:
        with contextlib.suppress(RecordError):
            lines.append(_object(str(path), last))
    return lines


def _below(directory: Path | str, name: str) -> Iterator[Path]:
    if is_remote(directory):
        raise StoreError(f"{directory} has records and no runs; `efficient query` asks for them")
    directory = Path(directory)
    if not directory.is_dir():
        raise StoreError(f"{directory}: no such folder; give the --out of an earlier run")
    yield from sorted(directory.rglob(name))


def _mend(file: Any) -> None:
    """End a last line that is whole but lacks its newline; cut one that is torn."""
    size = file.seek(0, os.SEEK_END)
    if not size:
        return
    file.seek(size - 1)
    if file.read(1) == b"\n":
        return
    file.seek(0)
    last = file.read().rpartition(b"\n")[2]
    try:
        _object("journal", last)
    except RecordError:
        file.truncate(size - len(last))
    else:
        file.write(b"\n")


def _object(where: str, text: bytes) -> dict[str, Any]:
    value = parse(where, text)
    if not isinstance(value, dict):
        raise RecordError(f"{where}: expected an object; the file is damaged")
    return value


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # some file systems cannot sync a folder
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _refusal(path: Path, error: OSError) -> StoreError:
    remedies = {
        errno.ENOSPC: "free some space or give another --out",
        errno.EDQUOT: "free some of your quota or give another --out",
        errno.EACCES: "make it writable or give another --out",
        errno.EPERM: "make it writable or give another --out",
        errno.EROFS: "the file system is read-only: give another --out",
    }
    remedy = remedies.get(error.errno or 0, "check the folder or give another --out")
    return StoreError(f"{path}: cannot be written ({error.strerror or error}): {remedy}")
