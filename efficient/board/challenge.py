"""A sceptical rerun of an entry: it stays beside it, whatever it says."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

from efficient.board.claim import agrees
from efficient.board.entry import Opened
from efficient.board.error import BoardError, refusing
from efficient.board.judgement import judge
from efficient.board.plausibility import check
from efficient.board.rules import Rules, Target
from efficient.board.submission import Statement, submit
from efficient.compare.significance import LEVEL, welch
from efficient.ledger.record import Record

AGREES, BELOW, ABOVE, OPEN = "agrees", "below the claim", "above the claim", "too few to say"


@dataclass(frozen=True)
class Verdict:
    """Of a rerun: its mean quality, how far it is below the claim, and a 95 % interval of that."""

    word: str
    mean: float
    runs: int
    lost: float
    low: float
    high: float


def challenge(
    board: Path,
    rules: Rules,
    entry: Opened,
    runs: Sequence[Record],
    every: Sequence[Record],
    out: Path,
    words: Statement,
) -> tuple[Opened, Verdict]:
    """Keep runs of the same config beside the entry that they question.

    Raises:
        BoardError: they are of another config, or are runs of the entry itself.
    """
    _check_others(entry, runs)
    statement = replace(
        words, target=entry.entry.target, track=entry.entry.track, challenges=entry.entry.id
    )
    made = submit(board, rules, runs, every, out, statement, config=entry.entry.config)
    return made, verdict(entry, made, rules.targets[entry.entry.target])


def inspect(challenged: Opened, rerun: Opened, rules: Rules) -> Verdict:
    """The static checks of a rerun, and what it says.

    Raises:
        BoardError: it is no rerun of that entry, or breaks a rule.
    """
    with refusing(f"rerun {rerun.entry.id}"):
        for record in rerun.records.values():
            check(record)
        if rerun.entry.challenges != challenged.entry.id:
            raise BoardError(f"it is a rerun of another entry than {challenged.entry.id}")
        _check_others(challenged, rerun.runs)
        if rerun.entry.config != challenged.entry.config:
            raise BoardError("its config is not the entry's")
        if not agrees(rerun.entry.claim, judge(rerun, rules)):
            raise BoardError("its claim is not what its records come to")
        return verdict(challenged, rerun, rules.targets[challenged.entry.target])


def _check_others(challenged: Opened, runs: Sequence[Record]) -> None:
    """None of the runs is one of the entry itself, which would agree with itself."""
    claimed = {record.params_digest for record in challenged.runs}
    for run in runs:
        if run.params_digest in claimed:
            raise BoardError(
                f"run {run.run_id} has the very weights of the entry: take other seeds"
            )


def verdict(challenged: Opened, rerun: Opened, target: Target) -> Verdict:
    """Welch's test of what is claimed against what the rerun found, two-sided at 5 %."""
    sign = 1 if target.more_is_better else -1
    claimed, found = (
        [sign * value for value in opened.entry.claim.qualities] for opened in (challenged, rerun)
    )
    mean, runs, lost = sign * fmean(found), len(found), fmean(claimed) - fmean(found)
    if min(len(claimed), len(found)) < 2:
        return Verdict(OPEN, mean, runs, lost, math.nan, math.nan)
    test = welch(claimed, found, LEVEL)
    word = AGREES
    if test.low > 0:
        word = BELOW
    elif test.high < 0:
        word = ABOVE
    return Verdict(word, mean, runs, lost, test.low, test.high)
