"""What lies between two arms: quality paired by seed, ratios of costs, and the front of both.

No claim of significance is made here: a difference is set beside twice the pooled standard
deviation of the seeds, and with one seed nothing is said about the spread.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from efficient.compare.column import COLUMNS
from efficient.compare.error import CompareError
from efficient.compare.summary import ACCURACY, BASELINE, Row, Spread, spread

WITHIN = "within the seeds' spread"
OUTSIDE = "outside the seeds' spread"
ONE_SEED = "one seed: spread unknown"

#: FLOPs and bytes are counted, not measured; a ratio this near to 1 is still no change.
SAME = 0.005


@dataclass(frozen=True)
class Change:
    """A mean difference: `row - baseline`, its sd over seeds, and how it stands to the spread.

    `mean` and `sd` are over pairs of the same seed when `paired`; `sd` is `None` otherwise and
    for one pair. `pooled_sd` is `None` when either arm has one seed.
    """

    mean: float
    sd: float | None
    pooled_sd: float | None
    paired: int
    verdict: str


@dataclass(frozen=True)
class Difference:
    """A row against its baseline. `ratios` of mean costs; a column unknown in either is absent."""

    arm: str
    baseline: str
    quality: Change
    better: bool
    train_s: Change | None
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
    quality = _change(row, row.quality, baseline, baseline.quality)
    pairs = ((c.key, row.cost(c.key), baseline.cost(c.key)) for c in COLUMNS)
    times = row.costs.get("train_s"), baseline.costs.get("train_s")
    return Difference(
        arm=row.label,
        baseline=baseline.label,
        quality=quality,
        better=quality.mean > 0 if row.more_is_better else quality.mean < 0,
        train_s=_change(row, times[0], baseline, times[1]) if times[0] and times[1] else None,
        ratios={key: a / b for key, a, b in pairs if a is not None and b},
        same_machines=row.machines == baseline.machines,
    )


def baseline_of(row: Row, rows: Sequence[Row]) -> Row | None:
    """The baseline a row is read against: of its own model, else the only one of its workload."""
    here = [r for r in rows if r.workload == row.workload and r.arm == BASELINE]
    own = [r for r in here if r.model == row.model]
    chosen = own if own else here
    return chosen[0] if len(chosen) == 1 and chosen[0] is not row else None


def gains(row: Row, other: Row) -> tuple[float, ...]:
    """How much better a row is than another, by the seeds that both have.

    In points of accuracy, or bits per unit of text turned so that more is better.
    """
    scale = 100.0 if row.quality_name == ACCURACY else -1.0
    theirs = dict(zip(other.seeds, other.quality.values, strict=True))
    mine = zip(row.seeds, row.quality.values, strict=True)
    return tuple(scale * (value - theirs[seed]) for seed, value in mine if seed in theirs)


def pareto(rows: Sequence[Row], cost: str) -> set[str]:
    """Labels of the arms that no other arm of these rows beats in quality and in mean `cost`.

    An arm whose cost is unknown stands on no front.

    Raises:
        CompareError: the rows are of more than one workload.
    """
    if len(workloads := {row.workload for row in rows}) > 1:
        raise CompareError(f"one front over several workloads: {', '.join(sorted(workloads))}")
    known = {
        row.label: (row.quality.mean * (1 if row.more_is_better else -1), -value)
        for row in rows
        if (value := row.cost(cost)) is not None and not math.isnan(row.quality.mean)
    }
    return {
        label
        for label, mine in known.items()
        if not any(
            other != mine and other[0] >= mine[0] and other[1] >= mine[1]
            for other in known.values()
        )
    }


def times(ratio: float) -> str:
    """A ratio in words: three significant digits after a multiplication sign."""
    shown = f"{ratio:.3g}" if ratio < 0.1 or ratio >= 100 else f"{ratio:.{2 if ratio < 10 else 1}f}"
    return f"\N{MULTIPLICATION SIGN}{shown}"


def _change(row: Row, mine: Spread, baseline: Row, theirs: Spread) -> Change:
    a = dict(zip(row.seeds, mine.values, strict=True))
    b = dict(zip(baseline.seeds, theirs.values, strict=True))
    shared = [seed for seed in row.seeds if seed in b]
    paired = len(shared) if len(shared) == min(len(a), len(b)) else 0
    pairs = spread(a[seed] - b[seed] for seed in shared) if paired else None
    mean = pairs.mean if pairs else mine.mean - theirs.mean
    pooled = _pooled(mine, theirs)
    verdict = ONE_SEED
    if pooled is not None:
        verdict = WITHIN if abs(mean) <= 2 * pooled else OUTSIDE
    return Change(mean, pairs.sd if pairs else None, pooled, paired, verdict)


def _pooled(a: Spread, b: Spread) -> float | None:
    if a.sd is None or b.sd is None:
        return None
    free_a, free_b = len(a.values) - 1, len(b.values) - 1
    return math.sqrt((free_a * a.sd**2 + free_b * b.sd**2) / (free_a + free_b))
