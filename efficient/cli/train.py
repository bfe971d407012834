"""`efficient train`: one config to its end, and what it came to."""

from __future__ import annotations

import argparse
import contextlib
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from efficient.cli.failure import usage
from efficient.cli.output import document, quiet_stdout, say
from efficient.cli.score import quality
from efficient.cli.selection import explain, select
from efficient.compare.summary import describe
from efficient.ledger.codec import to_dict
from efficient.ledger.record import FINISHED, NONFINITE, OVER_BUDGET, Record
from efficient.report import number

if TYPE_CHECKING:
    from efficient.run import Progress

#: What `--json` leaves to record.json.
LONG = ("config", "points", "versions", "source", "data", "files")


def train(arguments: argparse.Namespace) -> int:
    """Train, then print a line or, with --json, the summary of the record."""
    if arguments.help:
        return explain(arguments)
    config = select(arguments)
    from efficient.cli.progress import display
    from efficient.cli.terms import terms
    from efficient.run import train as run
    from efficient.run.teacher import train_teachers

    out, agreed = Path(arguments.out), terms(arguments)
    with _export(arguments.tensorboard) as exports:
        config = train_teachers(config, out, arguments.data_dir, agreed, arguments.quiet)
        with quiet_stdout(), _signals() as caught, display(arguments.quiet) as show:
            record = run(config, out, arguments.data_dir, _told(show, *exports), agreed)
    if arguments.json:
        document(summary(record, out / record.run_id))
    else:
        print(line(record, out / record.run_id))
    if record.status == FINISHED:
        return 0
    if record.status == NONFINITE:
        say(f"efficient: error: {_why(record)}; lower the learning rate or clip the gradient")
        return 3
    if record.status == OVER_BUDGET:
        say(f"efficient: {_why(record)}; the same command with a larger --budget goes on")
        return 4
    say(
        f"efficient: interrupted at step {record.steps} of {record.steps_planned}; "
        "the same command goes on from there"
    )
    return 128 + (caught[0] if caught else signal.SIGINT)


def summary(record: Record, directory: Path) -> dict[str, Any]:
    """The record without its long parts, for programs."""
    plain = {name: value for name, value in to_dict(record).items() if name not in LONG}
    return plain | {"directory": str(directory)}


def line(record: Record, directory: Path) -> str:
    """What a run came to."""
    cost = record.cost
    scores = [f"{name} {quality(record, name)}" for name in record.scores]
    flops = cost.flops_executed
    parts = [
        f"{record.run_id}: {record.status}",
        *scores,
        f"train {number.seconds(cost.train_s)}",
        f"total {number.seconds(cost.total_s)}",
        "executed FLOPs unknown" if flops is None else f"executed {number.scaled(flops, 'FLOP')}",
        f"on {describe(record.machine)}",
        str(directory),
    ]
    return ", ".join(parts)


def _why(record: Record) -> str:
    return record.notes[-1] if record.notes else "the loss is not finite"


@contextmanager
def _export(folder: str | None) -> Iterator[list[Callable[[Progress], None]]]:
    """Observers that write the curve for other programs."""
    if folder is None:
        yield []
        return
    from efficient.run.tensorboard import tensorboard

    with contextlib.ExitStack() as stack:
        with usage():
            observe = stack.enter_context(tensorboard(folder))
        yield [observe]


def _told(*observers: Callable[[Progress], None]) -> Callable[[Progress], None]:
    """One observer that tells all of them."""

    def observe(progress: Progress) -> None:
        for each in observers:
            each(progress)

    return observe


@contextmanager
def _signals() -> Iterator[list[int]]:
    """The number of the first signal that arrives inside, there at the end, whoever handles it."""
    caught: list[int] = []
    reader, writer = socket.socketpair()
    with reader, writer:
        reader.setblocking(False)
        writer.setblocking(False)
        before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        try:
            yield caught
        finally:
            signal.set_wakeup_fd(before)
            with contextlib.suppress(BlockingIOError):
                caught += reader.recv(1)
