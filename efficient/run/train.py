"""Train one config to its end: the only way from a Config to a Record."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from functools import partial
from pathlib import Path

from efficient.config import Config, digest
from efficient.cost.allocator import keep_freed_memory
from efficient.cost.clock import Clock
from efficient.data import Dataset
from efficient.data import load as load_dataset
from efficient.ledger.record import Record
from efficient.ledger.source import source
from efficient.run.attempt import Attempt, Progress, interruptible, stem, unfinished
from efficient.run.bill import Known
from efficient.run.build import build
from efficient.run.finish import Origin, finish
from efficient.run.forecast import forecast, recall, remember
from efficient.run.parent import parents
from efficient.run.spending import Spending
from efficient.run.teacher import train_teachers
from efficient.run.terms import Terms
from efficient.run.training import Training
from efficient.run.venue import Venue


def train(
    config: Config,
    out: Path | str = "runs",
    data_dir: Path | str | None = None,
    observe: Callable[[Progress], None] | None = None,
    terms: Terms | None = None,
    dataset: Dataset | None = None,
) -> Record:
    """Train, score on test once, ship, and keep the record in a folder of `out`.

    An unfinished attempt at the same request goes on from its newest checkpoint, with the steps
    that were planned when it began. SIGINT, SIGTERM and a spent budget save and return a record
    whose status says so.

    dataset: in the place of the one that the config names.

    Raises:
        ValueError (its subclasses): a setting, a file or a parent is wrong, or the prediction is
        over the budget and nobody agreed; one line says which.
    """
    keep_freed_memory()
    terms, out = terms or Terms(), Path(out)
    config = train_teachers(config, out, data_dir, terms, quiet=observe is None)
    clock, started = Clock(), datetime.datetime.now(datetime.UTC)
    venue = Venue.here(terms.site)
    with venue.meter() as meter:
        meter.start()
        with clock.lap("data"):
            dataset = dataset or load_dataset(config.workload.data, data_dir)
        with clock.lap("build"):
            lineage = parents(config, out)
            request = digest(config, dataset.fingerprint, source().digest)
            run = stem(config.workload.name, config.label, config.seed, request)
            planned = recall(unfinished(out, run))
        with clock.lap("calibrate"):
            calibration = venue.calibration(terms.calibrates(config) and planned is None)
        with clock.lap("build"):
            pace = venue.pace(calibration)
            built = build(config, dataset, out, pace, planned.steps if planned else None)
            estimate = planned or forecast(built, pace, venue)
            terms.check(estimate)
            attempt = Attempt.open(out, run)
            remember(attempt.directory, estimate)
        known = Known(venue, calibration, terms.measured, estimate, str(terms.budget))
        with attempt.logging(), interruptible() as caught:
            with clock.lap("build"):
                spending = Spending(clock, meter, attempt.processes)
                limit = partial(terms.limit, venue=venue)
                training = Training.begin(built, attempt, spending, observe or _silent, limit)
            training.caught = caught
            built.load.prepare(training)
            with attempt.refusable():
                status = training.run()
            return finish(training, status, Origin(request, started, lineage, out, known))


def _silent(progress: Progress) -> None:
    """Nobody watches."""
