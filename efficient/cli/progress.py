"""How a run is going: a bar on a terminal, now and then a line in a log."""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from efficient.cli.output import say
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


def describe(progress: Progress) -> str:
    """Where it stands, for people: rate, time left, loss, and the validation score if new."""
    steps = progress.step - progress.resumed
    rate = steps / progress.train_s if progress.train_s > 0 else 0.0
    left = (progress.steps - progress.step) / rate if rate else 0.0
    text = f"{rate:,.3g} steps/s  {_clock(left)} left  loss {progress.loss:.4f}"
    if progress.score is not None:
        score = progress.score
        text += f"  validation {score.loss:.4f}, {100 * score.accuracy:.2f} %"
    return text


def _lines() -> Observe:
    """At every point of the curve, else at most every `LINE_EVERY_S`."""
    last = time.monotonic()

    def observe(progress: Progress) -> None:
        nonlocal last
        now = time.monotonic()
        if progress.score is None and now - last < LINE_EVERY_S:
            return
        last = now
        say(f"{progress.phase} {progress.step}/{progress.steps}  {describe(progress)}")

    return observe


@contextmanager
def _bar() -> Iterator[Observe]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Bar(
        *columns, TextColumn("{task.fields[state]}"), console=Console(stderr=True), transient=True
    ) as bar:
        task = bar.add_task("build", total=None, state="")
        scored = None

        def observe(progress: Progress) -> None:
            nonlocal scored
            scored = progress.score or scored
            shown = describe(dataclasses.replace(progress, score=scored))
            bar.update(
                task,
                description=progress.phase,
                completed=progress.step,
                total=progress.steps,
                state=shown,
            )

        yield observe


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
