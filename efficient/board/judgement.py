"""Do the records of an entry satisfy the rules? Asked when it is made, verified and rescored."""

from __future__ import annotations

from collections.abc import Sequence

from efficient.board.claim import claim, cost, question
from efficient.board.entry import Claim, Opened
from efficient.board.error import BoardError, quoted
from efficient.board.rules import FULL, Hardware, Rules, Target, Track
from efficient.compare.question import config_changes
from efficient.compare.summary import describe
from efficient.cost.chip import find
from efficient.ledger.record import Record

#: Keys of a config under which the type of a part stands.
PARTS = ("workload", "model")


def judge(opened: Opened, rules: Rules) -> Claim:
    """The claim of an entry, computed anew, once it satisfies the rules.

    Raises:
        BoardError: it does not; the first rule that it breaks, in one line.
    """
    entry = opened.entry
    target, track = rules.place(entry.target, entry.track)
    if entry.rules > rules.version:
        raise BoardError(f"made for rules {entry.rules}, the board has {rules.version}: update it")
    if entry.kind not in track.kinds:
        raise BoardError(f"track {entry.track} takes {' and '.join(track.kinds)}, not {entry.kind}")
    runs = opened.runs
    found = claim(runs, opened.records, target)
    check_runs(runs, entry.config, target, track, rules)
    if entry.challenges:
        return found
    check_count(runs, target, rules)
    check_target(found, target, rules)
    check_limits(runs, found, track)
    return found


def check_runs(
    runs: Sequence[Record], config: dict, target: Target, track: Track, rules: Rules
) -> None:
    """One config that is the target's, on machines of the track, each run once."""
    for record in runs:
        if changes := config_changes(question(record), config):
            name, (found, wanted) = next(iter(changes.items()))
            raise BoardError(
                f"run {record.run_id} has config.{name} {quoted(found)}, the entry {quoted(wanted)}"
            )
        if record.seed != record.config.get("seed"):
            raise BoardError(f"run {record.run_id} says seed {record.seed}, its config another")
        _check_hardware(record, track, rules)
    for part in PARTS:
        if not isinstance(config.get(part), dict):
            raise BoardError(f"config.{part} is no object with a type")
    _check_same(config["workload"], target.workload, "workload")
    if track.fixed_model:
        _check_same(config["model"], target.model, "model")
    digests = [record.params_digest for record in runs]
    if None in digests or len(set(digests)) < len(digests):
        raise BoardError("two runs have the same weights: they are one run seen twice")


def check_count(runs: Sequence[Record], target: Target, rules: Rules) -> None:
    """Enough runs, of seeds that nobody picked."""
    seeds, least = [record.seed for record in runs], rules.runs_of(target)
    if len(seeds) < least:
        raise BoardError(f"{len(seeds)} runs are fewer than the {least} that the rules ask for")
    if seeds != list(range(seeds[0], seeds[0] + len(seeds))):
        raise BoardError(f"seeds {seeds} are not consecutive: some could have been left out")


def check_target(found: Claim, target: Target, rules: Rules) -> None:
    """The mean clears the target, by more than chance."""
    if target.value is None:
        raise BoardError(f"the target is not set yet: {target.rule}")
    sign, level = (1 if target.more_is_better else -1), rules.level_of(target)
    if sign * (found.quality - target.value) <= 0:
        raise BoardError(
            f"mean {target.quality} {found.quality:.6g} misses the target {target.value:g}"
        )
    if found.p is None:
        raise BoardError("the runs do not vary, so nothing can be tested: add seeds")
    if found.p > level:
        raise BoardError(
            f"mean {target.quality} {found.quality:.6g} clears {target.value:g} with p "
            f"{found.p:.2g}, the rules ask for {level:g}: add seeds"
        )


def check_limits(runs: Sequence[Record], found: Claim, track: Track) -> None:
    """The cost that is ranked is known, and no limit is passed by any run."""
    if cost(found, track.ranked_by, track.lineage == FULL) is None:
        reason = found.unknown.get(track.ranked_by, "a run that it needed is missing")
        raise BoardError(f"{track.ranked_by}, by which the track ranks, is unknown: {reason}")
    for column, most in track.limits.items():
        for record in runs:
            value = getattr(record.cost, column, None)
            if value is None or value > most:
                raise BoardError(
                    f"run {record.run_id}: {column} {value} is over the track's limit {most:g}"
                )


def fits(record: Record, hardware: Hardware) -> bool:
    """Whether a machine is of a class."""
    machine = record.machine
    platform = "gpu" if machine.platform in ("cuda", "rocm") else machine.platform
    chip = find(machine.device_kind)
    return (
        platform == hardware.platform
        and (hardware.cores is None or machine.cores <= hardware.cores)
        and 1 <= machine.devices <= hardware.devices
        and (not hardware.chips or (chip is not None and chip.name in hardware.chips))
    )


def _check_hardware(record: Record, track: Track, rules: Rules) -> None:
    if record.machine.cores < 1:
        raise BoardError(f"run {record.run_id}: a machine of {record.machine.cores} cores is none")
    classes = [rules.hardware[name] for name in track.hardware]
    if classes and not any(fits(record, one) for one in classes):
        raise BoardError(
            f"run {record.run_id}: {quoted(describe(record.machine), 60)} is none of "
            f"{', '.join(track.hardware)}"
        )


def _check_same(found: dict, wanted: dict, part: str) -> None:
    for name, value in wanted.items():
        if found.get(name) != value:
            raise BoardError(
                f"config.{part}.{name} is {quoted(found.get(name))}, the target's {quoted(value)}"
            )
