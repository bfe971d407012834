"""Preparing a dataset: download, check, write records; all without TensorFlow where we can."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from efficient.data.catalogue import Entry, entry, fallback
from efficient.data.error import DataError, writing
from efficient.data.location import data_directory, prepared, writable

#: How long a server may take to answer at all before the network counts as missing.
_PATIENCE_S = 20.0


def prepare(
    name: str,
    data_dir: str | os.PathLike[str] | None = None,
    manual_dir: str | os.PathLike[str] | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
) -> dict[str, Any]:
    """Make the prepared copy of `name` unless it is there; `manual_dir` holds upstream files.

    Files in `manual_dir` carry their upstream names; their sha256 is checked all the same.
    Returns `name`, `version`, `where` (folder) and `bytes`.

    Raises:
      DataError: the data cannot be had; the message names the remedy.
    """
    known = entry(name)
    root = _root(known, data_dir, cache_dir)
    folder = prepared(root, known.folder, known.version) or _prepare(known, root, manual_dir)
    return {
        "name": name,
        "version": folder.name,
        "where": str(folder),
        "bytes": sum(path.stat().st_size for path in folder.iterdir()),
    }


def _root(
    entry: Entry,
    data_dir: str | os.PathLike[str] | None,
    cache_dir: str | os.PathLike[str] | None,
) -> Path:
    root = data_directory(data_dir)
    if entry.embedded and not writable(root):
        return fallback(cache_dir)
    return root


def _prepare(entry: Entry, root: Path, manual_dir: str | os.PathLike[str] | None) -> Path:
    import tensorflow_datasets as tfds

    if not writable(root):
        raise DataError(f"{entry.name}: {root} is read-only: name another folder with --data-dir")
    manual = Path(manual_dir).expanduser() if manual_dir else None
    options = tfds.download.DownloadConfig(
        manual_dir=manual,
        force_checksums_validation=bool(entry.builder),
        try_download_gcs=False,
    )
    tfds.disable_progress_bar()
    with writing(entry.name, root, "--data-dir"), _explained(entry.name):
        builder = _builder(entry, root)
        _check_connection(entry, builder, manual)
        try:
            builder.download_and_prepare(
                download_dir=root / "downloads",
                download_config=options,
                file_format="array_record",
            )
        except OSError:
            # Another process may have finished first: the last rename then fails.
            if not prepared(root, entry.folder, entry.version):
                raise
        return Path(builder.data_dir)


def _builder(entry: Entry, root: Path) -> Any:
    import tensorflow_datasets as tfds

    if not entry.builder:
        return tfds.builder(entry.name, data_dir=root)
    module, _, attribute = entry.builder.partition(":")
    return getattr(importlib.import_module(module), attribute)(data_dir=root)


def _check_connection(entry: Entry, builder: Any, manual: Path | None) -> None:
    """Ask once for the first upstream file that is not at hand.

    tensorflow-datasets would retry each file for minutes before it gives up.
    """
    import requests

    if entry.embedded:
        return
    start = builder.URL if entry.builder else ""
    for url, info in (builder.url_infos or {}).items():
        at_hand = manual and info.filename and (manual / info.filename).exists()
        if url.startswith(start) and not at_hand:
            requests.head(url, timeout=_PATIENCE_S)
            return


@contextlib.contextmanager
def _explained(name: str) -> Iterator[None]:
    """Turn what tensorflow-datasets raises, and the banner it prints, into one line each."""
    import requests
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.download.download_manager import NonMatchingChecksumError
    from tensorflow_datasets.core.registered import DatasetNotFoundError

    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    except DatasetNotFoundError as error:
        raise DataError(
            f"{name}: tensorflow-datasets knows no such dataset: see `efficient data list`"
        ) from error
    except NonMatchingChecksumError as error:
        reason = str(error).splitlines()[0].removesuffix(":")
        raise DataError(f"{name}: {reason}: fetch the file again") from error
    except (requests.exceptions.RequestException, tfds.download.DownloadError) as error:
        raise DataError(
            f"{name}: cannot be downloaded ({type(error).__name__}): connect, or put the upstream "
            "files into a folder and name it with --manual-dir, or name prepared data with "
            "--data-dir"
        ) from error
    except ImportError as error:
        module = (error.name or "tensorflow").partition(".")[0]
        package = "'efficient-jax[prepare]'" if module == "tensorflow" else module
        raise DataError(
            f"{name}: preparing it needs {module}: pip install {package}, "
            "or name prepared data with --data-dir"
        ) from error
