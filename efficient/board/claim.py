"""What records claim under a target: mean quality, its test, and what it cost.

A pure function of records: the submitter computes it, and whoever verifies computes it again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from efficient.board.entry import Claim
from efficient.board.error import BoardError
from efficient.board.rules import Target
from efficient.compare.error import CompareError
from efficient.compare.lineage import bill
from efficient.compare.significance import paired
from efficient.compare.summary import rows
from efficient.ledger.record import FINISHED, Record

#: The score that is claimed: of the file that is shipped, on the test split.
SHIPPED = "artefact"
#: Columns that are also added up over everything that a run needed.
ADDED = ("flops_executed", "train_s", "total_s", "energy_j", "carbon_gco2e", "cost_usd")
#: Fields of a config that are no part of what is claimed.
LABELS = ("seed", "preset", "arm", "reference")


def claim(runs: Sequence[Record], by_id: Mapping[str, Record], target: Target) -> Claim:
    """Of runs of one config, and of the records of what they needed.

    Raises:
        BoardError: a run is not finished or has no score, or they are not of one config.
    """
    for record in runs:
        if record.status != FINISHED or SHIPPED not in record.scores:
            raise BoardError(f"run {record.run_id} is {record.status} and has shipped nothing")
    try:
        row = next((r for r in rows(list(by_id.values())) if r.run_ids == _ids(runs)), None)
        full = {key: [bill(run, by_id, key).full for run in runs] for key in ADDED}
    except CompareError as error:
        raise BoardError(str(error)) from None
    if row is None:
        raise BoardError("the runs are not one arm of one config, a run for each seed in order")
    values = qualities(runs, target)
    lineage = {key: known for key, found in full.items() if (known := _mean(found)) is not None}
    reason = "unknown of a run, or of one that it needed"
    unknown = row.unknown | {f"lineage {key}": reason for key in full if key not in lineage}
    costs = {key: spread.mean for key, spread in row.costs.items()}
    return Claim(fmean(values), values, clears(values, target), costs, lineage, unknown)


def qualities(runs: Sequence[Record], target: Target) -> tuple[float, ...]:
    """The quality of each shipped file, in the unit of the target."""
    return tuple(getattr(run.scores[SHIPPED], target.quality) for run in runs)


def clears(values: Sequence[float], target: Target) -> float | None:
    """p of the one-sided t test that their mean is beyond the target.

    None where nothing can be said: no target yet, one value, or values that do not vary.
    """
    if target.value is None or len(values) < 2:
        return None
    sign = 1 if target.more_is_better else -1
    p = paired([sign * (value - target.value) for value in values]).p
    return None if math.isnan(p) else p


def agrees(claimed: Claim, found: Claim) -> bool:
    """Whether a claim is what its records come to, in all that it names.

    A package of another version knows other columns and reasons, and rounds the last digit of p.
    """
    pairs = [(claimed.quality, found.quality), (claimed.p, found.p)]
    pairs += [(value, found.costs.get(name)) for name, value in claimed.costs.items()]
    pairs += [(value, found.lineage.get(name)) for name, value in claimed.lineage.items()]
    return claimed.qualities == found.qualities and all(
        a == b or (a is not None and b is not None and math.isclose(a, b, rel_tol=1e-6))
        for a, b in pairs
    )


def question(record: Record) -> dict[str, Any]:
    """The config of a record without its seed and labels."""
    return {name: value for name, value in record.config.items() if name not in LABELS}


def cost(claim: Claim, key: str, lineage: bool) -> float | None:
    """A cost column of a claim, of the runs alone or with all that they needed."""
    return (claim.lineage if lineage and key in ADDED else claim.costs).get(key)


def _ids(runs: Sequence[Record]) -> tuple[str, ...]:
    return tuple(run.run_id for run in runs)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [float(value) for value in values if value is not None]
    return fmean(known) if known and len(known) == len(values) else None
