"""What commands print: one JSON document, or text for people."""

from __future__ import annotations

import contextlib
import json
import logging
import sys
import textwrap
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import rich.box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from efficient.ledger.codec import to_dict
from efficient.ledger.printable import printable

#: Columns on the screen that a table may take: a path in it is never cut.
WIDEST = 1000


def document(value: Any) -> None:
    """The one JSON document on stdout; non-finite numbers become null."""
    print(json.dumps(to_dict(value), indent=1, allow_nan=False))


def say(text: str) -> None:
    """A line of progress."""
    print(text, file=sys.stderr, flush=True)


def say_now_and_then(every_s: float = 2.0) -> Callable[[str], None]:
    """Progress of what may take long: a line, unless one was said just before."""
    last = time.monotonic()

    def tell(text: str) -> None:
        nonlocal last
        if time.monotonic() - last >= every_s:
            last = time.monotonic()
            say(text)

    return tell


def warn(text: str) -> None:
    """A line that a reader should not miss."""
    say(f"efficient: warning: {printable(text)}")


@contextlib.contextmanager
def warnings_shown() -> Iterator[None]:
    """Warnings that the package logs are lines on stderr; what else it logs is for log files.

    A log file that cannot be written, as on a full disk, says nothing: the run itself says it.
    """
    logger, handler = logging.getLogger("efficient"), _Lines(logging.WARNING)
    logger.addHandler(handler)
    before = logger.propagate, logging.raiseExceptions
    logger.propagate = logging.raiseExceptions = False
    try:
        yield
    finally:
        logger.propagate, logging.raiseExceptions = before
        logger.removeHandler(handler)


class _Lines(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        warn(record.getMessage())


@contextlib.contextmanager
def quiet_stdout() -> Iterator[None]:
    """Whatever others print inside goes to stderr."""
    with contextlib.redirect_stdout(sys.stderr):
        yield


def console() -> Console:
    """Of stdout; text is printed as it is, without guesses at what to colour."""
    return Console(highlight=False, soft_wrap=False)


def heading(out: Console, text: str) -> None:
    out.print(f"\n[bold]{escape(text)}[/bold]")


def table(out: Console, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Rows under names, as wide as they are. Columns whose name begins with `>` are of numbers."""
    made = Table(box=rich.box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name in columns:
        right = name.startswith(">")
        made.add_column(_cell(name.removeprefix(">")), justify="right" if right else "left")
    for row in rows:
        made.add_row(*("" if cell is None else _cell(str(cell)) for cell in row))
    Console(file=out.file, width=WIDEST).print(made)


def _cell(text: str) -> str:
    return escape("\n".join(map(printable, text.split("\n"))))


def facts(out: Console, pairs: Iterable[tuple[str, Any]]) -> None:
    """Names and values, the values aligned; a value is broken at its spaces and its newlines."""
    shown = [(name, str(value)) for name, value in pairs]
    margin = max((len(name) for name, _ in shown), default=0) + 2
    for name, value in shown:
        lines = [part for line in value.splitlines() for part in _wrapped(line, out.width - margin)]
        for i, line in enumerate(lines or [""]):
            print(f"{'' if i else name:<{margin}}{line}".rstrip())


def _wrapped(line: str, width: int) -> list[str]:
    wide = max(width, 20)
    return textwrap.wrap(line, wide, break_long_words=False, break_on_hyphens=False) or [""]
