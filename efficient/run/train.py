"""Train one config to its end: the only way from a Config to a Record."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from pathlib import Path

from efficient.config import Config, digest
from efficient.cost.clock import Clock
from efficient.data import load as load_dataset
from efficient.ledger.record import Record
from efficient.ledger.source import source
from efficient.run.attempt import Attempt, Progress, interruptible
from efficient.run.build import build
from efficient.run.finish import finish
from efficient.run.parent import parents
from efficient.run.training import Training


def train(
    config: Config,
    out: Path | str = "runs",
    data_dir: Path | str | None = None,
    observe: Callable[[Progress], None] | None = None,
) -> Record:
    """Train, score on test once, ship, and keep the record in a folder of `out`.

    An unfinished attempt at the same request goes on from its newest checkpoint. SIGINT and
    SIGTERM save and return a record whose status is `interrupted`.

    Raises:
        ValueError (its subclasses): a setting, a file or a parent is wrong; one line says which.
    """
    clock, started, out = Clock(), datetime.datetime.now(datetime.UTC), Path(out)
    with clock.lap("data"):
        dataset = load_dataset(config.workload.data, data_dir)
    with clock.lap("build"):
        lineage = parents(config, out)
        request = digest(config, dataset.fingerprint, source().digest)
        built = build(config, dataset, out)
        name = re.sub(r"[^\w.+-]+", ".", f"{config.workload.name}-{config.label}")
        attempt = Attempt.open(out, f"{name}-s{config.seed}-{request[:8]}")
    with attempt.logging(), interruptible() as caught:
        with clock.lap("build"):
            training = Training.begin(built, attempt, clock, observe or (lambda progress: None))
        training.caught = caught
        status = training.run()
        return finish(training, status, request, started, lineage, out)
