"""`efficient statement`: what a paper or a model card says of the compute of these runs."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from efficient.cli.failure import UsageError, usage
from efficient.cli.output import say, warn
from efficient.compare.terms import Terms
from efficient.ledger.bill import Process
from efficient.ledger.codec import from_dict, to_dict
from efficient.ledger.place import is_remote
from efficient.ledger.store import JOURNAL, RECORD, read_lines, records, write_text
from efficient.report import prose
from efficient.report.statement import statement as state


def statement(arguments: argparse.Namespace) -> int:
    """Read every record below a folder and write the statement of all."""
    folder = arguments.directory
    found, complaints = records(folder)
    made = state(
        found,
        complaints,
        attempts=_without_record(folder),
        terms=_terms(arguments),
        metered_kwh=arguments.metered_kwh,
        reported=_reported(folder, arguments.final),
    )
    form = "json" if arguments.json else arguments.format
    if form == "json":
        text = json.dumps(to_dict(made), indent=1, allow_nan=False) + "\n"
    else:
        text = {"markdown": prose.markdown, "latex": prose.latex, "card": prose.card}[form](made)
    if arguments.out:
        write_text(arguments.out, text)
        say(f"written: {arguments.out}")
    else:
        print(text, end="")
    for complaint in complaints:
        warn(complaint)
    return 0


def _terms(arguments: argparse.Namespace) -> Terms:
    """What the options and the environment say of the place and the price."""
    from efficient.cost.carbon import grid
    from efficient.cost.chip import chip
    from efficient.cost.money import price
    from efficient.cost.site import Site

    with usage():
        site = Site.from_arguments(arguments)
        kind = chip(site.chip) if site.chip else None
        return Terms(
            grid=grid(site)[0],
            pue=site.pue,
            price=price(site, kind)[0],
            power_w=site.power_w,
            devices_per_chip=kind.devices_per_chip if kind else 1,
        )


def _reported(folder: str, final: str | None) -> list[str] | None:
    """Ids of the runs below --final, which is inside of the folder."""
    if final is None:
        return None
    if is_remote(folder) or is_remote(final):
        inside = final.startswith(f"{folder.rstrip('/')}/")
    else:
        inside = Path(final).resolve().is_relative_to(Path(folder).resolve())
    if not inside:
        raise UsageError(f"--final {final} is not inside of {folder}: give a folder of it")
    return [record.run_id for record in records(final)[0]]


def _without_record(folder: str) -> list[tuple[Process, ...]]:
    """Of every attempt that left a journal and no record: the bill of each of its processes."""
    found = []
    if is_remote(folder):  # a ledger has records only
        return []
    for path in sorted(Path(folder).rglob(JOURNAL)):
        if not (path.parent / RECORD).is_file():
            last = {line["number"]: line for line in read_lines(path)}
            found.append(tuple(from_dict(Process, line, str(path)) for line in last.values()))
    return [processes for processes in found if processes]
