"""One attempt at a request: its directory, its journal and its bill.

A killed process leaves what it journaled; the next process of the attempt goes on from the newest
intact checkpoint and the bill of all processes stands in the record. A line of the journal holds
the cumulative cost of its process, so the last line of each process is that process's bill.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from efficient.ledger.bill import Process
from efficient.ledger.codec import from_dict, to_dict
from efficient.ledger.record import FINISHED, NONFINITE, Point, Score
from efficient.ledger.store import RECORD, StoreError, append_line, read_lines, read_record
from efficient.variants import VariantError

JOURNAL, LOG = "attempts.jsonl", "log.txt"
#: What a run says of its progress goes to its own file only; observers show it to people.
DIARY = logging.getLogger("efficient.diary")
DIARY.setLevel(logging.INFO)
DIARY.propagate = False
DONE = (FINISHED, NONFINITE)


@dataclass(frozen=True)
class Progress:
    """What an observer is told at every chunk boundary.

    point: what the curve gained; steps: of the whole run; loss: of the newest step; train_s: of
    this process; resumed: the step at which it began.
    """

    run_id: str
    point: Point
    steps: int
    loss: float
    train_s: float
    resumed: int

    @property
    def phase(self) -> str:
        return self.point.phase

    @property
    def step(self) -> int:
        return self.point.step

    @property
    def score(self) -> Score | None:
        return self.point.validation


@dataclass
class Attempt:
    """run_id and directory; processes: the bills of earlier processes of this attempt."""

    run_id: str
    directory: Path
    processes: tuple[Process, ...]

    @classmethod
    def open(cls, out: Path, stem: str) -> Attempt:
        """The unfinished attempt at this request, or a new one.

        Raises:
            StoreError: `out` cannot be written.
        """
        directory = unfinished(out, stem) or _next(out, stem)
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            reason = error.strerror or error
            raise StoreError(
                f"{directory} cannot be made ({reason}); choose another folder with --out"
            ) from None
        return cls(directory.name, directory, bills(directory))

    @contextlib.contextmanager
    def logging(self) -> Iterator[None]:
        """Keep the diary, and what the package warns of meanwhile, in the attempt's `log.txt`."""
        loggers = (DIARY, logging.getLogger("efficient"))
        handler = logging.FileHandler(self.directory / LOG, encoding="utf-8")
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
        for logger in loggers:
            logger.addHandler(handler)
        try:
            yield
        finally:
            for logger in loggers:
                logger.removeHandler(handler)
            handler.close()

    @contextlib.contextmanager
    def refusable(self) -> Iterator[None]:
        """A setting that is refused before anything was trained leaves nothing behind."""
        try:
            yield
        except VariantError:
            if not bills(self.directory):
                shutil.rmtree(self.directory, ignore_errors=True)
            raise

    def journal(self, bill: Process) -> None:
        """Append this process's cumulative bill; `killed` until it says otherwise."""
        append_line(self.directory / JOURNAL, to_dict(bill))


def stem(workload: str, label: str, seed: int, request: str) -> str:
    """The id of a request's runs, but for the number of the attempt."""
    name = re.sub(r"[^\w.+-]+", ".", f"{workload}-{label}")
    return f"{name}-s{seed}-{request[:8]}"


def unfinished(out: Path, stem: str) -> Path | None:
    """The folder of the newest attempt at this request, unless it is over."""
    earlier = _attempts(out, stem)
    return earlier[-1] if earlier and not _done(earlier[-1]) else None


def bills(directory: Path) -> tuple[Process, ...]:
    """What each process of an attempt spent, by its last line."""
    path = directory / JOURNAL
    lines = read_lines(path) if path.is_file() else []
    last = {line["number"]: from_dict(Process, line, JOURNAL) for line in lines}
    return tuple(last[number] for number in sorted(last))


@contextlib.contextmanager
def interruptible() -> Iterator[list[int]]:
    """SIGINT and SIGTERM append to the list instead of stopping; a second one stops at once."""
    caught: list[int] = []

    def note(number, frame):
        if caught:
            os._exit(128 + number)
        caught.append(number)

    try:
        before = {s: signal.signal(s, note) for s in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # not the main thread: the caller's signals stay the caller's
        yield caught
        return
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _attempts(out: Path, stem: str) -> list[Path]:
    return sorted(out.glob(f"{stem}-[0-9][0-9][0-9][0-9]"))


def _next(out: Path, stem: str) -> Path:
    earlier = _attempts(out, stem)
    last = int(earlier[-1].name[-4:]) if earlier else 0
    return out / f"{stem}-{last + 1:04d}"


def _done(directory: Path) -> bool:
    """Whether an attempt is over; a damaged record is not, so it is written again."""
    if not (directory / RECORD).is_file():
        return False
    with contextlib.suppress(ValueError):
        return read_record(directory).status in DONE
    return False
