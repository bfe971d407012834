"""What stands in TensorBoard's event files."""

from __future__ import annotations

from pathlib import Path


def events(folder: Path) -> list[tuple[str, int, float]]:
    """(tag, step, value) of every scalar in the event files of a folder."""
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    return [
        (value.tag, event.step, value.tensor.float_val[0])
        for path in sorted(folder.iterdir())
        for event in EventFileLoader(str(path)).Load()
        for value in event.summary.value
    ]
