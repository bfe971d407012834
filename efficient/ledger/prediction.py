"""Which test examples a run had right, read from the file beside its record.

The file may be another's: its digest must be the record's, its arrays lie in it uncompressed, and
nothing in it is unpickled. A folder is found by its own name, never by a path made of a record's.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

from efficient.ledger.record import Record
from efficient.ledger.store import digest_file

PREDICTIONS = "predictions.npz"
#: A file above this is of no test split that we know.
MOST_BYTES = 100_000_000

Correct = Callable[[Record], Sequence[bool] | None]


def nothing(record: Record) -> None:
    """Of records that lie alone."""


def below(directory: Path | str) -> Correct:
    """A function of a record: whether each test example was right, None where that is not known.

    It is not where no file lies below the directory, where it is not the record's, or where an
    example is a text, of which a part can be right.
    """

    @cache
    def folders() -> dict[str, Path]:
        return {path.parent.name: path for path in Path(directory).rglob(PREDICTIONS)}

    def correct(record: Record) -> Sequence[bool] | None:
        path, file = folders().get(record.run_id), record.files.get(PREDICTIONS)
        if path is None or file is None or record.data.unit != "image":
            return None
        return _read(path, file.sha256, record.scores["test"].units)

    return correct


def _read(path: Path, sha256: str, examples: int) -> Sequence[bool] | None:
    import numpy as np

    try:
        size = path.stat().st_size
        if size > MOST_BYTES or digest_file(path) != sha256:
            return None
        with zipfile.ZipFile(path) as archive:
            if any(info.compress_type != zipfile.ZIP_STORED for info in archive.infolist()):
                return None
        with np.load(path, allow_pickle=False) as arrays:
            found = arrays["correct"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    if found.shape != (examples,) or not np.isin(found, (0, 1)).all():
        return None
    return (found == 1).tolist()
