"""`efficient show`: one record as a page."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from rich.console import Console

from efficient.cli.output import console, document, facts, heading, table
from efficient.cli.score import quality
from efficient.compare.clock import RULES, bounds, seconds
from efficient.compare.summary import describe
from efficient.ledger.record import LAPS, Record
from efficient.ledger.store import find_run, read_record
from efficient.report import number
from efficient.report.bill import sections


def show(arguments: argparse.Namespace) -> int:
    """Scores, bill, evidence, lineage, files and notes of one run."""
    directory = find_run(arguments.out, arguments.run)
    record = read_record(directory)
    if arguments.json:
        document(record)
        return 0
    out = console()
    _head(out, record, directory)
    _scores(out, record)
    _cost(out, record)
    _rest(out, record)
    return 0


def _head(out: Console, record: Record, directory: Path) -> None:
    heading(out, record.run_id)
    commit = f" at {record.source.commit[:12]}" if record.source.commit else ""
    dirty = " with changes" if record.source.dirty else ""
    versions = ", ".join(f"{name} {text}" for name, text in record.versions.items())
    facts(
        out,
        [
            ("status", f"{record.status}, step {record.steps:,} of {record.steps_planned:,}"),
            ("model", f"{record.model} {_settings(record.config['model'])}"),
            ("workload", f"{record.workload} {_settings(record.config['workload'])}"),
            ("variants", _variants(record)),
            ("seed", record.seed),
            ("started", record.started_utc),
            ("finished", record.finished_utc),
            ("device", describe(record.machine)),
            ("code", f"efficient-jax {record.source.version}{commit}{dirty}"),
            ("versions", versions),
            ("data", f"{record.data.name} {record.data.version}, {_splits(record)}"),
            ("fingerprint", record.data.fingerprint),
            ("request", record.request),
            ("folder", directory),
        ],
    )


def _scores(out: Console, record: Record) -> None:
    if record.scores:
        heading(out, f"scores ({record.select} weights)")
        facts(out, ((split, quality(record, split)) for split in record.scores))
        for reason in dict.fromkeys(score.reason for score in record.scores.values()):
            facts(out, [("no loss", reason)] * bool(reason))
    if record.points:
        heading(out, "curve")
        rows = [
            (
                f"{p.step:,}",
                p.phase,
                f"{p.train_loss:.4f}",
                f"{p.validation.loss:.4f}" if p.validation else "",
                f"{100 * p.validation.accuracy:.2f} %" if p.validation else "",
                number.seconds(p.train_s),
            )
            for p in record.points
        ]
        table(
            out, (">step", "phase", ">loss", ">validation loss", ">accuracy", ">train time"), rows
        )


def _cost(out: Console, record: Record) -> None:
    cost = record.cost
    for section in sections(record):
        heading(out, section.title)
        facts(out, section.pairs)
    heading(out, "laps")
    laps = [(n, number.seconds(cost.laps[n])) for n in LAPS if n in cost.laps]
    laps.append(("total", number.seconds(cost.total_s)))
    table(out, ("lap", ">time"), laps)
    heading(out, "the same run by published clocks")
    clocks = [
        (rule.title, *map(number.seconds, (seconds(cost, rule), *bounds(cost, rule))))
        for rule in RULES.values()
    ]
    table(out, ("clock", ">time", ">at least", ">at most"), clocks)
    if len(cost.processes) > 1:
        heading(out, "processes of this attempt")
        bills = [(p.number, p.outcome, p.steps, number.seconds(p.total_s)) for p in cost.processes]
        table(out, (">process", "outcome", ">steps", ">total"), bills)


def _rest(out: Console, record: Record) -> None:
    if record.evidence:
        heading(out, "evidence")
        facts(out, record.evidence.items())
    if record.parents:
        heading(out, "lineage")
        facts(out, ((parent.role, parent.run_id) for parent in record.parents))
    heading(out, "files")
    rows = [(n, number.scaled(f.bytes, "B"), f.sha256[:16]) for n, f in record.files.items()]
    table(out, ("file", ">size", "sha256"), rows)
    if record.notes:
        heading(out, "notes")
        for note in record.notes:
            out.print(note, markup=False)


def _variants(record: Record) -> str:
    named = (f"{v['type']} {_settings(v)}" for v in record.config.get("variants", ()))
    return ", ".join(named) or "none"


def _settings(plain: dict[str, object]) -> str:
    return json.dumps({name: value for name, value in plain.items() if name != "type"})


def _splits(record: Record) -> str:
    parts = [f"{facts.examples:,} {name}" for name, facts in record.data.splits.items()]
    return ", ".join([*parts, f"{record.data.overlap:,} of test also in train"])
