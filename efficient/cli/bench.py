"""`efficient bench`: how fast is what was shipped."""

from __future__ import annotations

import argparse

from efficient.cli.failure import UsageError
from efficient.cli.output import console, document, heading, quiet_stdout, say, table


def bench(arguments: argparse.Namespace) -> int:
    """Measure the artefacts, progress on stderr, then print the tables or the JSON document."""
    batches = _batches(arguments.batches)

    from efficient.benchmark import bench as measure
    from efficient.config import search_here
    from efficient.deploy import locate
    from efficient.report.benchmark import tables

    search_here()  # the network may be of a module here
    folders = [locate(name, arguments.runs) for name in arguments.artefact]
    with quiet_stdout():
        made = measure(
            folders,
            batches=batches,
            seconds=arguments.seconds,
            data_dir=arguments.data_dir,
            tell=say,
        )
    if arguments.json:
        document(made)
        return 0
    out = console()
    for one in tables(made):
        heading(out, one.title)
        table(out, one.columns, [[cell.text for cell in row] for row in one.rows])
        for note in one.footnotes:
            print(f"  {note}")
    return 0


def _batches(text: str) -> tuple[int, ...]:
    words = text.split(",")
    if not all(word.isdigit() and int(word) > 0 for word in words):
        raise UsageError(f"--batches {text!r} is no list of sizes: give it as 1,8,32,128")
    return tuple(int(word) for word in words)
