"""Where things lie: the folder of prepared datasets, the cache, and one dataset inside them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

#: TFDS writes this file last, so a folder that holds it is completely prepared.
INFO = "dataset_info.json"


def data_directory(data_dir: str | os.PathLike[str] | None = None) -> Path:
    """The TFDS folder: the argument, else `TFDS_DATA_DIR`, else `~/tensorflow_datasets`."""
    return _resolve(data_dir, "TFDS_DATA_DIR", "~/tensorflow_datasets")


def cache_directory(cache_dir: str | os.PathLike[str] | None = None) -> Path:
    """The cache: the argument, else `EFFICIENT_CACHE_DIR`, else `~/.cache/efficient`."""
    return _resolve(cache_dir, "EFFICIENT_CACHE_DIR", "~/.cache/efficient")


def writable(folder: Path) -> bool:
    """Whether `folder` may be written, judged by its nearest existing parent.

    A folder without any write bit is read-only even for root, who could write it: it was locked
    on purpose.
    """
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    anyone = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH
    return bool(existing.stat().st_mode & anyone) and os.access(existing, os.W_OK)


def prepared(root: Path, name: str, version: str = "") -> Path | None:
    """The folder of the prepared dataset `name` (or `name/config`) below `root`, if there is one.

    Without a version the newest one counts.
    """
    if version:
        folder = root / name / version
        return folder if (folder / INFO).is_file() else None
    found = [path.parent for path in (root / name).glob(f"*/{INFO}")]
    return max(found, key=lambda path: _version_key(path.name), default=None)


def _resolve(argument: str | os.PathLike[str] | None, variable: str, default: str) -> Path:
    return Path(argument or os.environ.get(variable) or default).expanduser().absolute()


def _version_key(version: str) -> tuple[int, ...]:
    return tuple(int(part) if part.isdigit() else -1 for part in version.split("."))
