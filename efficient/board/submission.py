"""From runs to one sealed entry, whole or not at all."""

from __future__ import annotations

import datetime
import json
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from efficient.board.claim import claim, question
from efficient.board.entry import (
    ARTEFACTS,
    CHALLENGES,
    CODE_FOLDER,
    ENTRIES,
    ENTRY,
    SCHEMA,
    Claim,
    Entry,
    Opened,
    Segment,
    open_entry,
    seal,
)
from efficient.board.error import BoardError, quoted
from efficient.board.judgement import judge
from efficient.board.plausibility import check
from efficient.board.rules import CODE, CONFIGURATION, Rules
from efficient.compare.lineage import lineage
from efficient.ledger.codec import to_dict
from efficient.ledger.record import FINISHED, File, Record
from efficient.ledger.remedy import nearest
from efficient.ledger.store import RECORD, RECORDS, digest_file, digest_json, records, write_text

#: Files of a run that an entry takes along, by their path below the run's folder.
SHIPPED_FILES = ("artefact/weights.safetensors", "artefact/card.json")
#: Characters of an entry's id, and of its name in there.
LONGEST_IDENTITY, LONGEST_SLUG = 100, 40


@dataclass(frozen=True)
class Statement:
    """What only a person can say of an entry.

    name: ASCII, of the ranking; code: files of a user's variant or model; elsewhere: https prefix
    under which the artefacts will lie, which are then left out; challenges: an entry that these
    runs repeat.
    """

    target: str
    track: str
    name: str
    author: str = ""
    description: str = ""
    code: tuple[Path, ...] = ()
    elsewhere: str = ""
    challenges: str = ""


@dataclass(frozen=True)
class Extra:
    """Files beside the runs' own, by name in the entry, and the segments that they belong to."""

    files: Mapping[str, Path] = field(default_factory=dict)
    segments: tuple[Segment, ...] = ()


def choose(words: Sequence[str], out: Path, workload: str) -> tuple[list[Record], list[Record]]:
    """The finished runs that words name, by seed, and all records of a folder.

    A word is a run's id, the beginning of ids, or an arm.

    Raises:
        BoardError: a word names nothing. StoreError: there is no such folder.
    """
    every, _ = records(out)
    able = [r for r in every if r.status == FINISHED and r.workload == workload]
    chosen: dict[str, Record] = {}
    for word in words:
        named = [r for r in able if r.run_id.startswith(word) or r.arm == word]
        if not named:
            names = [*{r.arm: None for r in able}, *(r.run_id for r in able)]
            hint = nearest(word, names) if names else "it has none"
            raise BoardError(f"no finished run {word!r} of {workload} in {out}: {hint}")
        chosen |= {r.run_id: r for r in named}
    return sorted(chosen.values(), key=lambda r: (r.seed, r.run_id)), every


def submit(
    board: Path,
    rules: Rules,
    runs: Sequence[Record],
    every: Sequence[Record],
    out: Path,
    statement: Statement,
    extra: Extra | None = None,
    config: dict[str, Any] | None = None,
) -> Opened:
    """Check the rules, write the entry under a temporary name, read it back, and rename it.

    every: records among which those of the parents are; out: the folder of the runs, whose
    artefacts come along where they are there; config: that they must have, None for their own.

    Raises:
        BoardError: a rule is broken, or the entry is there already.
    """
    target, _ = rules.place(statement.target, statement.track)
    if not runs:
        raise BoardError("no runs are given; name them by id or arm")
    by_id = {record.run_id: record for record in (*_needed(runs, every), *runs)}
    entry = _draft(rules, runs, statement, extra, claim(runs, by_id, target))
    if config is not None:
        entry = replace(entry, config=config)
    parts = _files(runs, out, statement) | (dict(extra.files) if extra else {})
    place = board / ENTRIES
    if statement.challenges:
        place = board / CHALLENGES / statement.challenges
    with _made(place / entry.id) as folder:
        lines = "".join(f"{json.dumps(to_dict(r), allow_nan=False)}\n" for r in by_id.values())
        write_text(folder / RECORDS, lines)
        for name, source in parts.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, folder / name)
        entry = _sealed(entry, folder, statement.elsewhere)
        opened = open_entry(folder)
        for record in opened.records.values():
            check(record)
        judge(opened, rules)
    return replace(opened, folder=place / entry.id)


def entries(board: Path) -> list[Path]:
    """Folders of all entries of a board."""
    return _folders(board / ENTRIES)


def challenges(board: Path, entry: str) -> list[Path]:
    """Folders of the reruns of an entry."""
    return _folders(board / CHALLENGES / entry)


def _folders(place: Path) -> list[Path]:
    return sorted(p for p in place.glob("*") if p.is_dir() and p.name[0] != ".")


def _draft(
    rules: Rules, runs: Sequence[Record], statement: Statement, extra: Extra | None, found: Claim
) -> Entry:
    """An entry without its files and its seal."""
    return Entry(
        schema=SCHEMA,
        id=_identity(statement, runs),
        kind=CODE if statement.code else CONFIGURATION,
        rules=rules.version,
        target=statement.target,
        track=statement.track,
        name=statement.name,
        author=statement.author,
        description=statement.description,
        made_utc=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        config=question(runs[0]),
        runs=tuple(record.run_id for record in runs),
        claim=found,
        files={},
        seal="",
        challenges=statement.challenges,
        segments=extra.segments if extra else (),
    )


def _identity(statement: Statement, runs: Sequence[Record]) -> str:
    """Target, track, name and digest; of these only the name may be cut."""
    target, track = statement.target, statement.track
    number = digest_json([target, track, [r.params_digest for r in runs]])[:8]
    room = min(LONGEST_SLUG, LONGEST_IDENTITY - len(f"{target}-{track}--{number}"))
    slug = re.sub(r"[^a-z0-9]+", "-", statement.name.lower()).strip("-")[:room]
    return "-".join(filter(None, (target, track, slug, number)))


def _needed(runs: Sequence[Record], every: Sequence[Record]) -> list[Record]:
    """The records of what the runs needed, as far as they are there."""
    by_id = {record.run_id: record for record in every}
    found = {run_id: parent for run in runs for run_id, parent in lineage(run, by_id).items()}
    return [parent for parent in found.values() if parent is not None]


def _files(runs: Sequence[Record], out: Path, statement: Statement) -> dict[str, Path]:
    """Of the artefacts, all or none; and the code.

    Raises:
        BoardError: a file of code is not there.
    """
    folders = {p.parent.name: p.parent for p in out.rglob(RECORD)}
    found: dict[str, Path] = {}
    for run in runs:
        for name in SHIPPED_FILES:
            path = folders.get(run.run_id, out / run.run_id) / name
            if path.is_file():
                found[f"{ARTEFACTS}/{run.run_id}/{path.name}"] = path
    if len(found) < len(runs) * len(SHIPPED_FILES):
        found = {}
    for path in statement.code:
        if not path.is_file():
            raise BoardError(f"code {path}: no such file; give those of the runs' config")
        found[f"{CODE_FOLDER}/{path.name}"] = path
    return found


def _sealed(entry: Entry, folder: Path, elsewhere: str) -> Entry:
    names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    files = {n: File(digest_file(folder / n), (folder / n).stat().st_size) for n in names}
    away: dict[str, str] = {}
    if elsewhere:
        if not elsewhere.startswith("https://"):
            raise BoardError(f"address {quoted(elsewhere)} must begin with https://")
        away = {n: f"{elsewhere.rstrip('/')}/{n}" for n in names if n.startswith(f"{ARTEFACTS}/")}
        shutil.rmtree(folder / ARTEFACTS, ignore_errors=True)
    entry = replace(entry, files=files, elsewhere=away)
    entry = replace(entry, seal=seal(entry))
    write_text(folder / ENTRY, json.dumps(to_dict(entry), indent=1, allow_nan=False) + "\n")
    return entry


@contextmanager
def _made(folder: Path) -> Iterator[Path]:
    """A folder of that name in a temporary place, which takes its own on success."""
    if folder.exists():
        raise BoardError(f"entry {folder.name} is there already; delete it first")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".entry-", dir=folder.parent) as temporary:
            made = Path(temporary) / folder.name
            made.mkdir()
            yield made
            made.rename(folder)
    except OSError as error:
        raise BoardError(f"{folder}: cannot be written ({error.strerror})") from None
