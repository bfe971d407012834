"""An entry: a claim, the records that it rests on and the files that show it, sealed by digests.

    entry.json                            what is claimed, by whom; digests of all other files
    records.jsonl                         the runs, and those that they needed
    artefacts/RUN/{weights.safetensors,card.json}
    checkpoints/STEP.safetensors          states of one run, from which a stretch can be repeated
    code/NAME.py                          of a code entry: a user's variant or model

The seal finds damage and careless changes; it is no signature.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from efficient.board.document import MOST_BYTES, listing, plain_words, read_object, read_records
from efficient.board.error import BoardError, quoted
from efficient.board.rules import CODE, KINDS, NAME
from efficient.ledger.codec import RecordError, from_dict, to_dict
from efficient.ledger.record import PARENT_ROLES, RUN_ID, File, Record
from efficient.ledger.store import RECORDS, digest_file, digest_json

SCHEMA = 1
ENTRY, ENTRIES, CHALLENGES = "entry.json", "entries", "challenges"
ARTEFACTS, CHECKPOINTS, CODE_FOLDER = "artefacts", "checkpoints", "code"
#: Name of a file in an entry -> most bytes.
EXPECTED = {
    re.escape(ENTRY): 512 * 10**3,
    re.escape(RECORDS): 16 * 10**6,
    rf"{ARTEFACTS}/{RUN_ID}/weights\.safetensors": MOST_BYTES,
    rf"{ARTEFACTS}/{RUN_ID}/card\.json": 4 * 10**6,
    rf"{CHECKPOINTS}/\d{{10}}\.safetensors": MOST_BYTES,
    rf"{CODE_FOLDER}/[a-z_][a-z0-9_]{{0,39}}\.py": 256 * 10**3,
}
MOST_NAME, MOST_AUTHOR, MOST_DESCRIPTION, MOST_URL = 60, 80, 1000, 400
#: Runs that one run may need; of ours none needs more than a few teachers.
MOST_PARENTS = 32
IDENTITY = re.compile(r"[a-z0-9][a-z0-9-]{0,99}")
DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Claim:
    """What an entry says of itself; `claim.claim` computes it from the records.

    quality: mean over the runs, in the unit of the target; qualities: by seed; p: of the one-sided
    test that the mean clears the target; costs and lineage: means of the cost columns, of the runs
    alone and with all that they needed; unknown: why one of these is missing.
    """

    quality: float
    qualities: tuple[float, ...]
    p: float | None
    costs: dict[str, float]
    lineage: dict[str, float]
    unknown: dict[str, str]


@dataclass(frozen=True)
class Segment:
    """A stretch that can be repeated: from the state of a file at `step` up to `until`.

    digest: of the parameters then; loss: mean over the stretch.
    """

    file: str
    run_id: str
    step: int
    until: int
    digest: str
    loss: float


@dataclass(frozen=True)
class Entry:
    """One claim on a target in a track. Of whatever a stranger can choose, nothing is trusted.

    rules: version of the board's rules that it was made for; challenges: the entry that it is a
    rerun of, else ""; runs: ids of the records that are claimed, by seed; config: theirs, without
    seed and labels; files: by name, all but this one; elsewhere: URLs of those that are not here.
    """

    schema: int
    id: str
    kind: str
    rules: int
    target: str
    track: str
    name: str
    author: str
    description: str
    made_utc: str
    config: dict[str, Any]
    runs: tuple[str, ...]
    claim: Claim
    files: dict[str, File]
    seal: str
    challenges: str = ""
    elsewhere: dict[str, str] = field(default_factory=dict)
    segments: tuple[Segment, ...] = ()


@dataclass(frozen=True)
class Opened:
    """An entry whose files are those that it was sealed with. records: by run id."""

    folder: Path
    entry: Entry
    records: dict[str, Record]

    @property
    def runs(self) -> list[Record]:
        """The records that are claimed, in the order of the entry."""
        return [self.records[run_id] for run_id in self.entry.runs]

    def path(self, name: str) -> Path:
        return self.folder / name


def seal(entry: Entry) -> str:
    """Digest of everything in it but the seal."""
    return digest_json({k: v for k, v in to_dict(entry).items() if k != "seal"})


def open_entry(folder: Path) -> Opened:
    """Read a folder, from names to digests, before anything in it is believed.

    Raises:
        BoardError: whatever is wrong first; one line.
    """
    if folder.is_symlink():
        raise BoardError(f"entry {quoted(folder.name)} is a link; put the folder itself there")
    folder = folder.resolve()  # `.` has neither a name nor a place among the others
    try:
        sizes = listing(folder, EXPECTED)
        for name in (ENTRY, RECORDS):
            if name not in sizes:
                raise BoardError(f"{name} is missing")
        entry = _entry(folder)
        _check_words(entry, folder.name)
        _check_place(entry, folder)
        _check_files(folder, entry, sizes)
        found = {r.run_id: r for r in read_records(folder / RECORDS, sizes[RECORDS])}
        _check_runs(entry, found)
        _check_claim(entry)
    except BoardError as error:
        raise BoardError(f"entry {quoted(folder.name, 60)}: {error}") from None
    return Opened(folder, entry, found)


def _entry(folder: Path) -> Entry:
    plain = read_object(folder / ENTRY, EXPECTED[re.escape(ENTRY)])
    schema = plain.get("schema")
    if type(schema) is not int:
        raise BoardError(f"{ENTRY}: no schema number")
    if schema != SCHEMA:
        raise BoardError(f"{ENTRY}: schema {quoted(schema)} is not known here, only {SCHEMA}")
    try:
        return from_dict(Entry, plain, ENTRY)
    except RecordError as error:
        raise BoardError(str(error)) from None


def _check_words(entry: Entry, folder: str) -> None:
    if not IDENTITY.fullmatch(entry.id) or entry.id != folder:
        raise BoardError(f"id {quoted(entry.id)} is not the name of its folder")
    if entry.kind not in KINDS:
        raise BoardError(f"kind {quoted(entry.kind)} is neither {' nor '.join(KINDS)}")
    for word in (entry.target, entry.track):
        if not NAME.fullmatch(word):
            raise BoardError(f"{quoted(word)} can be no target or track")
    if entry.challenges and not IDENTITY.fullmatch(entry.challenges):
        raise BoardError(f"challenges {quoted(entry.challenges)} can be no entry")
    if not (entry.name.strip() and entry.name.isascii()):
        raise BoardError(f"name {quoted(entry.name)} must be of ASCII letters, so none is faked")
    plain_words(entry.name, "name", MOST_NAME)
    plain_words(entry.author, "author", MOST_AUTHOR)
    plain_words(entry.description, "description", MOST_DESCRIPTION)


def _check_place(entry: Entry, folder: Path) -> None:
    """A rerun, of which no target is asked, lies beside its entry and never among them."""
    parent, above = folder.parent.name, folder.parent.parent.name
    beside = parent if above == CHALLENGES else ""
    if (beside or parent == ENTRIES) and entry.challenges != beside:
        found = f"of {quoted(entry.challenges)}" if entry.challenges else "of nothing"
        raise BoardError(f"it is a rerun {found} and lies in {above}/{parent}")


def _check_files(folder: Path, entry: Entry, sizes: dict[str, int]) -> None:
    """Every file is named, every name is a file here or elsewhere, and each has its digest."""
    if seal(entry) != entry.seal:
        raise BoardError(f"{ENTRY} has another digest than its seal: it is damaged or changed")
    for name, file in entry.files.items():
        if not any(re.fullmatch(rule, name) for rule in EXPECTED) or name == ENTRY:
            raise BoardError(f"file {quoted(name)} cannot be one of an entry")
        if not DIGEST.fullmatch(file.sha256) or not 0 <= file.bytes <= MOST_BYTES:
            raise BoardError(f"file {name}: its digest or size is none")
    for name, url in entry.elsewhere.items():
        if name not in entry.files or not url.startswith("https://") or len(url) > MOST_URL:
            raise BoardError(f"file {quoted(name)} is elsewhere at {quoted(url)}, no https address")
    here = set(sizes) - {ENTRY}
    for name in sorted(here ^ (set(entry.files) - set(entry.elsewhere))):
        known = "is not sealed" if name in here else "is missing"
        raise BoardError(f"file {name} {known}; submit again")
    for name in sorted(here):
        if sizes[name] != entry.files[name].bytes or (
            digest_file(folder / name) != entry.files[name].sha256
        ):
            raise BoardError(f"file {name} has another digest than it was sealed with")
    has_code = any(name.startswith(f"{CODE_FOLDER}/") for name in entry.files)
    if has_code != (entry.kind == CODE):
        raise BoardError(f"a {entry.kind} entry {'has' if has_code else 'lacks'} files of code")


def _check_runs(entry: Entry, found: dict[str, Record]) -> None:
    if not entry.runs:
        raise BoardError("no run is claimed; submit it again")
    for run_id in (*entry.runs, *found):
        if not re.fullmatch(RUN_ID, run_id) or run_id not in found:
            raise BoardError(f"run {quoted(run_id)} has no record in {RECORDS}")
    for record in found.values():
        _check_parents(record)
    if len(set(entry.runs)) < len(entry.runs):
        raise BoardError("a run is claimed twice")
    for name in entry.files:
        folder, _, rest = name.partition("/")
        if folder == ARTEFACTS and rest.partition("/")[0] not in entry.runs:
            raise BoardError(f"file {name} is of no run that is claimed")
    for segment in entry.segments:
        if segment.file not in entry.files or segment.run_id not in entry.runs:
            raise BoardError(f"segment {quoted(segment.file)} is of no file or run of the entry")


def _check_claim(entry: Entry) -> None:
    """A quality for each run, and numbers wherever a number is claimed."""
    claim = entry.claim
    if len(claim.qualities) != len(entry.runs):
        raise BoardError(f"{len(claim.qualities)} qualities of {len(entry.runs)} runs are claimed")
    said = {"quality": claim.quality, "p": 0.0 if claim.p is None else claim.p}
    said |= {f"qualities[{i}]": value for i, value in enumerate(claim.qualities)}
    for part, costs in (("costs", claim.costs), ("lineage", claim.lineage)):
        said |= {f"{part}.{name}": value for name, value in costs.items()}
    for name, value in said.items():
        if not math.isfinite(value):
            raise BoardError(f"{quoted(f'claim.{name}')} is no number; leave out what is unknown")


def _check_parents(record: Record) -> None:
    """Bounded before anybody follows them or puts their names in the place of others."""
    if len(record.parents) > MOST_PARENTS:
        raise BoardError(
            f"run {record.run_id} has {len(record.parents)} parents; at most {MOST_PARENTS}"
        )
    for parent in record.parents:
        if not re.fullmatch(RUN_ID, parent.run_id):
            raise BoardError(f"run {record.run_id}: its parent {quoted(parent.run_id)} is no run")
        if parent.role not in PARENT_ROLES:
            raise BoardError(
                f"run {record.run_id}: its parent has the role {quoted(parent.role)}, none of "
                f"{', '.join(PARENT_ROLES)}"
            )
