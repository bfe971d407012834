"""The record of a run: what every attempt leaves behind. With `bill.py`, the only list of names.

A unit is a word of the name: `flops_*` count multiply-adds as 2, `*_s` are seconds, `*_bytes` are
bytes. An unknown value is `None` and its reason stands in `Cost.unknown`; it is never 0.
This file is plain dataclasses and starts without jax.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from efficient.ledger.bill import Cost

SCHEMA = 2

#: Laps of the clock in the order in which a run meets them; together they partition `total_s`.
LAPS = (
    "start",
    "build",
    "data",
    "calibrate",
    "compile",
    "warmup",
    "train",
    "scoring",
    "eval",
    "checkpoint",
    "deploy",
    "write",
)

FINISHED = "finished"
INTERRUPTED = "interrupted"
NONFINITE = "nonfinite"
OVER_BUDGET = "budget"

#: What a run may be called, as a pattern of the whole name: ASCII, and the name of a file.
RUN_ID = r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,199}"
#: What another run may be to the one that needed it.
PARENT_ROLES = ("teacher", "start", "reference")


@dataclass(frozen=True)
class Score:
    """Quality on one split: sums over examples, divided once.

    `loss` is nats per unit (image or byte), NaN where `reason` says why there is none; `accuracy`
    is a fraction; `units` is the weight count.
    """

    loss: float
    accuracy: float
    units: int
    reason: str = ""


@dataclass(frozen=True)
class Point:
    """One line of the curve: the state of a run at a chunk boundary.

    Costs are cumulative over every process of the attempt up to this step; steps and chunk_s are
    of the chunk that ends here. A record keeps the points with a score, the curve keeps them all.
    """

    step: int
    phase: str
    train_loss: float
    validation: Score | None
    train_s: float
    total_s: float
    flops_executed: int | None
    steps: int | None = None
    chunk_s: float | None = None
    energy_j: float | None = None


@dataclass(frozen=True)
class SplitFacts:
    examples: int
    sha256: str


@dataclass(frozen=True)
class DataFacts:
    """What was fed. `fingerprint` is the sha256 over the splits' digests in name order.

    `overlap` counts examples of the test split whose bytes also stand in the training split.
    """

    name: str
    version: str
    fingerprint: str
    splits: dict[str, SplitFacts]
    overlap: int
    unit: str
    details: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Machine:
    """allocator: what the host does with memory that is freed."""

    platform: str
    device_kind: str
    devices: int
    cpu: str
    cpu_features: tuple[str, ...]
    cores: int
    memory_bytes: int | None
    host: str
    allocator: str = "the system's"


@dataclass(frozen=True)
class Source:
    """The code that ran: package version and digest, and the commit where there is one."""

    version: str
    digest: str
    commit: str | None
    dirty: bool | None


@dataclass(frozen=True)
class Parent:
    """Another run that this one needed. role: of `PARENT_ROLES`."""

    role: str
    run_id: str
    request: str


@dataclass(frozen=True)
class File:
    sha256: str
    bytes: int


@dataclass(frozen=True)
class Record:
    """One attempt at one request.

    `scores` holds `validation` and `test` of the training weights, `artefact` (test, scored from
    the file that is shipped). `evidence` holds what each variant proves of its mechanism, as plain
    numbers: `weights_prunable`, `weights_asked`, `weights_kept`, `weights_removed_nonzero`,
    `units_total`, `units_kept`, `integer_arrays`, `weight_bytes_ratio`, `lesson_flops`, `lesson_s`
    and `lesson_paid_by` (what teachers were asked once, and at whose expense),
    `reference_divergence` (nats per unit, test split, from the outputs of the run `reference`).
    Of a control: `threads`, `predict_us` (microseconds per unit of predicting the test split), and
    what it consists of: `iterations`, `support_vectors`, `trees`, `tree_nodes`, `ngrams`.
    `spec` holds the sizes of the network at the end where they are not the config's: a phase made
    it smaller.
    """

    schema: int
    run_id: str
    request: str
    status: str
    preset: str
    arm: str
    workload: str
    model: str
    variants: tuple[str, ...]
    seed: int
    config: dict[str, Any]
    started_utc: str
    finished_utc: str
    steps: int
    steps_planned: int
    params_digest: str | None
    input_shape: tuple[int, ...]
    classes: int
    data: DataFacts
    machine: Machine
    versions: dict[str, str]
    source: Source
    select: str
    scores: dict[str, Score]
    points: tuple[Point, ...]
    cost: Cost
    evidence: dict[str, float | int | str]
    parents: tuple[Parent, ...]
    files: dict[str, File]
    notes: tuple[str, ...] = ()
    spec: dict[str, Any] | None = None

    @property
    def is_control(self) -> bool:
        """Of a model without a network, whose config therefore says nothing of variants."""
        return "variants" not in self.config
