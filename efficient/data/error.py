"""The error of this room, and the translation of a full or locked disk into it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_LOCKED = (errno.EACCES, errno.EROFS, errno.EPERM)


class DataError(ValueError):
    """Data that cannot be had: one line naming the dataset, what is wrong and the remedy."""


@contextmanager
def writing(name: str, folder: Path, option: str) -> Iterator[None]:
    """Turn "disk full" and "not writable" below `folder` into a `DataError` naming `option`."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        if reason := _reason(error):
            raise DataError(f"{name}: {folder}: {reason} or name a folder by {option}") from error
        raise


def _reason(error: OSError | RuntimeError) -> str:
    """The reason and half of the remedy; empty when the disk is not to blame.

    tensorflow-datasets checks the free space itself and raises without an error number; the writer
    of array_record raises a RuntimeError that holds only the system's words.
    """
    number, text = getattr(error, "errno", None), str(error)
    for code in _FULL:
        if number == code or os.strerror(code) in text:
            return f"{os.strerror(code)}: free some space"
    if number is None and "disk space" in text:
        return f"{text.rstrip('.')}: free some space"
    return f"{os.strerror(number)}: allow writing" if number in _LOCKED else ""
