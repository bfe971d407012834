"""`efficient export`: the model of a finished run, to run without this package."""

from __future__ import annotations

import argparse
import dataclasses

from efficient.cli.output import document
from efficient.report import number


def export(arguments: argparse.Namespace) -> int:
    """Write the folder, then print what is in it."""
    from efficient.config import search_here
    from efficient.deploy.export import export_run

    search_here()  # the network may be of a module here
    made = export_run(arguments.run, arguments.runs, arguments.out)
    if arguments.json:
        document(dataclasses.asdict(made) | {"folder": str(made.folder)})
        return 0
    print(f"{made.folder}: {number.scaled(sum(made.sizes.values()), 'B')}")
    for name, size in made.sizes.items():
        print(f"  {name:<20} {number.scaled(size, 'B')}")
    print(f"largest difference of the exported function's logits: {made.difference:.3g}")
    return 0
