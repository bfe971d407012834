"""The datasets we know: a literal table, and what of it is prepared on this machine.

A name outside the table is any other tensorflow-datasets name, `name` or `name/config`.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from efficient.data.corpus import Corpus, standard_library
from efficient.data.error import DataError
from efficient.data.location import INFO, cache_directory, data_directory, prepared


@dataclass(frozen=True)
class Entry:
    """How one dataset is built, found and split.

    `validation` counts the images held out of train (0: the dataset has its own validation split,
    or a tenth is held out); `characters` renumbers text by the bytes that occur in train;
    `embedded` means that it is made from what is installed, without a download.
    """

    name: str
    kind: str = ""
    version: str = ""
    builder: str = ""
    embedded: bool = False
    validation: int = 0
    characters: bool = False
    corpus: Callable[[], Corpus] | None = None
    values: str = "0..255"
    origin: str = "tensorflow-datasets"

    @property
    def folder(self) -> str:
        """The TFDS folder below the data directory, without the version."""
        return f"{self.name}/{self.corpus().config}" if self.corpus else self.name


#: `name` or `name/config` of tensorflow-datasets.
_NAME = re.compile(r"[a-z][a-z0-9_]*(/\w[\w.\-]*)?")

_BUILDERS = "efficient.data.builders"

CATALOGUE = {
    entry.name: entry
    for entry in (
        Entry(
            name="digits",
            kind="image",
            version="1.0.0",
            builder=f"{_BUILDERS}.digits:Digits",
            embedded=True,
            values="0..16",
            origin="scikit-learn, installed",
        ),
        Entry(
            name="pystdlib",
            kind="text",
            version="1.0.0",
            builder=f"{_BUILDERS}.pystdlib:Pystdlib",
            embedded=True,
            corpus=standard_library,
            origin="the running Python, installed",
        ),
        Entry(
            name="mnist",
            kind="image",
            version="3.0.1",
            builder=f"{_BUILDERS}.mnist:Mnist",
            validation=5_000,
            origin="storage.googleapis.com/cvdf-datasets/mnist, 12 MB",
        ),
        Entry(
            name="fashion_mnist",
            kind="image",
            version="3.0.1",
            builder=f"{_BUILDERS}.mnist:FashionMnist",
            validation=5_000,
            origin="fashion-mnist.s3-website.eu-central-1.amazonaws.com, 31 MB",
        ),
        Entry(
            name="cifar10",
            kind="image",
            version="3.0.2",
            builder=f"{_BUILDERS}.cifar10:Cifar10",
            validation=5_000,
            origin="www.cs.toronto.edu/~kriz, 170 MB",
        ),
        Entry(
            name="tiny_shakespeare",
            kind="text",
            version="1.0.0",
            builder=f"{_BUILDERS}.tiny_shakespeare:TinyShakespeare",
            characters=True,
            origin="raw.githubusercontent.com/karpathy/char-rnn, 1 MB",
        ),
    )
}


def entry(name: str) -> Entry:
    """The table's entry, or an open one for any other tensorflow-datasets name.

    Raises:
      DataError: no dataset can have this name.
    """
    if not _NAME.fullmatch(name):
        raise DataError(f"{name!r}: not a dataset name: see `efficient data list`")
    return CATALOGUE.get(name) or Entry(name)


def find(
    entry: Entry,
    data_dir: str | os.PathLike[str] | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
) -> Path | None:
    """The prepared copy: below the data directory or, for an embedded dataset, in the cache."""
    roots = [data_directory(data_dir)]
    if entry.embedded:
        roots.append(fallback(cache_dir))
    for root in roots:
        if folder := prepared(root, entry.folder, entry.version):
            return folder
    return None


def fallback(cache_dir: str | os.PathLike[str] | None = None) -> Path:
    """Where embedded datasets are prepared when the data directory is read-only."""
    return cache_directory(cache_dir) / "prepared"


def listing(
    data_dir: str | os.PathLike[str] | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
) -> list[dict[str, Any]]:
    """One row per dataset of the table, then per other dataset found in the data directory.

    Each row has `name`, `kind`, `version`, `prepared`, `where` (folder or None), `bytes` (of the
    prepared copy, or None), `embedded` (made on first use), `origin` and `how` (the command).
    """
    rows = [_row(entry, find(entry, data_dir, cache_dir)) for entry in CATALOGUE.values()]
    root = data_directory(data_dir)
    for info in sorted([*root.glob(f"*/*/{INFO}"), *root.glob(f"*/*/*/{INFO}")]):
        name = info.parent.parent.relative_to(root).as_posix()
        if name.split("/")[0] not in CATALOGUE:
            rows.append(_row(Entry(name), info.parent))
    return rows


def how(entry: Entry) -> str:
    """The command that prepares a dataset."""
    options = "" if entry.embedded else " [--data-dir D] [--manual-dir D]"
    return f"efficient data prepare {entry.name}{options}"


def _row(entry: Entry, folder: Path | None) -> dict[str, Any]:
    size = sum(path.stat().st_size for path in folder.iterdir()) if folder else None
    return {
        "name": entry.name,
        "kind": entry.kind or (_kind(folder) if folder else ""),
        "version": folder.name if folder else entry.version,
        "prepared": folder is not None,
        "where": str(folder) if folder else None,
        "bytes": size,
        "embedded": entry.embedded,
        "origin": entry.origin,
        "how": how(entry),
    }


def _kind(folder: Path) -> str:
    """Judged by the names of the features; empty when they are neither images nor text."""
    tree = json.loads((folder / "features.json").read_text())
    names = tree.get("featuresDict", {}).get("features", {})
    return next((kind for kind in ("image", "text") if kind in names), "")
