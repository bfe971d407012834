"""Decoded arrays on disk: written once and whole, mapped into memory, checked by digest.

An entry is a folder of raw array files and `manifest.json`. It is written under a temporary name
and renamed when complete, so a reader sees all of it or nothing, and of two writers one wins.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from efficient.data.fingerprint import digest
from efficient.data.overlap import image_overlap, text_overlap
from efficient.data.source import Source

MANIFEST = "manifest.json"

Splits = dict[str, dict[str, np.ndarray]]


class DamageError(Exception):
    """An entry whose files are not those that its manifest tells of."""


def read(folder: Path) -> tuple[dict[str, Any], Splits]:
    """The manifest of an entry, and its arrays mapped read-only.

    Raises:
      FileNotFoundError: there is no such entry.
      DamageError: the manifest or an array does not have the digest written down for it.
    """
    if not folder.is_dir():
        raise FileNotFoundError(folder)
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        stated = manifest.pop("sha256")
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise DamageError(f"{MANIFEST} cannot be read") from error
    if digest(manifest) != stated:
        raise DamageError(f"{MANIFEST} differs from its digest")
    for arrays in manifest["splits"].values():
        for array in arrays.values():
            _check(folder / array["file"], array["sha256"])
    return manifest, _map(folder, manifest["splits"])


def write(folder: Path, source: Source) -> None:
    """Store `source` as the entry `folder`; an entry that another process stored first stays.

    Raises:
      OSError: the disk is full or read-only; nothing is left behind.
    """
    with temporary(folder) as work:
        splits = {
            split: _write_split(work, split, chunks) for split, chunks in source.splits.items()
        }
        manifest = {
            "kind": source.kind,
            "classes": source.classes,
            "details": source.details,
            "overlap": _overlap(source.kind, _map(work, splits)),
            "splits": splits,
        }
        manifest["sha256"] = digest(manifest)
        text = json.dumps(manifest, indent=1, sort_keys=True)
        (work / MANIFEST).write_text(text + "\n", encoding="utf-8")


def remove(folder: Path) -> None:
    """Take an entry away at once: renamed, then deleted; readers keep what they have mapped."""
    aside = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}")
    with contextlib.suppress(FileNotFoundError):
        folder.rename(aside)
    shutil.rmtree(aside, ignore_errors=True)


@contextlib.contextmanager
def temporary(folder: Path) -> Iterator[Path]:
    """A folder beside `folder` that takes its name on success and vanishes on any failure."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}")
    work.mkdir()
    try:
        yield work
        try:
            work.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _write_split(
    folder: Path, split: str, chunks: Iterator[dict[str, np.ndarray]]
) -> dict[str, dict[str, Any]]:
    """Append each chunk to its files by plain writes: a full disk is an error, never a signal."""
    arrays: dict[str, dict[str, Any]] = {}
    digests: dict[str, Any] = {}
    with contextlib.ExitStack() as stack:
        files: dict[str, Any] = {}
        for chunk in chunks:
            for name, values in chunk.items():
                if name not in files:
                    path = folder / f"{split}.{name}.bin"
                    files[name] = stack.enter_context(path.open("wb"))
                    digests[name] = hashlib.sha256()
                    shape = [0, *values.shape[1:]]
                    arrays[name] = {"file": path.name, "dtype": values.dtype.name, "shape": shape}
                content = np.ascontiguousarray(values).data
                files[name].write(content)
                digests[name].update(content)
                arrays[name]["shape"][0] += len(values)
    return {name: {**array, "sha256": digests[name].hexdigest()} for name, array in arrays.items()}


def _map(folder: Path, splits: dict[str, dict[str, dict[str, Any]]]) -> Splits:
    return {
        split: {
            name: np.memmap(
                folder / array["file"], array["dtype"], mode="r", shape=tuple(array["shape"])
            )
            for name, array in arrays.items()
        }
        for split, arrays in splits.items()
    }


def _overlap(kind: str, splits: Splits) -> int:
    if kind == "image":
        return image_overlap(splits["train"]["inputs"], splits["test"]["inputs"])
    return text_overlap(splits["train"]["tokens"], splits["test"]["tokens"])


def _check(path: Path, stated: str) -> None:
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DamageError(f"{path.name} cannot be read") from error
    if found != stated:
        raise DamageError(f"{path.name} differs from its digest")
