"""`efficient publish`: finished records of a folder into a ledger."""

from __future__ import annotations

import argparse

from efficient.cli.output import document, say_now_and_then, warn
from efficient.ledger.publication import publish as copies


def publish(arguments: argparse.Namespace) -> int:
    """Copy what is not there yet; 1 where a record was refused."""
    made, tell = [], say_now_and_then()
    for one in copies(arguments.source, arguments.ledger):
        made.append(one)
        tell(f"{len(made):,} records looked at")
    new = [one for one in made if one.new]
    same = sum(not one.new and not one.refusal for one in made)
    refusals = [one.refusal for one in made if one.refusal]
    if arguments.json:
        document({"new": [one.path for one in new], "same": same, "refused": refusals})
    else:
        print(f"{arguments.ledger}: {len(new)} new, {same} there before, {len(refusals)} left out")
        for text in refusals:
            warn(text)
    return 1 if refusals else 0
