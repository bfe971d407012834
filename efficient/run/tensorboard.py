"""The curve of a run for TensorBoard, a point as soon as it is there. An extra; no TensorFlow."""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from efficient.ledger.record import Point
from efficient.run.attempt import Progress

_log = logging.getLogger(__name__)


class ExportError(ValueError):
    """Points cannot be written for others: one line with the reason and the remedy."""


@contextlib.contextmanager
def tensorboard(directory: Path | str) -> Iterator[Callable[[Progress], None]]:
    """An observer that writes what the curve gains, each run into a folder of its own.

    A disk that is full later on ends the export, with a warning, and never the run.

    Raises:
        ExportError: tensorboard is not installed, or the folder cannot be made.
    """
    try:
        from tensorboard.summary import Writer
    except ImportError:
        remedy = "pip install 'efficient-jax[tensorboard]'"
        raise ExportError(f"tensorboard is not installed: {remedy}") from None
    try:
        Path(directory).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ExportError(f"{directory} cannot be made ({error.strerror})") from None
    writers: dict[str, Any] = {}

    def observe(progress: Progress) -> None:
        if None in writers.values():
            return
        try:
            if progress.run_id not in writers:
                writers[progress.run_id] = Writer(str(Path(directory, progress.run_id)))
            for name, value in scalars(progress.point).items():
                writers[progress.run_id].add_scalar(name, value, progress.step)
            writers[progress.run_id].flush()
        except OSError as error:
            writers[progress.run_id] = None
            _log.warning("%s: no more points for TensorBoard (%s)", directory, error)

    try:
        yield observe
    finally:
        for writer in writers.values():
            with contextlib.suppress(OSError):
                if writer is not None:
                    writer.close()


def scalars(point: Point) -> dict[str, float]:
    """What is known at a point; nothing stands for what is not."""
    found = {
        "train/loss": point.train_loss,
        "cost/train_s": point.train_s,
        "cost/total_s": point.total_s,
        "cost/flops_executed": point.flops_executed,
        "cost/energy_j": point.energy_j,
    }
    if point.validation is not None:
        found["validation/loss"] = point.validation.loss
        found["validation/accuracy"] = point.validation.accuracy
    return {n: float(v) for n, v in found.items() if v is not None and math.isfinite(v)}
