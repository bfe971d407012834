"""How long an arm is trained so that it is predicted to cost what another one did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from efficient.compare.lineage import lineage, total
from efficient.compare.outlay import AXES
from efficient.config import nearest
from efficient.experiment.definition import ExperimentError
from efficient.ledger.record import Record


def train_for(
    label: str,
    column: str,
    other: Record,
    parents: Sequence[Record] | None,
    by_id: Mapping[str, Record],
) -> str:
    """`Config.train_for` of an arm that is to cost what `other` did.

    parents: of the arm, whose lineages are charged to it as those of `other` are to that; None
    where both are charged their own run alone. Of seconds and joules beside training it is taken to
    need as much as `other` did, and of joules a second too.

    Raises:
        ExperimentError: the column is none of AXES, an amount is unknown, or nothing is left.
    """
    if column not in AXES:
        raise ExperimentError(f"arm {label!r} is as_long_as {column!r}; {nearest(column, AXES)}")
    whole = _spent(label, column, [other])
    used = 0.0
    if parents is not None:
        whole += _spent(label, column, list(lineage(other, by_id).values()))
        needed: dict[str, Record | None] = {parent.run_id: parent for parent in parents}
        for parent in parents:
            needed |= lineage(parent, by_id)
        used = _spent(label, column, list(needed.values()))
    left, around = whole - used, 0.0
    if column in ("total_s", "energy_j"):
        watts = 1.0 if column == "total_s" else (other.cost.energy_j or 0.0) / other.cost.total_s
        left, around = left / watts, other.cost.total_s - other.cost.train_s
    if left <= around:
        named = " and ".join(parent.run_id for parent in parents or ()) or "nothing else"
        raise ExperimentError(
            f"arm {label!r} has no step left of the {column} of {other.run_id} ({whole:.3g}): "
            f"{named} took {used:.3g}; choose cheaper parents, or --lineage marginal"
        )
    if column == "flops_executed":
        return f"{left:.12g} FLOP"
    return f"{left - around:.6g} s"


def _spent(label: str, column: str, runs: Sequence[Record | None]) -> float:
    for run in runs:
        if run is not None and getattr(run.cost, column) is None:
            raise ExperimentError(
                f"arm {label!r} is as_long_as the {column} of {run.run_id}, which is unknown "
                f"({run.cost.unknown.get(column, 'not measured')}); choose another of "
                f"{', '.join(AXES)}"
            )
    spent = total(runs, column)
    if spent is None:
        raise ExperimentError(
            f"arm {label!r} needs a run that is not in the folder, so its {column} is unknown"
        )
    return spent
