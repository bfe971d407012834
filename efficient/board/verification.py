"""Who has checked what: the tiers, in order, and the line that is kept of each.

A verification is written by whoever verifies, beside the entries and never into one. It names the
seal of the entry that it is of: a changed entry has none.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from efficient.board.entry import ARTEFACTS, Opened
from efficient.board.error import BoardError
from efficient.board.judgement import judge
from efficient.board.plausibility import check as check_plausible
from efficient.board.rules import CODE, Rules
from efficient.ledger.codec import RecordError, from_dict
from efficient.ledger.record import Source
from efficient.ledger.source import source
from efficient.ledger.store import read_json, write_json

VERIFICATIONS = "verifications"
SCHEMA = 1
UNVERIFIED, SELF_REPORTED = "unverified", "self-reported"
RESCORED, REPLAYED, RETIMED = "re-scored", "replayed", "re-timed"
#: From the least that was done to the most.
TIERS = (UNVERIFIED, SELF_REPORTED, RESCORED, REPLAYED, RETIMED)

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Step:
    """One tier that was reached: what was found, when, by which code and on which machine."""

    tier: str
    found: str
    made_utc: str
    source: Source
    machine: str = ""


@dataclass(frozen=True)
class Verification:
    """What became of an entry. rules: the version that it was judged by; steps: by tier."""

    schema: int
    entry: str
    seal: str
    rules: int
    steps: tuple[Step, ...]
    notes: tuple[str, ...] = ()

    @property
    def tier(self) -> str:
        """The highest that was reached."""
        return max((step.tier for step in self.steps), key=TIERS.index, default=UNVERIFIED)

    def with_step(self, tier: str, found: str, machine: str = "") -> Verification:
        """With one more, which takes the place of an earlier one of its tier."""
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        made = Step(tier, found, now, source(), machine)
        others = tuple(step for step in self.steps if step.tier != tier)
        ordered = sorted((*others, made), key=lambda step: TIERS.index(step.tier))
        return replace(self, steps=tuple(ordered))


@dataclass(frozen=True)
class Asked:
    """What to verify beyond the static checks. Each comes after those before it.

    data_dir: of the prepared datasets; artefacts, fetch: as in `rescoring.rescore`.
    """

    data_dir: str | None = None
    artefacts: Path | None = None
    fetch: bool = False


def inspect(opened: Opened, rules: Rules) -> Verification:
    """The static checks that need no arrays: rules, claim, plausibility. Without jax.

    Raises:
        BoardError: the first fault.
    """
    where = f"entry {opened.entry.id}"
    try:
        for record in opened.records.values():
            check_plausible(record)
        found = judge(opened, rules)
        if found != opened.entry.claim:
            raise BoardError("its claim is not what its records come to")
        _check_artefacts(opened)
    except BoardError as error:
        raise BoardError(f"{where}: {error}") from None
    return Verification(SCHEMA, opened.entry.id, opened.entry.seal, rules.version, ())


def verify(opened: Opened, rules: Rules, asked: Asked, tell: Tell) -> Verification:
    """Static checks, FLOPs counted again, artefacts scored again.

    Raises:
        BoardError: the first fault; one line that names the entry and what is wrong.
    """
    tell("rules, claim, plausibility")
    made = inspect(opened, rules)
    if opened.entry.kind == CODE:
        return made.with_step(SELF_REPORTED, "static checks; code is counted by --replay only")
    from efficient.board import configuration, recount, rescoring

    try:
        tell("config and data")
        decoded = configuration.decode(opened, asked.data_dir)
        tell("FLOPs, counted again")
        counted = recount.check(decoded)
        exact = all(one.least == one.most for one in counted.values())
        how = "equal to the claim" if exact else "bounded by the smallest and largest network"
        made = made.with_step(SELF_REPORTED, f"static checks; FLOPs of {len(counted)} runs {how}")
        if not _has_artefacts(opened):
            return replace(made, notes=("no artefacts, so nothing can be scored again",))
        tell("artefacts, scored again")
        scores = rescoring.rescore(opened, decoded, counted, asked.artefacts, asked.fetch)
    except BoardError as error:
        raise BoardError(f"entry {opened.entry.id}: {error}") from None
    return made.with_step(RESCORED, f"{len(scores)} artefacts score what is claimed", _machine())


def keep(board: Path, made: Verification) -> Path:
    """Write it down, with the steps of an earlier one of the same seal that were not repeated.

    Raises:
        StoreError: it cannot be written.
    """
    before = recall(board, made.entry, made.seal)
    for step in before.steps if before else ():
        if step.tier not in {own.tier for own in made.steps}:
            made = replace(made, steps=(*made.steps, step))
    steps = tuple(sorted(made.steps, key=lambda step: TIERS.index(step.tier)))
    path = board / VERIFICATIONS / f"{made.entry}.json"
    write_json(path, replace(made, steps=steps))
    return path


def recall(board: Path, entry: str, seal: str) -> Verification | None:
    """What was written down of this very entry; None where nothing was.

    Raises:
        BoardError: its file is damaged.
    """
    path = board / VERIFICATIONS / f"{entry}.json"
    if not path.is_file():
        return None
    try:
        found = from_dict(Verification, read_json(path), path.name)
    except RecordError as error:
        raise BoardError(f"{path}: {error}; verify the entry again") from None
    if any(step.tier not in TIERS for step in found.steps):
        raise BoardError(f"{path}: a tier in it is unknown; verify the entry again")
    return found if found.seal == seal else None


def _has_artefacts(opened: Opened) -> bool:
    return any(name.startswith(f"{ARTEFACTS}/") for name in opened.entry.files)


def _check_artefacts(opened: Opened) -> None:
    """An artefact is the one that its record tells of."""
    for record in opened.runs:
        for name, file in record.files.items():
            if not name.startswith("artefact/"):
                continue
            own = f"{ARTEFACTS}/{record.run_id}/{name.removeprefix('artefact/')}"
            held = opened.entry.files.get(own)
            if held is not None and held != file:
                raise BoardError(f"{own} is not the file that run {record.run_id} shipped")


def _machine() -> str:
    from efficient.compare.summary import describe
    from efficient.cost.machine import machine

    return describe(machine())
