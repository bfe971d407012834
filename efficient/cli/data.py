"""`efficient data list|prepare|show`: what can be learned from."""

from __future__ import annotations

import argparse

from efficient import data
from efficient.cli.output import console, document, facts, heading, quiet_stdout, table
from efficient.report import number


def listing(arguments: argparse.Namespace) -> int:
    """Every dataset of the table, and others that are prepared."""
    rows = data.listing(arguments.data_dir)
    if arguments.json:
        document(rows)
        return 0
    shown = [
        (
            row["name"],
            row["kind"],
            row["version"],
            _state(row),
            number.scaled(row["bytes"], "B") if row["bytes"] else "",
            row["where"] or "",
        )
        for row in rows
    ]
    out = console()
    table(out, ("dataset", "kind", "version", "state", ">size", "where"), shown)
    out.print("\nprepare one: efficient data prepare NAME \\[--data-dir DIR] \\[--manual-dir DIR]")
    return 0


def prepare(arguments: argparse.Namespace) -> int:
    """Make the prepared copy unless it is there."""
    with quiet_stdout():
        made = data.prepare(arguments.name, arguments.data_dir, arguments.manual_dir)
    if arguments.json:
        document(made)
    else:
        size = number.scaled(made["bytes"], "B")
        print(f"{made['name']} {made['version']}: {size} in {made['where']}")
    return 0


def show(arguments: argparse.Namespace) -> int:
    """What a dataset is, in numbers."""
    with quiet_stdout():
        found = data.describe(arguments.name, arguments.data_dir)
    if arguments.json:
        document(found)
        return 0
    out = console()
    heading(out, f"{found['name']} {found['version']}")
    facts(
        out,
        [
            ("kind", found["kind"]),
            ("classes", found["classes"]),
            ("arrays", number.scaled(found["bytes"], "B")),
            ("overlap", f"{found['overlap']:,} examples of test are also in train"),
            ("fingerprint", found["fingerprint"]),
            *found["details"].items(),
        ],
    )
    heading(out, "splits")
    rows = [
        (split, name, " x ".join(map(str, array["shape"])), array["dtype"])
        for split, arrays in found["splits"].items()
        for name, array in arrays.items()
    ]
    table(out, ("split", "array", ">shape", "type"), rows)
    return 0


def _state(row: dict[str, object]) -> str:
    if row["prepared"]:
        return "prepared"
    return "on first use" if row["embedded"] else "not prepared"
