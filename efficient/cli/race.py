"""--target: at what cost each arm reaches a quality on validation."""

from __future__ import annotations

import argparse
import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from rich.console import Console

from efficient.cli.failure import UsageError
from efficient.compare.target import Reach
from efficient.ledger.codec import to_dict
from efficient.ledger.printable import printable
from efficient.report import race
from efficient.report.table import show


def targets(arguments: argparse.Namespace, workloads: Collection[str] = ()) -> dict[str, float]:
    """By workload; under "" that of all others.

    workloads: that there will be, where that is known.

    Raises:
        UsageError: a value is no number, or a workload is none of these.
    """
    found = {}
    for text in arguments.target:
        workload, _, value = text.rpartition("=")
        if workload and workloads and workload not in workloads:
            there = ", ".join(sorted(workloads))
            raise UsageError(f"--target {text!r} is of none of the workloads; there are {there}")
        try:
            found[workload] = float(value)
        except ValueError:
            found[workload] = math.nan
        if not math.isfinite(found[workload]):
            raise UsageError(f"--target {text!r} is no quality; write 0.98 or mnist=0.98")
    return found


def document(found: Mapping[str, Sequence[Reach]]) -> dict[str, Any]:
    """For a program: every arm by workload, its verdict, and the profile over workloads."""
    words = {work: race.verdicts(here) for work, here in found.items()}
    return {
        "targets": {
            work: [to_dict(one) | {"verdict": words[work].get(one.label)} for one in here]
            for work, here in found.items()
        },
        "profiles": [to_dict(one) for one in race.profile(found)],
    }


def tell(found: Mapping[str, Sequence[Reach]], console: Console) -> None:
    """For a person."""
    for workload, here in found.items():
        show(race.table(workload, here), console)
    for one in race.profile(found):
        ratios = ", ".join(f"{work} {ratio:.3g}" for work, ratio in one.ratios.items())
        text = f"{one.arm}: performance profile {one.score:.2f} over {len(found)} workloads"
        console.print(
            printable(f"{text} (times the best: {ratios})"), markup=False, highlight=False
        )
