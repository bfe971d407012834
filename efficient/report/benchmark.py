"""Tables of a benchmark of shipped models. Every speed names the number types of both sides."""

from __future__ import annotations

import math
from collections.abc import Iterable

from efficient.ledger.benchmark import UNITS, Benchmark, Comparison, Rate, Subject
from efficient.ledger.record import Score
from efficient.report import number
from efficient.report.layout import Cell, Table


def tables(made: Benchmark) -> list[Table]:
    """What was shipped, latency at batch 1, and throughput, by task."""
    names = list(dict.fromkeys(rate.task for rate in made.rates))
    return [
        _shipped(made),
        *(_latency(made, task) for task in names),
        *(_throughput(made, task) for task in names),
    ]


def _shipped(made: Benchmark) -> Table:
    text = any(rate.task in ("prefill", "decode") for rate in made.rates)
    columns = ("artefact", "multiplies", "test", "recorded", "file", "load", "memory")
    rows = [
        (
            subject.name,
            _mixture(subject),
            _quality(subject.score, text),
            _difference(subject, text),
            number.scaled(subject.stored_bytes, "B"),
            number.seconds(subject.load_s),
            _memory(subject),
        )
        for subject in made.subjects
    ]
    notes = [
        "file: all files of the folder; load: files to arrays on the device, imports left out",
        f"memory: peak while running batch {made.subjects[0].memory.batch}, and with compilation; "
        f"of it {_imported(made.subjects)} are Python and its packages",
        *(f"{s.name}: {s.claim}" for s in made.subjects if s.claim),
        *made.notes,
    ]
    return _table("What was shipped", columns, rows, notes)


def _latency(made: Benchmark, task: str) -> Table:
    dtypes = {subject.name: subject.contraction.dtype for subject in made.subjects}
    rows = [
        (
            found.subject,
            dtypes[found.subject],
            *(_milliseconds(found.quantiles.get(name)) for name in ("p50", "p90", "p99")),
            f"{found.calls:,}",
        )
        for found in made.latencies
        if found.task == task
    ]
    columns = ("artefact", "multiplies", ">p50", ">p90", ">p99", ">calls")
    return _table(f"Latency of {task} at batch 1", columns, rows)


def _throughput(made: Benchmark, task: str) -> Table:
    compared = {
        (found.subject, found.batch): found for found in made.comparisons if found.task == task
    }
    dtypes = {subject.name: subject.contraction.dtype for subject in made.subjects}
    rates = [rate for rate in made.rates if rate.task == task]
    rows = [_rate(rate, dtypes, compared.get((rate.subject, rate.batch))) for rate in rates]
    if not compared:
        columns = (">batch", "artefact", "multiplies", f">{UNITS[task]}/s")
        return _table(f"Throughput of {task}", columns, [row[:4] for row in rows])
    columns = (">batch", "artefact", "multiplies", f">{UNITS[task]}/s", "gain", ">in theory")
    notes = [
        f"gain: over {made.subjects[0].name}, median of pairs taken in turns and its 95 % interval",
        "in theory: what there is to multiply, without zero weights, in FLOPs, or in bit "
        "operations (BOPs) where the number types differ",
        f"{made.subjects[0].name} against itself: {_null(compared.values())}",
    ]
    return _table(
        f"Throughput of {task}", (*columns, ">realised", "verdict"), [*_spaced(rows)], notes
    )


def _rate(rate: Rate, dtypes: dict[str, str], found: Comparison | None) -> tuple[str, ...]:
    begin = (
        str(rate.batch),
        rate.subject,
        dtypes[rate.subject],
        number.scaled(rate.per_s, "").strip(),
    )
    if found is None:
        return (*begin, "reference", "", "", "")
    gain = found.gain
    return (
        *begin[:2],
        f"{found.dtype} against {found.reference_dtype}",
        begin[3],
        f"{gain.median:.2f}x [{gain.low:.2f}, {gain.high:.2f}]",
        f"{found.theoretical:.2f}x {'BOPs' if found.basis != 'FLOPs' else found.basis}",
        f"{found.realised:.2f}",
        found.verdict,
    )


def _spaced(rows: Iterable[tuple[str, ...]]) -> Iterable[tuple[str, ...]]:
    """The batch size stands in the first row of its group only."""
    before = ""
    for batch, *rest in rows:
        yield ("" if batch == before else batch, *rest)
        before = batch


def _null(found: Iterable[Comparison]) -> str:
    nulls = [comparison.null for comparison in found]
    low, high = min(n.low for n in nulls), max(n.high for n in nulls)
    return f"{low:.2f}x to {high:.2f}x over all batches; a gain inside of its batch's is none"


def _mixture(subject: Subject) -> str:
    """`int8 (98 %), float32`: the type of most multiplications first."""
    made = subject.contraction
    share = made.dtypes[made.dtype] / made.flops
    others = [dtype for dtype in made.dtypes if dtype != made.dtype]
    return ", ".join([f"{made.dtype} ({100 * share:.0f} %)" if others else made.dtype, *others])


def _quality(score: Score, text: bool) -> str:
    return f"{score.loss / math.log(2):.4f} bits" if text else f"{100 * score.accuracy:.2f} %"


def _difference(subject: Subject, text: bool) -> str:
    if subject.recorded is None:
        return "unknown"
    if text:
        change = (subject.score.loss - subject.recorded.loss) / math.log(2)
        return f"{change:+.0e} bits" if change else "the same"
    change = 100 * (subject.score.accuracy - subject.recorded.accuracy)
    return f"{_signed(change, 2)} points" if change else "the same"


def _signed(value: float, places: int) -> str:
    return f"{'+' if value >= 0 else number.MINUS}{abs(value):.{places}f}"


def _memory(subject: Subject) -> str:
    memory = subject.memory
    running = memory.running_bytes
    first = "unknown" if running is None else number.scaled(running, "B")
    return f"{first}, {number.scaled(memory.peak_bytes, 'B')}"


def _imported(subjects: Iterable[Subject]) -> str:
    return number.scaled(max(subject.memory.imported_bytes for subject in subjects), "B")


def _milliseconds(seconds: float | None) -> str:
    return number.NONE if seconds is None else f"{number.significant(1e3 * seconds)} ms"


def _table(
    title: str,
    columns: tuple[str, ...],
    rows: Iterable[tuple[str, ...]],
    notes: Iterable[str] = (),
) -> Table:
    return Table(
        title, columns, tuple(tuple(Cell(text) for text in row) for row in rows), tuple(notes)
    )
