"""Artefacts side by side: scored again, weighed, loaded, and timed in turns."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import jax

from efficient.benchmark import process, theory
from efficient.benchmark.contender import Ready, name_of, prepare, tasks
from efficient.benchmark.error import BenchmarkError
from efficient.benchmark.examination import examine, examples, recorded, workload_of
from efficient.benchmark.here import free_bytes, lacks, shifted
from efficient.benchmark.timing import Clock, interval, latencies, percentiles, rounds
from efficient.cost.machine import machine, versions
from efficient.data import Dataset
from efficient.data import load as load_dataset
from efficient.deploy import Artefact, load
from efficient.ledger.benchmark import (
    FASTER,
    NO_CLAIM,
    SLOWER,
    UNITS,
    UNRESOLVED,
    Benchmark,
    Comparison,
    Interval,
    Latency,
    Rate,
    Subject,
)

BATCHES, SECONDS = (1, 8, 32, 128), 1.0
#: A doubled batch pays when throughput grows by so much; no batch is larger than the last number.
PAYS, MOST = 1.05, 1 << 16
#: Share of the free memory that a program may plan for.
SHARE = 0.7

Tell = Callable[[str], None]


@dataclass
class _Contest:
    """What all parts of a benchmark share."""

    subjects: tuple[Subject, ...]
    artefacts: tuple[Artefact, ...]
    workload: Any
    dataset: Dataset
    seconds: float
    clock: Clock
    tell: Tell

    def ready(self, task: str, batch: int) -> list[Ready]:
        inputs = jax.block_until_ready(examples(self.workload, self.dataset, batch))
        return [prepare(artefact, task, inputs) for artefact in self.artefacts]


def bench(
    folders: Sequence[Path],
    *,
    batches: Sequence[int] = BATCHES,
    seconds: float = SECONDS,
    data_dir: str | None = None,
    tell: Tell = lambda line: None,
    clock: Clock = time.perf_counter,
) -> Benchmark:
    """Measure artefacts of one workload; the first is the reference of every ratio.

    batches: sizes at which throughput is measured; from the largest on it is doubled while that
    pays. seconds: that each artefact is given at each of them.

    Raises:
        BenchmarkError: they are of different workloads, or one cannot be run. ArefactError: one
        cannot be loaded. DataError: the dataset is not prepared.
    """
    begin = time.perf_counter()
    artefacts = tuple(load(folder, shifted()) for folder in folders)
    workload = _common(artefacts)
    dataset = load_dataset(workload.data, data_dir)
    subjects = _subjects(artefacts, workload, dataset, max(batches), tell)
    contest = _Contest(subjects, artefacts, workload, dataset, seconds, clock, tell)
    shared = [t for t in tasks(artefacts[0]) if all(t in tasks(a) for a in artefacts)]
    notes = list(lacks([subject.contraction for subject in subjects]))
    found, rates, comparisons = [], [], []
    for task in shared:
        found += _latencies(contest, task)
        made, compared, note = _rates(contest, task, sorted(set(batches)))
        rates, comparisons, notes = rates + made, comparisons + compared, [*notes, note]
    return Benchmark(
        workload.name,
        machine(),
        versions(),
        subjects,
        tuple(found),
        tuple(rates),
        tuple(comparisons),
        tuple(notes),
        seconds,
        time.perf_counter() - begin,
    )


def _common(artefacts: Sequence[Artefact]) -> Any:
    """The workload of all of them."""
    first, *others = artefacts
    workload = workload_of(first)
    for other in others:
        if workload_of(other) != workload or other.signature != first.signature:
            raise BenchmarkError(
                f"{name_of(first)} and {name_of(other)} learned different workloads: bench them "
                "apart"
            )
    return workload


def _subjects(
    artefacts: Sequence[Artefact], workload: Any, dataset: Dataset, batch: int, tell: Tell
) -> tuple[Subject, ...]:
    made = []
    reference = theory.contraction(load(artefacts[0].folder))
    for artefact in artefacts:
        name = name_of(artefact)
        tell(f"{name}: loading in a process of its own")
        loaded = process.measure(artefact.folder, batch)
        tell(f"{name}: scoring on the test split")
        contraction = theory.contraction(load(artefact.folder))
        claim = theory.refusal(artefact, contraction, reference) if made else ""
        made.append(
            Subject(
                name=_unlike(name, [subject.name for subject in made]),
                folder=str(artefact.folder),
                score=examine(artefact, workload, dataset),
                recorded=recorded(artefact),
                files=artefact.sizes,
                load_s=loaded.load_s,
                compile_s=loaded.compile_s,
                memory=loaded.memory,
                contraction=contraction,
                claim=claim,
            )
        )
    return tuple(made)


def _latencies(contest: _Contest, task: str) -> list[Latency]:
    contest.tell(f"{task}: latency at batch 1")
    calls = [ready.call for ready in contest.ready(task, 1)]
    found = latencies(calls, contest.seconds, contest.clock)
    return [
        Latency(subject.name, task, len(times), percentiles(times))
        for subject, times in zip(contest.subjects, found, strict=True)
    ]


def _rates(
    contest: _Contest, task: str, batches: Sequence[int]
) -> tuple[list[Rate], list[Comparison], str]:
    """Throughput at the sizes, then at their doubles while that pays; and why it ended."""
    rates, comparisons, best, batch = [], [], 0.0, batches[0]
    while True:
        ready = contest.ready(task, batch)
        needed, free = needed_bytes(ready), free_bytes()
        if free is not None and needed > SHARE * free:
            return rates, comparisons, f"{task}: no batch of {batch}: memory ends"
        contest.tell(f"{task}: throughput at batch {batch}")
        made, compared = _round(contest, task, batch, [one.call for one in ready])
        rates, comparisons = rates + made, comparisons + compared
        fastest, before = max(rate.per_s for rate in made), best
        best, last = max(best, fastest), batch
        larger = [size for size in batches if size > batch]
        batch = larger[0] if larger else 2 * batch
        if not larger and fastest < PAYS * before:
            return rates, comparisons, f"{task}: no batch above {last}: a larger one does not pay"
        if batch > MOST:
            return rates, comparisons, f"{task}: no batch above {last}: that is the most tried"


def needed_bytes(ready: Sequence[Ready]) -> int:
    """Most that they take in turns: the largest program, and what each keeps between its calls."""
    return max(one.planned_bytes for one in ready) + sum(one.held_bytes for one in ready)


def _round(
    contest: _Contest, task: str, batch: int, calls: list[Callable[[], object]]
) -> tuple[list[Rate], list[Comparison]]:
    """All artefacts at one batch size, in turns, and the reference twice where there are others."""
    several = len(calls) > 1
    times = rounds([*calls, calls[0]] if several else calls, contest.seconds, contest.clock)
    context = contest.artefacts[0].signature.input_shape[0]
    units = batch * (context if task == "prefill" else 1)
    rates = [
        Rate(subject.name, task, batch, UNITS[task], units / median(found), tuple(found))
        for subject, found in zip(contest.subjects, times, strict=False)
    ]
    if not several:
        return rates, []
    null = interval([a / b for a, b in zip(times[0], times[-1], strict=True)])
    compared = [
        _compare(contest.subjects, number, task, batch, times, null)
        for number in range(1, len(calls))
    ]
    return rates, compared


def _compare(
    subjects: Sequence[Subject],
    number: int,
    task: str,
    batch: int,
    times: list[list[float]],
    null: Interval,
) -> Comparison:
    reference, subject = subjects[0], subjects[number]
    gain = interval([a / b for a, b in zip(times[0], times[number], strict=True)])
    promised, basis = theory.theoretical(subject.contraction, reference.contraction)
    return Comparison(
        subject=subject.name,
        dtype=subject.contraction.dtype,
        reference=reference.name,
        reference_dtype=reference.contraction.dtype,
        task=task,
        batch=batch,
        gain=gain,
        null=null,
        theoretical=promised,
        basis=basis,
        realised=gain.median / promised,
        verdict=_verdict(gain, null, subject.claim),
    )


def _verdict(gain: Interval, null: Interval, claim: str) -> str:
    """What may be said: an interval that meets that of the reference over itself says nothing."""
    if claim:
        return NO_CLAIM
    if gain.low > max(null.high, 1.0):
        return FASTER
    return SLOWER if gain.high < min(null.low, 1.0) else UNRESOLVED


def _unlike(name: str, names: Sequence[str]) -> str:
    """A name that is not among the names."""
    others = (f"{name} ({number})" for number in range(2, len(names) + 3))
    return name if name not in names else next(n for n in others if n not in names)
