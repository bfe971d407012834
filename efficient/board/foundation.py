"""A new board: its rules, the workflow that verifies what is sent to it, and how to take part."""

from __future__ import annotations

import importlib.resources
from pathlib import Path

from efficient import __version__
from efficient.board.error import BoardError
from efficient.board.rules import RULES, Rules, read
from efficient.ledger.store import write_text

#: Template -> where it goes.
FILES = {
    "board.toml": RULES,
    "verify.yml": ".github/workflows/verify.yml",
    "board.md": "README.md",
}


def found(board: Path) -> Rules:
    """Write what a board starts with; nothing that stands there is overwritten.

    Raises:
        BoardError: there is a board already. StoreError: the folder cannot be written.
    """
    if (board / RULES).exists():
        raise BoardError(f"{board / RULES} exists; edit it, or give another folder")
    for template, name in FILES.items():
        if not (board / name).exists():
            write_text(board / name, text(template).replace("@VERSION@", __version__))
    return read(board)


def text(template: str) -> str:
    return importlib.resources.files("efficient.board").joinpath("templates", template).read_text()
