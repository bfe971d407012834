"""What a benchmark of shipped models found: names and units of all of it. Plain dataclasses.

A benchmark compares artefacts of one workload; the first is the reference of every ratio. A *task*
is what is timed: `predict` (logits of images), `prefill` (logits of texts of full length, and the
cache), `decode` (one more token of every text, with the cache).
"""

from __future__ import annotations

from dataclasses import dataclass

from efficient.ledger.record import Machine, Score

#: What one example of a task is.
UNITS = {"predict": "images", "prefill": "tokens", "decode": "tokens"}
VERDICTS = FASTER, SLOWER, UNRESOLVED, NO_CLAIM = (
    "faster",
    "slower",
    "not resolved",
    "no speed claim",
)


@dataclass(frozen=True)
class Interval:
    """Median of paired ratios, and its distribution-free 95 % interval (order statistics)."""

    median: float
    low: float
    high: float
    pairs: int


@dataclass(frozen=True)
class Memory:
    """Of a process that loads the artefact and runs one batch. `reason` says why one is unknown.

    imported_bytes: most that it held before it loaded; peak_bytes: most that it ever held, with
    compilation; running_bytes: most that it held while it only ran, None where that is unknown.
    """

    batch: int
    imported_bytes: int
    peak_bytes: int
    running_bytes: int | None
    source: str
    reason: str = ""


@dataclass(frozen=True)
class Contraction:
    """What a shipped model multiplies, for one example, padding counted.

    dtypes: FLOPs by the types of the operands; dtype: of most of them; zeros: share of the weights
    that are 0; flops_needed and bit_operations_needed: with the multiplications by zero weights
    left out, which nothing here leaves out.
    """

    dtype: str
    dtypes: dict[str, int]
    flops: int
    bit_operations: int
    zeros: float
    flops_needed: float
    bit_operations_needed: float


@dataclass(frozen=True)
class Subject:
    """One artefact. recorded: the score of its card or run; None, and so the difference, where
    neither has one. claim: why no speed is claimed for it; empty where it may be."""

    name: str
    folder: str
    score: Score
    recorded: Score | None
    files: dict[str, int]
    load_s: float
    compile_s: float
    memory: Memory
    contraction: Contraction
    claim: str = ""

    @property
    def stored_bytes(self) -> int:
        return sum(self.files.values())


@dataclass(frozen=True)
class Latency:
    """Seconds of single calls at batch 1, by percent: p99 needs 100 calls, else it is left out."""

    subject: str
    task: str
    calls: int
    quantiles: dict[str, float]


@dataclass(frozen=True)
class Rate:
    """Seconds of a call, a value for each round, and units in the median second."""

    subject: str
    task: str
    batch: int
    unit: str
    per_s: float
    seconds: tuple[float, ...]


@dataclass(frozen=True)
class Comparison:
    """Throughput of a subject over that of the reference, at one batch size.

    null: the same of the reference over itself. theoretical: how many times less there is to
    multiply, counted in `basis`, "FLOPs" or "bit operations"; realised: gain over theoretical.
    verdict: of `VERDICTS`.
    """

    subject: str
    dtype: str
    reference: str
    reference_dtype: str
    task: str
    batch: int
    gain: Interval
    null: Interval
    theoretical: float
    basis: str
    realised: float
    verdict: str


@dataclass(frozen=True)
class Benchmark:
    """All that was found. seconds: that it took; per_size_s: that each artefact was given at each
    batch size; notes: what a reader must know of this machine and of where it ended."""

    workload: str
    machine: Machine
    versions: dict[str, str]
    subjects: tuple[Subject, ...]
    latencies: tuple[Latency, ...] = ()
    rates: tuple[Rate, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    notes: tuple[str, ...] = ()
    per_size_s: float = 0.0
    seconds: float = 0.0
