"""Arms that were to cost what their baseline did: how much did each really take?"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from efficient.compare.column import BY_KEY
from efficient.compare.difference import baseline_of
from efficient.compare.lineage import CHARGED
from efficient.compare.summary import Row


@dataclass(frozen=True)
class Share:
    """Of one budget, in the unit of `axis`, in means over the seeds; None where it is unknown.

    budget: what the baseline took; took: what the arm did, its parents in it where `lineage` is
    full; parents: their part.
    """

    workload: str
    arm: str
    baseline: str
    axis: str
    lineage: str
    budget: float | None
    took: float | None
    parents: float | None

    @property
    def deviation(self) -> float:
        """Of what it took, as a fraction of the budget; not a number where it is unknown."""
        return self.took / self.budget - 1 if self.took is not None and self.budget else math.nan

    @property
    def said(self) -> str:
        """In words."""
        title, whose = BY_KEY[self.axis].title, f"{self.workload}, {self.arm}"
        if self.took is None or not self.budget:
            return f"{whose}: its share of the {title} of {self.baseline} is unknown"
        said = f"{whose}: took {self.took:.4g} of the {self.budget:.4g} {title} of {self.baseline}"
        said += f", {100 * self.deviation:+.1f} %"
        return f"{said}, {self.parents:.4g} of it its parents" if self.parents else said


def shares(rows: Sequence[Row], axis: str, lineage: str) -> list[Share]:
    """Of every arm that has a baseline and that no other arm learns or starts from."""
    parents = {p.run_id for row in rows for run in row.parents for p in run if p.role in CHARGED}
    found = []
    for row in rows:
        base = baseline_of(row, rows)
        if base and not parents & set(row.run_ids):
            found.append(_share(row, base, axis, lineage))
    return found


def _share(row: Row, base: Row, axis: str, lineage: str) -> Share:
    full = lineage == "full"
    mine, theirs = row.outlays[axis], base.outlays[axis]
    return Share(
        workload=row.workload,
        arm=row.label,
        baseline=base.label,
        axis=axis,
        lineage=lineage,
        budget=_mean(theirs.full if full else theirs.run),
        took=_mean(mine.full if full else mine.run),
        parents=_mean(mine.parents) if full else 0.0,
    )


def _mean(values: Sequence[float] | None) -> float | None:
    return None if values is None else statistics.fmean(values)
