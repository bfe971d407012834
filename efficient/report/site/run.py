"""The page of a run: everything its record says, and the parents' where they are there."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from efficient.compare.clock import RULES, bounds, seconds
from efficient.compare.column import BY_KEY
from efficient.compare.summary import describe
from efficient.ledger.record import FINISHED, LAPS, Record, Score
from efficient.report import number
from efficient.report.bill import Section, sections
from efficient.report.layout import Cell, Table
from efficient.report.site import ancestry, curve
from efficient.report.site.address import comparison_page, stem
from efficient.report.site.outline import outline, plain


@dataclass(frozen=True)
class Lap:
    """A part of the total time: where it stands in a bar of 100, and how much it is."""

    name: str
    start: float
    width: float
    seconds: str
    share: str


def page(record: Record, by_id: Mapping[str, Record], comparison: str) -> dict[str, Any]:
    """What the template of a run shows. comparison: the workload it is compared in, or ""."""
    return {
        "record": record,
        "name": stem(record.run_id),
        "finished": record.status == FINISHED,
        "comparison": comparison,
        "comparison_page": comparison_page(comparison) if comparison else "",
        "about": _about(record),
        "scores": _scores(record),
        "curve": curve.curve(record),
        "points": _table(
            "Points",
            ("step", "phase", "loss", "validation loss", "accuracy", "train time"),
            curve.rows(record),
        ),
        "laps": laps(record),
        "bill": sections(record),
        "unknown": _unknown(record),
        "clocks": _clocks(record),
        "processes": _processes(record),
        "tree": ancestry.tree(record, by_id),
        "views": ancestry.views(record, by_id),
        "config": outline(record.config),
        "commands": commands(record),
        "evidence": [(name, plain(value)) for name, value in record.evidence.items()],
        "files": _table(
            "Files",
            ("file", "size", "sha256"),
            [(n, number.scaled(f.bytes, "B"), f.sha256) for n, f in record.files.items()],
        ),
    }


def laps(record: Record) -> list[Lap]:
    """The laps of the clock, which together are the total."""
    found, start = [], 0.0
    whole = sum(record.cost.laps.get(name, 0.0) for name in LAPS) or 1.0
    for name in LAPS:
        value = record.cost.laps.get(name)
        if value is None:
            continue
        width = round(100 * value / whole, 3)
        found.append(
            Lap(name, round(start, 3), width, number.seconds(value), f"{100 * value / whole:.1f} %")
        )
        start += 100 * value / whole
    return found


def commands(record: Record) -> list[str]:
    """What repeats the run, given the file with its configuration."""
    source = record.source
    install = (
        f"pip install efficient-jax=={source.version}"
        if source.commit is None
        else f"git checkout {source.commit} && pip install -e ."
    )
    command = "control" if record.is_control else "train"
    return [install, f"efficient {command} {stem(record.run_id)}.json --out runs"]


def _about(record: Record) -> list[Section]:
    data, source = record.data, record.source
    commit = f", commit {source.commit}" if source.commit else ""
    dirty = ", with changes that are in no commit" if source.dirty else ""
    splits = ", ".join(f"{facts.examples:,} {name}" for name, facts in data.splits.items())
    machine = record.machine
    memory = "unknown" if machine.memory_bytes is None else number.scaled(machine.memory_bytes, "B")
    made = (
        (
            "Run",
            ("status", f"{record.status}, step {record.steps:,} of {record.steps_planned:,}"),
            ("workload", record.workload),
            ("model", record.model),
            ("variants", ", ".join(record.variants) or "none: the baseline's training"),
            ("seed", str(record.seed)),
            ("preset", record.preset),
            ("weights kept", record.select),
            ("started", record.started_utc),
            ("finished", record.finished_utc),
            ("request", record.request),
        ),
        (
            "Data",
            ("name", f"{data.name} {data.version}"),
            ("examples", splits),
            ("test examples also in training", f"{data.overlap:,}"),
            ("fingerprint", data.fingerprint),
            *data.details.items(),
        ),
        (
            "Machine",
            ("device", describe(machine)),
            ("processor", f"{machine.cpu} ({', '.join(machine.cpu_features) or 'no features'})"),
            ("memory", f"{memory}; the allocator: {machine.allocator}"),
            ("host", machine.host),
        ),
        (
            "Code",
            ("source", f"efficient-jax {source.version}{commit}{dirty}"),
            ("digest", source.digest),
            *record.versions.items(),
        ),
    )
    return [Section(title, tuple(pairs)) for title, *pairs in made]


def _scores(record: Record) -> Table | None:
    if not record.scores:
        return None
    rows = [(name, *_score(score)) for name, score in record.scores.items()]
    return _table("Scores", ("split", "accuracy", "loss in nats", "units"), rows)


def _score(score: Score) -> tuple[str, str, str]:
    loss = number.NONE if math.isnan(score.loss) else f"{score.loss:.5f}"
    return f"{100 * score.accuracy:.2f} %", loss, f"{score.units:,}"


def _clocks(record: Record) -> Table:
    rows = [
        (
            rule.title,
            *map(number.seconds, (seconds(record.cost, rule), *bounds(record.cost, rule))),
        )
        for rule in RULES.values()
    ]
    return _table("By published clocks", ("clock", "time", "at least", "at most"), rows)


def _processes(record: Record) -> Table:
    rows = [
        (
            str(p.number),
            p.outcome,
            f"{p.steps:,}",
            number.seconds(p.total_s),
            number.NONE if p.flops_executed is None else number.scaled(p.flops_executed, "FLOP"),
        )
        for p in record.cost.processes
    ]
    names = ("process", "outcome", "steps", "total", "executed FLOPs")
    return _table("Processes of this attempt", names, rows)


def _unknown(record: Record) -> list[tuple[str, str]]:
    """Unknown fields that are no column of the bill, by their reason."""
    names: dict[str, list[str]] = {}
    for name, reason in record.cost.unknown.items():
        if name not in BY_KEY:
            names.setdefault(reason, []).append(name)
    return [(", ".join(found), reason) for reason, found in names.items()]


def _table(title: str, columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Table:
    return Table(title, columns, tuple(tuple(Cell(text) for text in row) for row in rows))
