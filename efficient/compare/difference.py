"""What lies between two arms: the gap in quality, by seed, and the ratios of mean costs.

Nothing is said here of chance: `decision` does for quality, `contrast` for costs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Protocol, TypeVar

from efficient.compare.column import COLUMNS
from efficient.compare.error import CompareError
from efficient.compare.summary import BASELINE, Row

#: FLOPs and bytes are counted, not measured; a ratio this near to 1 is still no change.
SAME = 0.005


@dataclass(frozen=True)
class Difference:
    """A row against its baseline.

    quality: the mean of `row - baseline` over the seeds of both where they share theirs, else
    between the means. ratios: of mean costs; a column unknown in either is absent.
    """

    arm: str
    baseline: str
    quality: float
    ratios: dict[str, float]
    same_machines: bool


def difference(row: Row, baseline: Row) -> Difference:
    """Compare a row with the baseline of its workload.

    Raises:
        CompareError: the rows are of different workloads or data.
    """
    if (row.workload, row.fingerprint) != (baseline.workload, baseline.fingerprint):
        raise CompareError(
            f"{row.label} on {row.workload} and {baseline.label} on {baseline.workload} "
            "saw different data: compare arms of one workload"
        )
    pairs = ((c.key, row.cost(c.key), baseline.cost(c.key)) for c in COLUMNS)
    shared = gains(row, baseline) if share_seeds(row, baseline) else ()
    return Difference(
        arm=row.label,
        baseline=baseline.label,
        quality=fmean(shared) / row.scale if shared else row.quality.mean - baseline.quality.mean,
        ratios={key: a / b for key, a, b in pairs if a is not None and b},
        same_machines=row.machines == baseline.machines,
    )


class Claim(Protocol):
    """What has a baseline: a row, or an arm's way to a target."""

    @property
    def workload(self) -> str: ...
    @property
    def arm(self) -> str: ...
    @property
    def model(self) -> str: ...


One = TypeVar("One", bound=Claim)


def baseline_of(row: One, rows: Sequence[One]) -> One | None:
    """The baseline a row is read against: of its own model, else the only one of its workload."""
    here = [r for r in rows if r.workload == row.workload and r.arm == BASELINE]
    own = [r for r in here if r.model == row.model]
    chosen = own if own else here
    return chosen[0] if len(chosen) == 1 and chosen[0] is not row else None


def share_seeds(row: Row, other: Row) -> bool:
    """Whether every seed of the shorter side is one of the other."""
    return len(set(row.seeds) & set(other.seeds)) == min(row.n, other.n)


def gains(row: Row, other: Row) -> tuple[float, ...]:
    """How much better a row is than another by the seeds of both, in the unit of `Row.scale`."""
    theirs = dict(zip(other.seeds, other.quality.values, strict=True))
    mine = zip(row.seeds, row.quality.values, strict=True)
    return tuple(row.scale * (value - theirs[seed]) for seed, value in mine if seed in theirs)


def times(ratio: float) -> str:
    """A ratio in words: three significant digits after a multiplication sign."""
    shown = f"{ratio:.3g}" if ratio < 0.1 or ratio >= 100 else f"{ratio:.{2 if ratio < 10 else 1}f}"
    return f"\N{MULTIPLICATION SIGN}{shown}"
