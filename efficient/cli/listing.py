"""`efficient list`: what there is to choose from, and what has been run."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from rich.console import Console

from efficient.cli import inventory
from efficient.cli.output import console, document, facts, heading, table, warn
from efficient.cli.score import quality
from efficient.ledger.place import is_remote
from efficient.ledger.record import Record
from efficient.ledger.store import JOURNAL, RECORD, records
from efficient.report import number


def listing(arguments: argparse.Namespace) -> int:
    """Presets, variants, networks, workloads, controls, and the runs below --out."""
    out = arguments.out
    found, complaints = records(out) if is_remote(out) or Path(out).is_dir() else ([], [])
    if arguments.json:
        document(_plain(found, out) | {"complaints": complaints})
        return 0
    page = console()
    heading(page, "presets")
    facts(page, inventory.presets().items())
    _kinds(page, "variants", inventory.variants())
    _kinds(page, "networks", inventory.networks())
    _kinds(page, "workloads", inventory.workloads())
    _kinds(page, "controls", inventory.controls())
    _runs(page, found, out)
    for text in complaints:
        warn(text)
    return 0


def _plain(found: list[Record], out: str) -> dict[str, Any]:
    tables = {
        "variants": inventory.variants(),
        "networks": inventory.networks(),
        "workloads": inventory.workloads(),
        "controls": inventory.controls(),
    }
    runs = [
        {
            "run_id": r.run_id,
            "status": r.status,
            "preset": r.preset,
            "workload": r.workload,
            "arm": r.arm,
            "seed": r.seed,
            "scores": r.scores,
            "started_utc": r.started_utc,
        }
        for r in found
    ]
    plain: dict[str, Any] = {"presets": inventory.presets()}
    for name, kinds in tables.items():
        plain[name] = {kind.name: _kind(kind) for kind in kinds}
    return plain | {"runs": runs, "unfinished": _unfinished(out)}


def _kind(kind: inventory.Kind) -> dict[str, Any]:
    fields = {name: {"type": t, "default": d} for name, (t, d) in kind.fields.items()}
    return {"purpose": kind.purpose, "fields": fields}


def _kinds(page: Console, title: str, kinds: list[inventory.Kind]) -> None:
    heading(page, title)
    facts(page, ((kind.name, f"{kind.purpose}\n{_settings(kind)}") for kind in kinds))


def _settings(kind: inventory.Kind) -> str:
    return ", ".join(f"{n}={d}" if d else f"{n}: {t}" for n, (t, d) in kind.fields.items())


def _runs(page: Console, found: list[Record], out: str) -> None:
    heading(page, f"runs in {out}")
    rows = [
        (
            r.run_id,
            r.status,
            quality(r, "test") if "test" in r.scores else "",
            number.seconds(r.cost.total_s),
        )
        for r in found
    ]
    rows += [(run, "no record yet", "", "") for run in _unfinished(out)]
    if rows:
        table(page, ("run", "status", "test", ">total"), rows)
    else:
        page.print("none yet")


def _unfinished(out: str) -> list[str]:
    """Runs that were killed or are still going: a journal without a record."""
    if is_remote(out):
        return []
    folders = sorted(path.parent for path in Path(out).rglob(JOURNAL))
    return [folder.name for folder in folders if not (folder / RECORD).is_file()]
