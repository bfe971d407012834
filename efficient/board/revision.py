"""Old entries under a new version of the rules. An entry itself is never changed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from efficient.board.entry import Opened, open_entry
from efficient.board.error import BoardError
from efficient.board.rules import Rules
from efficient.board.submission import entries
from efficient.board.verification import SCHEMA, Verification, inspect, keep, recall


def rescore(board: Path, rules: Rules) -> tuple[list[Verification], list[str]]:
    """Judge every entry by the rules of today, and write down what they say.

    What was found of its artefacts and its training holds under any rules and is kept. Also a line
    for each entry that cannot be read: it is judged when it is mended.

    Raises:
        StoreError: a verification cannot be written.
    """
    found, faults = [], []
    for folder in entries(board):
        try:
            opened = open_entry(folder)
            before = recall(board, opened.entry.id, opened.entry.seal)
        except BoardError as error:
            faults.append(str(error))
        else:
            found.append(keep(board, _judged(opened, before, rules)))
    return found, faults


def _judged(opened: Opened, before: Verification | None, rules: Rules) -> Verification:
    entry = opened.entry
    made = before or Verification(SCHEMA, entry.id, entry.seal, rules.version, ())
    try:
        inspect(opened, rules)
    except BoardError as error:
        return replace(made, rules=rules.version, refused=str(error))
    return replace(made, rules=rules.version, refused="")
