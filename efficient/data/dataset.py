"""Dataset: arrays of train, validation and test, with the fingerprint of every byte of them."""

from __future__ import annotations

import hashlib
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from efficient.data import cache
from efficient.data.catalogue import Entry, entry, find, how
from efficient.data.error import DataError, writing
from efficient.data.fingerprint import digest, fingerprint, split_digest
from efficient.data.location import cache_directory, data_directory
from efficient.data.preparation import prepare as prepare_copy
from efficient.data.source import DECODER
from efficient.data.source import read as read_source

__all__ = ["DataError", "Dataset", "describe", "load"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Dataset:
    """A dataset as arrays mapped from disk, read-only.

    `splits` has the keys train, validation and test. A split of images is
    `inputs: (N, H, W, C) uint8` and `targets: (N,) int32`; a split of text is `tokens: (N,) uint8`,
    all below `classes`. `details` tells the origin: `values` (the range of pixels), `validation`
    (the rule that made it), `vocabulary` (a JSON list: the byte that each token stands for; absent
    when tokens are bytes), and for pystdlib `python` and `corpus_sha256`.
    `overlap` counts the examples of test that are also in train: images with equal bytes, or
    adjacent windows of 64 tokens that occur there verbatim.
    """

    name: str
    version: str
    kind: str
    classes: int
    splits: dict[str, dict[str, np.ndarray]]
    fingerprint: str
    split_sha256: dict[str, str]
    overlap: int
    details: dict[str, str]


def load(
    name: str,
    data_dir: str | os.PathLike[str] | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    prepare: bool = True,
) -> Dataset:
    """Load a prepared dataset; digits and pystdlib are prepared on first use if `prepare`.

    The records are decoded once into the cache; later loads check its digests and map the files,
    without importing tensorflow-datasets. Environment: `TFDS_DATA_DIR`, `EFFICIENT_CACHE_DIR`.

    Raises:
      DataError: not prepared, not readable, or no room to store the arrays.
    """
    known = entry(name)
    folder = find(known, data_dir, cache_dir)
    if folder is None and known.embedded and prepare:
        folder = Path(prepare_copy(name, data_dir, cache_dir=cache_dir)["where"])
    if folder is None:
        raise DataError(f"{name}: not prepared in {data_directory(data_dir)}: run: {how(known)}")
    stored = _entry_folder(known, folder, cache_directory(cache_dir))
    manifest, splits = _arrays(known, folder, stored)
    return _dataset(known, folder.name, manifest, splits)


def describe(
    name: str,
    data_dir: str | os.PathLike[str] | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
) -> dict[str, Any]:
    """Load `name` and tell what it is, in plain values.

    Keys: `name`, `version`, `kind`, `classes`, `splits` (per split: per array `shape` and `dtype`),
    `bytes` (of all arrays), `overlap`, `details`, `split_sha256`, `fingerprint`, `how`.
    """
    dataset = load(name, data_dir, cache_dir)
    arrays = [array for split in dataset.splits.values() for array in split.values()]
    return {
        "name": dataset.name,
        "version": dataset.version,
        "kind": dataset.kind,
        "classes": dataset.classes,
        "splits": {
            split: {
                key: {"shape": list(array.shape), "dtype": array.dtype.name}
                for key, array in named.items()
            }
            for split, named in dataset.splits.items()
        },
        "bytes": sum(array.nbytes for array in arrays),
        "overlap": dataset.overlap,
        "details": dict(dataset.details),
        "split_sha256": dict(dataset.split_sha256),
        "fingerprint": dataset.fingerprint,
        "how": how(entry(name)),
    }


def _entry_folder(entry: Entry, folder: Path, root: Path) -> Path:
    """The cache entry of a prepared copy, named by the content of its files and by the decoder."""
    files = {}
    try:
        for path in sorted(folder.iterdir()):
            if path.is_file():
                with path.open("rb") as file:
                    files[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{entry.name}: {error.filename} cannot be read: allow it") from error
    key = digest({"name": entry.name, "folder": entry.folder, "decoder": DECODER, "files": files})
    return root / "arrays" / f"{entry.name.replace('/', '-')}-{folder.name}-{key[:16]}"


def _arrays(entry: Entry, folder: Path, stored: Path) -> tuple[dict[str, Any], cache.Splits]:
    """Read the cache entry `stored`; decode `folder` into it when it is absent or damaged."""
    try:
        return cache.read(stored)
    except FileNotFoundError:
        pass
    except cache.DamageError as error:
        _log.warning("%s: cache entry %s: %s; decoding again", entry.name, stored, error)
        cache.remove(stored)
    with writing(entry.name, stored.parent, "EFFICIENT_CACHE_DIR"):
        cache.write(stored, read_source(entry, folder))
        return cache.read(stored)


def _dataset(entry: Entry, version: str, manifest: dict[str, Any], splits: cache.Splits) -> Dataset:
    split_sha256 = {split: split_digest(arrays) for split, arrays in manifest["splits"].items()}
    classes, details = manifest["classes"], manifest["details"]
    return Dataset(
        name=entry.name,
        version=version,
        kind=manifest["kind"],
        classes=classes,
        splits=splits,
        fingerprint=fingerprint(entry.name, version, classes, split_sha256, details),
        split_sha256=split_sha256,
        overlap=manifest["overlap"],
        details=details,
    )
