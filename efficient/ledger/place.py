"""Where a ledger lies: a folder, or a prefix of an object store (`gs://`, `s3://`) by fsspec.

A place is listed, read and added to; no file in it is ever changed. Folders need no fsspec.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from efficient.ledger.error import StoreError

#: Protocol -> the extra of this package that can speak it.
EXTRAS = {"gs": "gs", "gcs": "gs", "s3": "s3", "s3a": "s3"}
#: Objects that are fetched at once; the clients of object stores do so concurrently.
BATCH = 256
#: What object stores call the version of an object, the surest first.
_VERSIONS = ("etag", "ETag", "generation", "LastModified", "updated", "mtime", "created")


@dataclass(frozen=True)
class Entry:
    """A file of a place. stamp: differs whenever its content does; empty where that is unknown."""

    path: str
    size: int
    stamp: str

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


def is_remote(place: Path | str) -> bool:
    """Whether it is a prefix of an object store; `pathlib` would eat one of its slashes."""
    return "://" in str(place)


def entries(
    place: Path | str, wanted: Callable[[str], bool], may_lack: bool = False
) -> tuple[list[Entry], list[str]]:
    """Files at any depth whose name is wanted, by path, and complaints of what cannot be listed.

    may_lack: a place that is not there is empty.

    Raises:
        StoreError: there is no such place, or what it takes to reach it is not installed.
    """
    if is_remote(place):
        listed = _remote_entries(str(place))
        if not (listed or may_lack):
            raise StoreError(f"{place}: nothing there; give a prefix that holds records")
        return [entry for entry in listed if wanted(entry.name)], []
    if may_lack and not Path(place).exists():
        return [], []
    if not Path(place).is_dir():
        raise StoreError(f"{place}: no such folder; give the --out of an earlier run")
    complaints: list[str] = []

    def complain(error: OSError) -> None:
        complaints.append(f"{error.filename}: cannot be listed ({error.strerror})")

    found = []
    for folder, folders, files in os.walk(Path(place), onerror=complain):
        for name in filter(wanted, (*files, *folders)):
            path = os.path.join(folder, name)  # noqa: PTH118 (many times as fast)
            try:
                facts = os.stat(path)  # noqa: PTH116
            except OSError as error:
                complaints.append(f"{path}: cannot be read ({error.strerror})")
            else:
                stamp = f"{facts.st_mtime_ns} {facts.st_ino}"
                found.append(Entry(path, facts.st_size, stamp))
    # The order of their parts: a folder before what is named like it but goes on.
    return sorted(found, key=lambda entry: entry.path.replace(os.sep, "\0")), complaints


def contents(
    place: Path | str, listed: Sequence[Entry]
) -> Iterator[tuple[Entry, bytes | StoreError]]:
    """The bytes of files that `entries` has listed, or why they cannot be had."""
    if not is_remote(place):
        yield from ((entry, _local(Path(entry.path))) for entry in listed)
        return
    system = _connect(str(place))[0]
    for begin in range(0, len(listed), BATCH):
        batch = listed[begin:][:BATCH]
        for entry, content in zip(batch, _fetched(system, batch), strict=True):
            if isinstance(content, bytes):
                yield entry, content
            else:
                yield entry, StoreError(f"{entry.path}: cannot be read ({_line(content)})")


def upload(place: str, name: str, content: bytes) -> None:
    """Write an object of a prefix, whole or not at all.

    Raises:
        StoreError: it cannot be written.
    """
    system, path = _connect(place)
    try:
        system.pipe_file(f"{path.rstrip('/')}/{name}", content)
    except Exception as error:  # each store has errors of its own
        remedy = "check that you may write there"
        raise StoreError(f"{place}: cannot be written ({_line(error)}): {remedy}") from None


def _connect(place: str) -> tuple[Any, str]:
    """The file system of fsspec and the path in it.

    Raises:
        StoreError: the protocol is unknown, or its client is not installed or refuses.
    """
    import fsspec

    protocol = place.partition("://")[0]
    try:
        return fsspec.core.url_to_fs(place)
    except ImportError as error:
        extra = EXTRAS.get(protocol)
        remedy = f"pip install 'efficient-jax[{extra}]'" if extra else _line(error)
        raise StoreError(f"{place}: the client of {protocol}:// is missing: {remedy}") from None
    except Exception as error:  # each store has errors of its own
        raise StoreError(f"{place}: cannot be reached ({_line(error)})") from None


def _remote_entries(place: str) -> list[Entry]:
    system, path = _connect(place)
    try:
        system.invalidate_cache()
        found = system.find(path, detail=True)
    except Exception as error:  # each store has errors of its own
        remedy = "check its name and your credentials"
        raise StoreError(f"{place}: cannot be listed ({_line(error)}): {remedy}") from None
    listed = []
    for path, facts in sorted(found.items()):
        stamp = next((str(facts[key]) for key in _VERSIONS if facts.get(key)), "")
        listed.append(Entry(system.unstrip_protocol(path), int(facts.get("size") or 0), stamp))
    return listed


def _fetched(system: Any, batch: Sequence[Entry]) -> list[bytes | Exception]:
    """Whole objects at once, as ranges without ends: `cat` would take names for patterns."""
    paths, whole = [system._strip_protocol(entry.path) for entry in batch], [None] * len(batch)
    try:
        return system.cat_ranges(paths, whole, whole, on_error="return")
    except Exception as error:  # each store has errors of its own
        return [error] * len(batch)


def _local(path: Path) -> bytes | StoreError:
    """A pipe or a device is not waited for."""
    if not path.is_file():
        return StoreError(f"{path}: cannot be read (no regular file)")
    try:
        return path.read_bytes()
    except OSError as error:
        return StoreError(f"{path}: cannot be read ({error.strerror})")


def _line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
