"""Who has checked what: the tiers, in order, and the line that is kept of each.

A verification is written by whoever verifies, beside the entries and never into one. It names the
seal of the entry that it is of: a changed entry has none.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from efficient.board.challenge import inspect as inspect_rerun
from efficient.board.claim import agrees, cost
from efficient.board.entry import ARTEFACTS, CHALLENGES, Opened
from efficient.board.error import BoardError, refusing
from efficient.board.judgement import judge
from efficient.board.plausibility import check as check_plausible
from efficient.board.rules import CODE, FULL, Rules
from efficient.ledger.codec import RecordError, from_dict
from efficient.ledger.record import Source
from efficient.ledger.source import source
from efficient.ledger.store import read_json, write_json

VERIFICATIONS = "verifications"
SCHEMA = 1
UNVERIFIED, SELF_REPORTED = "unverified", "self-reported"
RESCORED, SEGMENT, REPLAYED, RETIMED = "re-scored", "partly replayed", "replayed", "re-timed"
#: From the least that was done to the most; re-timed is above replayed only where both were done.
TIERS = (UNVERIFIED, SELF_REPORTED, RESCORED, SEGMENT, REPLAYED, RETIMED)

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
    """What became of an entry. rules: the version that it was judged by; steps: by tier.

    refused: the line by which those rules turn it away, "" where they do not; challenges: the
    entry that it is a rerun of, else "".
    """

    schema: int
    entry: str
    seal: str
    rules: int
    steps: tuple[Step, ...]
    notes: tuple[str, ...] = ()
    refused: str = ""
    challenges: str = ""

    @property
    def tier(self) -> str:
        """The highest that was reached. Seconds alone do not show that a claim is true."""
        reached = {step.tier for step in self.steps}
        if REPLAYED not in reached:
            reached.discard(RETIMED)
        return max(reached, key=TIERS.index, default=UNVERIFIED)

    def with_step(self, tier: str, found: str, machine: str = "") -> Verification:
        """With one more, which takes the place of an earlier one of its tier."""
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        made = Step(tier, found, now, source(), machine)
        others = tuple(step for step in self.steps if step.tier != tier)
        ordered = sorted((*others, made), key=lambda step: TIERS.index(step.tier))
        return replace(self, steps=tuple(ordered))

    def with_note(self, note: str) -> Verification:
        return replace(self, notes=(*self.notes, note))


@dataclass(frozen=True)
class Asked:
    """What to verify beyond the static checks. Each comes after those before it.

    data_dir: of the prepared datasets; artefacts, fetch: as in `rescoring.rescore`; replay: runs
    that are trained again; segment: share of a run that is repeated from committed states;
    against: an entry that is timed in turns with this one; challenged: that of which it is a rerun.
    """

    data_dir: str | None = None
    artefacts: Path | None = None
    fetch: bool = False
    replay: int = 0
    segment: float = 0.0
    against: Opened | None = None
    challenged: Opened | None = None


def inspect(opened: Opened, rules: Rules) -> Verification:
    """The static checks that need no arrays: rules, claim, plausibility. Without jax.

    Raises:
        BoardError: the first fault.
    """
    with refusing(f"entry {opened.entry.id}"):
        for record in opened.records.values():
            check_plausible(record)
        found = judge(opened, rules)
        if not agrees(opened.entry.claim, found):
            raise BoardError("its claim is not what its records come to")
        _check_ranked(opened, rules)
        _check_artefacts(opened)
    entry = opened.entry
    return Verification(
        SCHEMA, entry.id, entry.seal, rules.version, (), challenges=entry.challenges
    )


def verify(opened: Opened, rules: Rules, asked: Asked, tell: Tell) -> Verification:
    """Static checks, FLOPs counted again, artefacts scored again, and what more is asked.

    Raises:
        BoardError: the first fault; one line that names the entry and what is wrong.
    """
    tell("rules, claim, plausibility")
    made = inspect(opened, rules)
    try:
        if opened.entry.challenges:
            made = made.with_note(_rerun(opened, asked.challenged, rules))
        if opened.entry.kind == CODE:
            return _contributed(made, opened, rules, asked, tell)
        return _verified(made, opened, rules, asked, tell)
    except BoardError as error:
        raise BoardError(f"entry {opened.entry.id}: {error}") from None


def _rerun(opened: Opened, challenged: Opened | None, rules: Rules) -> str:
    """What a rerun says of the entry that it questions."""
    if challenged is None:
        raise BoardError(f"it is a rerun of {opened.entry.challenges}: give that entry as well")
    found = inspect_rerun(challenged, opened, rules)
    words = f"{found.word}, mean {found.mean:.6g} over {found.runs} runs"
    return f"as a rerun of {challenged.entry.id}: {words}"


def _contributed(
    made: Verification, opened: Opened, rules: Rules, asked: Asked, tell: Tell
) -> Verification:
    """A code entry: nothing of it is imported but in the isolation of an explicit replay."""
    from efficient.board import contribution

    if asked.segment or asked.against:
        raise BoardError("stretches and seconds of a code entry are not measured; use --replay")
    contribution.check(opened)
    made = made.with_step(SELF_REPORTED, "static checks; FLOPs of code are its author's word")
    if not asked.replay:
        return made
    target = rules.targets[opened.entry.target]
    found = contribution.replay(opened, target, asked.replay, asked.data_dir, tell)
    return made.with_step(REPLAYED, found, _machine())


def _verified(
    made: Verification, opened: Opened, rules: Rules, asked: Asked, tell: Tell
) -> Verification:
    """The tiers that need arrays, and so jax."""
    from efficient.board import configuration, recount, replay, rescoring, segment

    target = rules.targets[opened.entry.target]
    tell("config and data")
    decoded = configuration.decode(opened, asked.data_dir)
    tell("FLOPs, counted again")
    counted = recount.check(decoded)
    exact = all(one.least == one.most for one in counted.values())
    how = "equal to the claim" if exact else "bounded by the smallest and largest network"
    made = made.with_step(SELF_REPORTED, f"static checks; FLOPs of {len(counted)} runs {how}")
    artefacts = {name for name in opened.entry.files if name.startswith(f"{ARTEFACTS}/")}
    if not artefacts:
        made = made.with_note("no artefacts, so nothing can be scored again")
    elif artefacts <= set(opened.entry.elsewhere) and not (asked.fetch or asked.artefacts):
        away = "its artefacts lie elsewhere: give --fetch, or --artefacts with a copy"
        made = made.with_note(f"{away}, to score them again")
    else:
        tell("artefacts, scored again")
        shipped = rescoring.rescore(opened, decoded, counted, asked.artefacts, asked.fetch)
        found = f"{len(shipped)} artefacts score what is claimed"
        made = made.with_step(RESCORED, found, _machine())
    if asked.segment:
        tell("a stretch of training, repeated")
        found = segment.replay(opened, decoded, asked.segment, asked.data_dir)
        made = made.with_step(SEGMENT, found, _machine())
    if asked.replay:
        found = replay.replay(opened, target, asked.replay, asked.data_dir, tell)
        made = made.with_step(REPLAYED, found, _machine())
    if asked.against:
        tell(f"in turns with {asked.against.entry.id}")
        ratio = _retimed(opened, asked.against, rules, asked)
        found = f"seconds over those of {asked.against.entry.id}: {ratio.words}"
        if ratio.resolved or ratio.equal:
            made = made.with_step(RETIMED, found, _machine())
        else:
            made = made.with_note(found)
    return made


def _retimed(opened: Opened, against: Opened, rules: Rules, asked: Asked) -> Any:
    """Training of both in turns; or inference, where both are ranked by what they ship."""
    from efficient.board import configuration, recount, rescoring, retiming

    if opened.entry.id == against.entry.id:
        raise BoardError("it cannot be timed against itself: name another entry")
    inspect(against, rules)
    sides = [(each, configuration.decode(each, asked.data_dir)) for each in (opened, against)]
    if not retiming.of_inference(rules, opened, against):
        return retiming.training(sides[0], sides[1], asked.data_dir)
    files = []
    for each, decoded in sides:
        counted = recount.check(decoded)
        shipped = rescoring.rescore(each, decoded, counted, asked.artefacts, asked.fetch)
        files.append((decoded[each.entry.runs[0]], shipped[0]))
    return retiming.inference(files[0], files[1])


def keep(board: Path, made: Verification) -> Verification:
    """Write it down, with the steps of an earlier one of the same seal that were not repeated.

    Raises:
        StoreError: it cannot be written.
    """
    try:
        before = recall(board, made.entry, made.seal, made.challenges)
    except BoardError:
        before = None  # its remedy is what is done here: it is written anew
    own = {step.tier for step in made.steps}
    older = tuple(step for step in (before.steps if before else ()) if step.tier not in own)
    steps = sorted((*made.steps, *older), key=lambda step: TIERS.index(step.tier))
    whole = replace(made, steps=tuple(steps))
    write_json(_path(board, made.entry, made.challenges), whole)
    return whole


def recall(board: Path, entry: str, seal: str, challenges: str = "") -> Verification | None:
    """What was written down of this very entry, or rerun of another; None where nothing was.

    Raises:
        BoardError: its file is damaged.
    """
    path = _path(board, entry, challenges)
    if not path.is_file():
        return None
    try:
        found = from_dict(Verification, read_json(path), path.name)
    except RecordError as error:
        why = str(error).removeprefix(f"{path}: ")
        raise BoardError(f"{path}: verify the entry again, it is damaged: {why}") from None
    if any(step.tier not in TIERS for step in found.steps):
        raise BoardError(f"{path}: verify the entry again, a tier in it is unknown")
    return found if found.seal == seal else None


def _path(board: Path, entry: str, challenges: str) -> Path:
    """A rerun's lies apart: it may be called as the entry is that it questions."""
    folder = board / VERIFICATIONS
    return (folder / CHALLENGES / challenges if challenges else folder) / f"{entry}.json"


def _check_ranked(opened: Opened, rules: Rules) -> None:
    """The claim names the cost that its track ranks by: what is left out would rank first."""
    entry, track = opened.entry, rules.tracks[opened.entry.track]
    if not entry.challenges and cost(entry.claim, track.ranked_by, track.lineage == FULL) is None:
        raise BoardError(
            f"its claim leaves out {track.ranked_by}, by which the track ranks; submit it again"
        )


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
