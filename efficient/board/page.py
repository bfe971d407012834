"""The page of a board: static HTML that makes no request and runs no script.

Everything that it shows came from strangers, so all of it is escaped, and a policy in its head
forbids the browser whatever the page does not need.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from operator import itemgetter
from pathlib import Path
from statistics import stdev
from typing import Any

from efficient.board.challenge import Verdict
from efficient.board.challenge import inspect as inspect_rerun
from efficient.board.claim import cost
from efficient.board.entry import Opened, open_entry
from efficient.board.error import BoardError, quoted
from efficient.board.foundation import text
from efficient.board.rules import FULL, Rules, Target, Track
from efficient.board.submission import challenges, entries
from efficient.board.verification import UNVERIFIED, Verification, inspect, recall
from efficient.compare.column import BY_KEY
from efficient.compare.summary import describe
from efficient.ledger.store import write_text
from efficient.report import number
from efficient.report.site.template import render

#: Columns that are shown beside the one that ranks.
SHOWN = ("flops_executed", "train_s", "energy_j", "stored_bytes", "params_total")


@dataclass(frozen=True)
class Rerun:
    """A challenge, or the line by which it was refused."""

    name: str
    verdict: Verdict | None
    fault: str = ""


@dataclass(frozen=True)
class Place:
    """An entry where it stands. rank: None where it is not ranked, and `why` says so.

    reruns: of one that is ranked; the others' numbers are not shown, so nothing stands beside them.
    """

    opened: Opened
    verification: Verification | None
    reruns: tuple[Rerun, ...]
    why: str = ""
    rank: int | None = None

    @property
    def tier(self) -> str:
        return self.verification.tier if self.verification else UNVERIFIED


def build(board: Path, rules: Rules, out: Path) -> tuple[Path, list[str]]:
    """Write `index.html` and a page for each entry; the first, and a line for what is not shown.

    Raises:
        StoreError: a file cannot be written.
    """
    places, faults = standings(board, rules)
    style = text("board.css")
    shared = {
        "package": "efficient.board",
        "rules": rules,
        "style": style,
        "policy": _policy(style),
    }
    write_text(out / "index.html", render("index.html", **shared, **_index(places, rules, faults)))
    for place in places:
        page = render("entry.html", **shared, **_entry(place, rules))
        write_text(out / "entries" / f"{place.opened.entry.id}.html", page)
    return out / "index.html", faults


def standings(board: Path, rules: Rules) -> tuple[list[Place], list[str]]:
    """Every entry that can be read, and a line for each that cannot."""
    places, faults = [], []
    for folder in entries(board):
        try:
            opened = open_entry(folder)
            rules.place(opened.entry.target, opened.entry.track)
            made = recall(board, opened.entry.id, opened.entry.seal)
            why = _why(opened, made, rules)
            reruns = () if why else _reruns(board, opened, rules)
            places.append(Place(opened, made, reruns, why))
        except BoardError as error:
            faults.append(str(error))
    return places, faults


def ranking(places: Iterable[Place], target: str, track: str, rules: Rules) -> list[Place]:
    """The entries of a track by its cost, the ranked first; equals share a rank."""
    here = [p for p in places if (p.opened.entry.target, p.opened.entry.track) == (target, track)]
    column = rules.tracks[track]
    known = [(value, p) for p in here if not p.why and (value := _cost(p, column)) is not None]
    ranks: dict[float, int] = {}
    ranked = []
    for value, place in sorted(known, key=itemgetter(0)):
        rank = ranks.setdefault(value, len(ranked) + 1)
        ranked.append(replace(place, rank=rank))
    return ranked + [p for p in here if p.why]


def _why(opened: Opened, made: Verification | None, rules: Rules) -> str:
    """Why an entry is not ranked; "" where it is."""
    judged = made.rules if made else opened.entry.rules
    if max(judged, opened.entry.rules) < rules.version:
        return f"made for rules {opened.entry.rules}: waits for rescore under {rules.version}"
    try:
        inspect(opened, rules)
    except BoardError as error:
        return str(error)
    return ""


def _reruns(board: Path, opened: Opened, rules: Rules) -> tuple[Rerun, ...]:
    found = []
    for folder in challenges(board, opened.entry.id):
        try:
            rerun = open_entry(folder)
            found.append(Rerun(rerun.entry.name, inspect_rerun(opened, rerun, rules)))
        except BoardError as error:
            found.append(Rerun(quoted(folder.name), None, str(error)))
    return tuple(found)


def _cost(place: Place, track: Track) -> float | None:
    return cost(place.opened.entry.claim, track.ranked_by, track.lineage == FULL)


def _index(places: list[Place], rules: Rules, faults: list[str]) -> dict[str, Any]:
    sections = []
    for name, target in rules.targets.items():
        tracks = [
            {
                "name": track,
                "track": rules.tracks[track],
                "title": _title(rules.tracks[track]),
                "columns": [BY_KEY[key].title for key in _beside(rules.tracks[track])],
                "rows": [
                    _row(p, rules.tracks[track], target)
                    for p in ranking(places, name, track, rules)
                ],
            }
            for track in target.tracks
        ]
        empty = [part for part in tracks if not part["rows"]]
        facts = {"name": name, "target": target, "goal": _goal(target)}
        sections.append(facts | {"tracks": tracks, "empty": empty})
    return {"sections": sections, "faults": faults, "title": rules.title}


def _entry(place: Place, rules: Rules) -> dict[str, Any]:
    """What its page shows; of an entry that is not ranked nobody has checked the numbers."""
    entry = place.opened.entry
    claim, target = entry.claim, rules.targets[entry.target]
    facts = {"title": entry.name, "place": place, "entry": entry, "goal": _goal(target)}
    if place.why:
        return facts
    costs = [
        (column.title, number.quantity(claim.costs[key], column.unit), column.meaning)
        for key, column in BY_KEY.items()
        if key in claim.costs
    ]
    unknown = [(BY_KEY[key].title, why) for key, why in claim.unknown.items() if key in BY_KEY]
    runs = [
        (run.run_id, run.seed, quality(value, target), number.seconds(run.cost.train_s),
         describe(run.machine), run.finished_utc)
        for run, value in zip(place.opened.runs, claim.qualities, strict=True)
    ]  # fmt: skip
    return facts | {
        "quality": _mean(claim.qualities, target), "costs": costs, "unknown": unknown,
        "runs": runs, "config": _lines(entry.config),
        "reruns": [_rerun(rerun, target) for rerun in place.reruns],
    }  # fmt: skip


def _row(place: Place, track: Track, target: Target) -> dict[str, Any]:
    entry = place.opened.entry
    facts = {"place": place, "entry": entry}
    if place.why:
        return facts
    return facts | {
        "quality": _mean(entry.claim.qualities, target),
        "cost": _shown(_cost(place, track), track.ranked_by),
        "others": [_shown(entry.claim.costs.get(key), key) for key in _beside(track)],
        "reruns": [_rerun(rerun, target) for rerun in place.reruns],
    }


def _beside(track: Track) -> list[str]:
    return [key for key in SHOWN if key != track.ranked_by or track.lineage == FULL]


def _rerun(rerun: Rerun, target: Target) -> dict[str, str]:
    found = rerun.verdict
    if found is None:
        return {"name": rerun.name, "word": "refused", "detail": rerun.fault}
    detail = f"{quality(found.mean, target)} over {found.runs} runs"
    return {"name": rerun.name, "word": found.word, "detail": detail}


def quality(value: float, target: Target) -> str:
    """`98.11 %`, or `1.8762 nats`."""
    return f"{100 * value:.2f} %" if target.quality == "accuracy" else f"{value:.4f} nats"


def _mean(values: tuple[float, ...], target: Target) -> str:
    """Of what is ranked, which has two values or more: of one no spread is known."""
    mean = quality(sum(values) / len(values), target)
    spread = stdev(values)
    shown = f"{100 * spread:.2f}" if target.quality == "accuracy" else f"{spread:.4f}"
    return f"{mean} ± {shown} (n = {len(values)})"


def _goal(target: Target) -> str:
    if target.value is None:
        return "no target yet"
    return f"{'at least' if target.more_is_better else 'at most'} {quality(target.value, target)}"


def _title(track: Track) -> str:
    whole = ", with parents" if track.lineage == FULL else ""
    return BY_KEY[track.ranked_by].title + whole


def _shown(value: float | None, key: str) -> str:
    return "unknown" if value is None else number.quantity(value, BY_KEY[key].unit)


def _lines(config: Any, name: str = "") -> list[tuple[str, str]]:
    if isinstance(config, dict):
        return [
            row
            for key, part in config.items()
            for row in _lines(part, f"{name}.{key}" if name else key)
        ]
    if isinstance(config, list) and any(isinstance(part, dict) for part in config):
        return [row for i, part in enumerate(config) for row in _lines(part, f"{name}[{i}]")]
    return [(name, str(config))]


def _policy(style: str) -> str:
    """Nothing may be loaded, and of styles only this one counts."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
