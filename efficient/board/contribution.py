"""Code entries: a user's variant or model as files, which run on an explicit replay, in isolation.

The code gets the training and validation splits and the inputs of the test split. It returns
predictions, and the board scores them. What its process says of FLOPs is its own word.
"""

from __future__ import annotations

import json
import random
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from efficient.board import guest, isolation
from efficient.board.claim import SHIPPED
from efficient.board.configuration import check_names
from efficient.board.entry import CODE_FOLDER, Opened
from efficient.board.error import BoardError
from efficient.board.replay import check_scores, patience
from efficient.board.rules import Target
from efficient.data import DataError, Dataset, load
from efficient.ledger.record import Record


def check(opened: Opened) -> None:
    """Every name of the config is the suite's, or of a file of the entry; without importing any.

    Raises:
        BoardError: it is of another module or lies elsewhere, or the run needs other runs.
    """
    away = next((n for n in opened.entry.elsewhere if n.startswith(f"{CODE_FOLDER}/")), None)
    if away is not None:
        raise BoardError(f"{away} lies elsewhere: only artefacts may; put it into the entry")
    code = (name for name in opened.entry.files if name.startswith(f"{CODE_FOLDER}/"))
    check_names(opened.entry.config, own=frozenset(Path(name).stem for name in code))
    if any(record.parents for record in opened.runs):
        raise BoardError("a code entry that needs other runs cannot be replayed")


def replay(
    opened: Opened, target: Target, count: int, data_dir: str | None, tell: Callable[[str], None]
) -> str:
    """Train so many of its runs again in isolation and score what they predict.

    Raises:
        BoardError: there is no isolation here, the code fails, or predicts worse than claimed.
    """
    check(opened)
    try:
        dataset = load(target.workload["data"], data_dir)
    except DataError as error:
        raise BoardError(f"its data are not here: {error}") from None
    if dataset.kind != "image":
        raise BoardError(
            "code on text cannot be replayed: the inputs of the test split are its labels, one "
            "place on"
        )
    if opened.runs[0].data.fingerprint != dataset.fingerprint:
        raise BoardError("its data are not the suite's")
    drawn = random.SystemRandom().sample(opened.runs, min(count, len(opened.runs)))
    found, seconds = [], 0.0
    for record in drawn:
        tell(f"training {record.run_id} again, in isolation")
        begun = time.monotonic()
        found.append(_score(_predictions(opened, record, dataset), dataset, target))
        seconds += time.monotonic() - begun
    claimed = [getattr(record.scores[SHIPPED], target.quality) for record in opened.runs]
    check_scores(claimed, found, target)
    seeds = ", ".join(str(record.seed) for record in drawn)
    return (
        f"{len(drawn)} of {len(opened.runs)} runs trained again in isolation (seeds {seeds}) in "
        f"{seconds:.0f} s; the board scored their predictions; FLOPs are the entry's word"
    )


def _predictions(opened: Opened, record: Record, dataset: Dataset) -> np.ndarray:
    """Logits of the test split, (examples, classes) float32, by a process that has no labels."""
    shape = (len(dataset.splits["test"]["targets"]), dataset.classes)
    size = 4 * shape[0] * shape[1]
    with tempfile.TemporaryDirectory(prefix="efficient-given-") as folder:
        given = Path(folder)
        (given / guest.CONFIG).write_text(json.dumps(record.config))
        shutil.copytree(opened.path(CODE_FOLDER), given / guest.CODE)
        without_labels(dataset, given / guest.DATA)
        command = ["-m", guest.__name__, isolation.GIVEN]
        output = isolation.run(command, given, size, patience(record))
    if len(output) != size:
        raise BoardError(f"its code predicts {len(output):,} bytes, {size:,} are {shape} logits")
    logits = np.frombuffer(output, np.float32).reshape(shape)
    if not np.isfinite(logits).all():
        raise BoardError("its code predicts what is not finite")
    return logits


def without_labels(dataset: Dataset, folder: Path) -> None:
    """Write a dataset for `guest`, the targets of the test split all 0."""
    folder.mkdir()
    arrays: dict[str, list[str]] = {}
    for split, named in dataset.splits.items():
        arrays[split] = list(named)
        for name, array in named.items():
            hidden = split == "test" and name == "targets"
            np.save(folder / f"{split}.{name}.npy", np.zeros_like(array) if hidden else array)
    facts: dict[str, Any] = {
        name: getattr(dataset, name)
        for name in ("name", "version", "kind", "classes", "fingerprint", "overlap", "details")
    }
    facts |= {"split_sha256": dataset.split_sha256, "arrays": arrays}
    (folder / guest.FACTS).write_text(json.dumps(facts))


def _score(logits: np.ndarray, dataset: Dataset, target: Target) -> float:
    """Accuracy, or mean nats, of logits (examples, classes)."""
    labels = np.asarray(dataset.splits["test"]["targets"])
    if target.quality == "accuracy":
        return float((logits.argmax(1) == labels).mean())
    wide = logits.astype(np.float64)
    picked = wide[np.arange(len(labels)), labels]
    return float((np.logaddexp.reduce(wide, axis=1) - picked).mean())
