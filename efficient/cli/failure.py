"""What is a mistake of the user, and how it is said."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


class UsageError(Exception):
    """A command line that cannot be run: one line with the word, what is wrong and the remedy."""


def ours(error: BaseException) -> bool:
    """Whether this package raised it on purpose: every room's error is a ValueError of its own."""
    return any(kind.__module__.split(".")[0] == "efficient" for kind in type(error).__mro__)


def complain(error: BaseException, code: int) -> int:
    """One line on stderr; returns the exit code."""
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        text = f"{where}{error.strerror or text}: check the disk, or give another --out"
    print(f"efficient: error: {text}", file=sys.stderr)
    return code


@contextmanager
def usage() -> Iterator[None]:
    """A setting that is refused inside, before anything is started, is a wrong command line."""
    try:
        yield
    except ValueError as error:
        if not ours(error):
            raise
        raise UsageError(str(error)) from None
