"""Old entries under a new version of the rules. An entry itself is never changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from efficient.board.entry import open_entry
from efficient.board.error import BoardError
from efficient.board.rules import Rules
from efficient.board.submission import entries
from efficient.board.verification import SCHEMA, Verification, inspect, keep, recall


def rescore(board: Path, rules: Rules) -> Iterator[Verification]:
    """Judge every entry by the rules of today, and write down what they say.

    What was found of its artefacts and its training holds under any rules and is kept.

    Raises:
        BoardError: an entry is damaged. StoreError: a verification cannot be written.
    """
    for folder in entries(board):
        opened = open_entry(folder)
        seal = opened.entry.seal
        before = recall(board, opened.entry.id, seal)
        made = before or Verification(SCHEMA, opened.entry.id, seal, rules.version, ())
        try:
            inspect(opened, rules)
            made = replace(made, rules=rules.version, refused="")
        except BoardError as error:
            made = replace(made, rules=rules.version, refused=str(error))
        yield keep(board, made)
