"""The rules of a board: `board.toml` as frozen dataclasses, strictly read.

A board asks for a quality (a *target* on a split of a workload) and ranks whoever reaches it by a
cost (a *track*). Rules have a version; each entry names the one that it was made for.
"""

from __future__ import annotations

import dataclasses
import math
import re
import tomllib
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from efficient.board.error import BoardError, quoted
from efficient.compare.column import BY_KEY
from efficient.ledger.codec import RecordError, from_dict
from efficient.ledger.remedy import nearest

RULES = "board.toml"
CONFIGURATION, CODE = "configuration", "code"
KINDS = (CONFIGURATION, CODE)
MARGINAL, FULL = "marginal", "full"
#: How quality is measured -> whether more is better.
QUALITIES = {"accuracy": True, "loss": False}
PLATFORMS = ("cpu", "gpu", "tpu")
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
MOST_RUNS = 64


@dataclass(frozen=True)
class Hardware:
    """A class of machines. cores, devices: at most so many; chips: names of `efficient machine
    --chips`, none for any."""

    platform: str
    cores: int | None = None
    devices: int = 1
    chips: tuple[str, ...] = ()


@dataclass(frozen=True)
class Track:
    """What is compared. ranked_by: a cost column, less is better, `marginal` or of the `full`
    lineage; hardware: classes that may enter, none for any; fixed_model: the network must be the
    target's; limits: most of a cost column that a run may have."""

    about: str
    ranked_by: str
    lineage: str = MARGINAL
    hardware: tuple[str, ...] = ()
    kinds: tuple[str, ...] = (CONFIGURATION,)
    fixed_model: bool = False
    limits: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Target:
    """A quality to reach on the test split, by the file that is shipped.

    workload: fields that the workload of a run must have; value: of the quality, None while it is
    not set, then `rule` says how it will be; model: the network of tracks with a fixed one;
    runs, level: in place of the board's.
    """

    about: str
    quality: str
    workload: dict[str, Any]
    tracks: tuple[str, ...]
    value: float | None = None
    rule: str = ""
    split: str = "test"
    model: dict[str, Any] = field(default_factory=dict)
    runs: int | None = None
    level: float | None = None

    @property
    def more_is_better(self) -> bool:
        return QUALITIES[self.quality]


@dataclass(frozen=True)
class Rules:
    """runs: least number of runs of an entry; level: of the one-sided t test by which their mean
    must clear the target."""

    version: int
    title: str
    targets: dict[str, Target]
    tracks: dict[str, Track]
    hardware: dict[str, Hardware]
    runs: int = 3
    level: float = 0.05

    def runs_of(self, target: Target) -> int:
        return target.runs or self.runs

    def level_of(self, target: Target) -> float:
        return target.level or self.level

    def place(self, target: str, track: str) -> tuple[Target, Track]:
        """A target and one of its tracks.

        Raises:
            BoardError: the board has no such; the nearest is named.
        """
        if target not in self.targets:
            raise BoardError(f"target {quoted(target)} is unknown: {nearest(target, self.targets)}")
        found = self.targets[target]
        if track not in found.tracks:
            raise BoardError(
                f"target {target} has no track {quoted(track)}: {nearest(track, found.tracks)}"
            )
        return found, self.tracks[track]


def read(board: Path) -> Rules:
    """The rules of the board in a folder.

    Raises:
        BoardError: there is no board, or a key, type or range is wrong.
    """
    path = board / RULES
    try:
        plain = tomllib.loads(path.read_bytes().decode())
    except OSError as error:
        raise BoardError(
            f"{path}: no board here ({error.strerror}): efficient leaderboard init {board}"
        ) from None
    except (ValueError, RecursionError) as error:
        raise BoardError(f"{path}: {error}; correct it") from None
    try:
        _known(Rules, plain, RULES)
        found = from_dict(Rules, plain, RULES)
        _check(found)
    except (RecordError, BoardError) as error:
        raise BoardError(f"{path}: {error}") from None
    return found


def _known(kind: type, plain: Any, where: str) -> None:
    """Refuse a key that no dataclass has, with the nearest that one has."""
    if not isinstance(plain, dict):
        return
    hints = typing.get_type_hints(kind)
    for name, value in plain.items():
        if name not in hints:
            raise BoardError(f"{where}: key {quoted(name)} is unknown: {nearest(name, hints)}")
        inner = typing.get_args(hints[name])
        if len(inner) == 2 and dataclasses.is_dataclass(inner[1]) and isinstance(value, dict):
            for key, part in value.items():
                _known(typing.cast(type, inner[1]), part, f"{where}: {name}.{key}")


def _check(rules: Rules) -> None:
    if rules.version < 1:
        raise BoardError(f"version {rules.version} must be 1 or more")
    _check_runs(rules.runs, rules.level, "")
    for group in (rules.targets, rules.tracks, rules.hardware):
        for name in group:
            if not NAME.fullmatch(name):
                raise BoardError(f"name {quoted(name)} must be of a-z, 0-9 and -, at most 40")
    for name, hardware in rules.hardware.items():
        _one_of(hardware.platform, PLATFORMS, f"hardware.{name}.platform")
        if min(hardware.devices, 1 if hardware.cores is None else hardware.cores) < 1:
            raise BoardError(f"hardware.{name}: cores and devices must be 1 or more")
    for name, track in rules.tracks.items():
        _check_track(name, track, rules)
    for name, target in rules.targets.items():
        _check_target(name, target, rules)


def _check_track(name: str, track: Track, rules: Rules) -> None:
    where = f"tracks.{name}"
    _one_of(track.ranked_by, BY_KEY, f"{where}.ranked_by")
    _one_of(track.lineage, (MARGINAL, FULL), f"{where}.lineage")
    for kind in track.kinds:
        _one_of(kind, KINDS, f"{where}.kinds")
    for hardware in track.hardware:
        _one_of(hardware, rules.hardware, f"{where}.hardware")
    for column, most in track.limits.items():
        _one_of(column, BY_KEY, f"{where}.limits")
        if not 0 < most < math.inf:
            raise BoardError(f"{where}.limits.{column} {most} must be a number above 0")


def _check_target(name: str, target: Target, rules: Rules) -> None:
    where = f"targets.{name}"
    _one_of(target.quality, QUALITIES, f"{where}.quality")
    _one_of(target.split, ("test",), f"{where}.split")
    for track in target.tracks:
        _one_of(track, rules.tracks, f"{where}.tracks")
        if rules.tracks[track].fixed_model and not target.model:
            raise BoardError(f"{where}.model is missing: track {track} asks for a fixed one")
    if not target.tracks:
        raise BoardError(f"{where}.tracks is empty: name one of {', '.join(rules.tracks)}")
    for key in ("type", "data"):
        if not isinstance(target.workload.get(key), str):
            raise BoardError(f"{where}.workload.{key} is missing: a workload has type and data")
    if target.value is None and not target.rule:
        raise BoardError(f"{where}.value is missing: give it, or the rule by which it will be set")
    most = 1.0 if target.quality == "accuracy" else math.inf
    if target.value is not None and not 0 < target.value < most:
        raise BoardError(f"{where}.value {target.value} must be above 0 and below {most:g}")
    _check_runs(rules.runs_of(target), rules.level_of(target), f"{where}: ")


def _check_runs(runs: int, level: float, where: str) -> None:
    if not 2 <= runs <= MOST_RUNS:
        raise BoardError(f"{where}runs {runs} must be from 2 to {MOST_RUNS}")
    if not 0 < level <= 0.5:
        raise BoardError(f"{where}level {level} must be above 0 and at most 0.5")


def _one_of(value: str, names: Mapping[str, Any] | tuple[str, ...], where: str) -> None:
    if value not in names:
        raise BoardError(f"{where} {quoted(value)} is unknown: {nearest(value, names)}")
