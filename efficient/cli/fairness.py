"""--budgets, --trials and --equal: what they make of an experiment, and what was found."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from efficient.cli.failure import UsageError, usage
from efficient.compare.equality import Share, shares
from efficient.compare.summary import Row
from efficient.ledger.notation import tuned_for
from efficient.ledger.record import FINISHED, Record
from efficient.ledger.store import records

if TYPE_CHECKING:
    from efficient.experiment import Experiment


def fair(asked: Experiment, arguments: argparse.Namespace) -> Experiment:
    """The experiment with the arms, trials and lengths that the options ask for.

    Raises:
        UsageError: an option is not understood, does not go with another, or with the experiment.
    """
    from efficient import experiment

    if arguments.lineage and not arguments.equal:
        raise UsageError("--lineage says whether --equal charges parents; give --equal as well")
    if arguments.equal and arguments.budgets:
        raise UsageError("--equal is for one budget and --budgets for several; leave one out")
    with usage():
        if arguments.budgets:
            asked = experiment.with_budgets(asked, _factors(arguments.budgets))
        if arguments.equal:
            asked = experiment.with_equal(asked, arguments.equal, _lineage(arguments))
        return experiment.with_trials(asked, arguments.trials) if arguments.trials else asked


def bills(asked: Experiment, out: Path, found: Sequence[Record]) -> tuple[list[Record], list[str]]:
    """Records of the folder that are no model of an arm but belong on its bill, and a line for each
    file that is unfit and may be one.

    Failed attempts under the labels of the experiment and, where it is tuned, all their trials:
    also those that an earlier space or another number of trials left behind.
    """
    labels = {(arm.config.workload.name, arm.label) for arm in asked.arms}
    tuned = {(arm.config.workload.name, arm.label) for arm in asked.arms if arm.chosen_from}
    known = {record.run_id for record in found}
    there, complaints = records(out) if out.is_dir() else ([], [])
    others = [
        record
        for record in there
        if record.run_id not in known
        and (
            (record.workload, tuned_for(record.arm)) in tuned
            or (record.status != FINISHED and (record.workload, record.arm) in labels)
        )
    ]
    return others, complaints


def taken(rows: Sequence[Row], arguments: argparse.Namespace) -> list[Share]:
    """What each arm took of the budget of --equal; none without that."""
    return shares(rows, arguments.equal, _lineage(arguments)) if arguments.equal else []


def _lineage(arguments: argparse.Namespace) -> str:
    return arguments.lineage or "full"


def _factors(text: str) -> tuple[float, ...]:
    """Multiples of the baseline's length, rising; its own one is always there.

    Raises:
        UsageError: one is no number above 0, stands twice, or there is none but 1.
    """
    try:
        factors = sorted(float(part) for part in text.split(","))
    except ValueError:
        factors = []
    if not factors or not 0 < factors[0] <= factors[-1] < math.inf:
        raise UsageError(f"--budgets {text!r} is no list of multiples; write 0.25,0.5,1,2")
    if len(set(factors)) < len(factors):
        raise UsageError(f"--budgets {text!r} names a multiple twice; write 0.25,0.5,1,2")
    if factors == [1]:
        raise UsageError("--budgets 1 is the baseline itself, and one point is no curve; add 0.5,2")
    return tuple(factors)
