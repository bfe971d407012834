"""Teachers that are trained on the way: a run of its own each, in a process of its own, with its
own record and bill, before the student's run begins.

A variant asks for one by the name `preset:NAME` (a preset, a Python file or a config as JSON), or
`preset:NAME@SEED` for another seed than its own. The run is found again by its request, so it is
trained once, and the student's config, which stands in its record, names it by its id.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from efficient.config import Config, ConfigError, digest, from_json, load_preset, to_json
from efficient.cost.clock import Clock
from efficient.data import load as load_dataset
from efficient.ledger.record import FINISHED
from efficient.ledger.source import source
from efficient.ledger.store import records
from efficient.run.parent import UNTRAINED
from efficient.run.terms import Terms
from efficient.variants import Variant, VariantError

#: Stands between the names of several teachers.
SEPARATOR = "|"
#: How a process ends that a signal stopped: before its handlers stood, or after.
STOPPED = (130, 143, -signal.SIGINT, -signal.SIGTERM)


def train_teachers(
    config: Config,
    out: Path,
    data_dir: Path | str | None = None,
    terms: Terms | None = None,
    quiet: bool = False,
) -> Config:
    """The config with every teacher trained, and named by the id of its run.

    terms: where a teacher is trained and what it may cost; a budget holds for each run by itself.
    quiet: show nothing of its progress on stderr.

    Raises:
        ConfigError: there is no such preset. VariantError: it learns something else than the
        student, or its run failed. KeyboardInterrupt: somebody stopped it; it is saved.
    """
    return _School(out, data_dir, terms or Terms(), quiet).prepare(config, ())


@dataclass(frozen=True)
class _School:
    out: Path
    data_dir: Path | str | None
    terms: Terms
    quiet: bool

    def prepare(self, config: Config, students: tuple[str, ...]) -> Config:
        """students: the names of those that wait for this one."""
        variants = tuple(self._taught(variant, config, students) for variant in config.variants)
        return config if variants == config.variants else replace(config, variants=variants)

    def _taught(self, variant: Variant, student: Config, students: tuple[str, ...]) -> Variant:
        runs: dict[str, str] = {}
        for name in (name for _, name in variant.parents() if name.startswith(UNTRAINED)):
            if name in students:
                raise VariantError(f"teacher {name!r} would have to teach itself; name another")
            runs[name] = self._run(name, student, (*students, name))
        if not runs:
            return variant
        given = [name.strip() for name in getattr(variant, "teacher", "").split(SEPARATOR)]
        field = {"teacher": SEPARATOR.join(runs.get(name, name) for name in given)}
        return replace(variant, **field)

    def _run(self, name: str, student: Config, students: tuple[str, ...]) -> str:
        """The id of the finished run of a teacher, which is trained unless it is there."""
        config = _read(name)
        dataset = load_dataset(student.workload.data, self.data_dir)
        if config.workload.data != student.workload.data:
            raise VariantError(
                f"teacher {name!r} learns {config.workload.data!r}, this run "
                f"{student.workload.data!r}; choose a teacher of the same data"
            )
        mine, theirs = (c.workload.signature(dataset) for c in (student, config))
        if mine != theirs:
            raise VariantError(
                f"teacher {name!r} maps {theirs[0]} to {theirs[1]} classes, this run {mine[0]} to "
                f"{mine[1]}; choose a teacher of this workload"
            )
        config = self.prepare(config, students)
        request = digest(config, dataset.fingerprint, source().digest)
        kept = records(self.out)[0] if self.out.is_dir() else []
        for record in kept:
            if record.status == FINISHED and record.request == request:
                return record.run_id
        return self._train(name, config)

    def _train(self, name: str, config: Config) -> str:
        """One process, whose seconds are not the student's."""
        begun = time.perf_counter()
        if not self.quiet:
            print(f"efficient: trains the teacher {name} first", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "config.json")
            file.write_text(json.dumps(to_json(config)))
            command = [sys.executable, "-m", "efficient", "train", str(file), *self._options()]
            environment = {**os.environ, **self.terms.site.to_environment()}
            with _process(command, environment) as (process, caught):
                try:
                    answer, _ = process.communicate()
                except KeyboardInterrupt:
                    process.wait()  # it got the signal too, and saves
                    raise
        Clock.leave_out(time.perf_counter() - begun)
        if caught or process.returncode in STOPPED:
            raise KeyboardInterrupt
        if process.returncode:
            raise VariantError(
                f"teacher {name!r} failed with exit {process.returncode} and its own message, "
                "which stands above; mend that and give the same command again"
            )
        return json.loads(answer)["run_id"]

    def _options(self) -> list[str]:
        options = ["--out", str(self.out), "--json"]
        options += ["--data-dir", str(self.data_dir)] if self.data_dir else []
        options += ["--budget", str(self.terms.budget)] if self.terms.budget.limits else []
        options += ["--yes"] if self.terms.agreed else []
        options += ["--peak", "measured"] if self.terms.measured else []
        return options + (["--quiet"] if self.quiet else [])


@contextlib.contextmanager
def _process(
    command: list[str], environment: dict[str, str]
) -> Iterator[tuple[subprocess.Popen[bytes], list[int]]]:
    """A process and the signals that were handed on to it: SIGTERM reaches us alone.

    So it saves and ends before we do.
    """
    caught: list[int] = []
    started: list[subprocess.Popen[bytes]] = []

    def forward(number: int, frame: object) -> None:
        caught.append(number)
        for process in started:
            process.send_signal(number)

    before = None
    with contextlib.suppress(ValueError):  # not the main thread: the caller's signals stay its own
        before = signal.signal(signal.SIGTERM, forward)
    try:
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
            started.append(process)
            if caught:
                process.terminate()
            yield process, caught
    finally:
        if before is not None:
            signal.signal(signal.SIGTERM, before)


def _read(name: str) -> Config:
    """The config of `preset:NAME` or `preset:NAME@SEED`."""
    given, at, seed = name.removeprefix(UNTRAINED).partition("@")
    if at and not seed.isdecimal():
        raise ConfigError(f"teacher {name!r} has the seed {seed!r}; give a whole number behind @")
    config = _load(given)
    return replace(config, seed=int(seed)) if at else config


def _load(given: str) -> Config:
    if not given.endswith(".json"):
        return load_preset(given)
    try:
        return from_json(json.loads(Path(given).read_bytes()))
    except OSError as error:
        raise ConfigError(f"config {given!r} cannot be read: {error.strerror}") from None
    except json.JSONDecodeError as error:
        raise ConfigError(f"config {given!r} is not JSON: {error}") from None
