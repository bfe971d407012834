"""How a run is going: a bar on a terminal, now and then a line in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from efficient.cli.output import say
from efficient.ledger.record import Score
from efficient.run import Progress

LINE_EVERY_S = 10.0

Observe = Callable[[Progress], None]


@contextmanager
def display(quiet: bool) -> Iterator[Observe]:
    """An observer of a run that shows it on stderr."""
    if quiet:
        yield lambda progress: None
    elif sys.stderr.isatty():
        with _bar() as observe:
            yield observe
    else:
        yield _lines()


def describe(progress: Progress, score: Score | None) -> str:
    """Where a run stands and how fast it goes, in less than 60 columns."""
    steps = progress.step - progress.resumed
    rate = steps / progress.train_s if progress.train_s > 0 else 0.0
    pace = f"{rate:,.0f}" if rate >= 10 else f"{rate:.2f}"
    left = _clock((progress.steps - progress.step) / rate) if rate else "?"
    text = f"{progress.step}/{progress.steps} {pace}/s {left} left loss {progress.loss:.3f}"
    return text + (f" val {score.loss:.3f} {100 * score.accuracy:.1f} %" if score else "")


def _lines() -> Observe:
    """At every point of the curve, else at most every `LINE_EVERY_S`."""
    last = time.monotonic()

    def observe(progress: Progress) -> None:
        nonlocal last
        now = time.monotonic()
        if progress.score is not None or now - last >= LINE_EVERY_S:
            say(f"{progress.phase} {describe(progress, progress.score)}")
            last = now

    return observe


@contextmanager
def _bar() -> Iterator[Observe]:
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}"),
        BarColumn(None),
        TextColumn("{task.fields[state]}"),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True, expand=True) as bar:
        task = bar.add_task("prepare", total=None, state="data, network, compilation")
        score: Score | None = None

        def observe(progress: Progress) -> None:
            nonlocal score
            score = progress.score or score
            bar.update(
                task,
                description=progress.phase,
                completed=progress.step,
                total=progress.steps,
                state=describe(progress, score),
            )

        yield observe


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
