"""`efficient check`: does a variant, such as a user's own, keep the contracts of its seams?"""

from __future__ import annotations

import argparse

from efficient.check import check as examine
from efficient.cli.output import document, quiet_stdout, say
from efficient.cli.override import variant


def check(arguments: argparse.Namespace) -> int:
    """One line for each contract; 1 when one of them is broken."""
    settled = variant(arguments.variant) if "=" in arguments.variant else None
    with quiet_stdout():
        findings = examine(arguments.variant, None if arguments.json else say, variant=settled)
    broken = [finding for finding in findings if not finding.passed]
    if arguments.json:
        document({"variant": arguments.variant, "passed": not broken, "findings": findings})
        return int(bool(broken))
    for finding in findings:
        print(f"{'kept  ' if finding.passed else 'BROKEN'}  {finding.name}: {finding.detail}")
    print(f"{arguments.variant}: {len(findings) - len(broken)} of {len(findings)} contracts kept")
    return int(bool(broken))
