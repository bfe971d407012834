"""Budget, site and calibration of a command line, and who is asked when a prediction is over."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from efficient.cli.failure import usage
from efficient.cli.output import say

if TYPE_CHECKING:
    from efficient.cost.site import Site
    from efficient.predict.budget import Budget
    from efficient.run.terms import Terms


def terms(arguments: argparse.Namespace) -> Terms:
    """What `add_terms` of `cli.option` read.

    Raises:
        UsageError: a budget, a region or a chip that is not known.
    """
    from efficient.run.terms import Terms

    site, budget = site_and_budget(arguments)
    measured, yes = arguments.peak == "measured", arguments.yes
    return Terms(site, budget, measured, lambda complaints: agree(complaints, yes), yes)


def site_and_budget(arguments: argparse.Namespace) -> tuple[Site, Budget]:
    """Where it runs and what it may cost; starts without jax.

    Raises:
        UsageError: a limit or a number is not understood.
    """
    from efficient.cost.site import Site
    from efficient.predict.budget import Budget

    with usage():
        budget = Budget.parse(arguments.budget) if arguments.budget else Budget(())
        return Site.from_arguments(arguments), budget


def agree(complaints: Sequence[str], yes: bool) -> bool:
    """Whether to go on over the budget: --yes, or somebody at a terminal says so."""
    for text in complaints:
        say(f"efficient: budget: {text}")
    if yes:
        return True
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    print("go on? the run stops where the budget is used up [y/N] ", end="", file=sys.stderr)
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
