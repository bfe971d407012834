"""Amounts for people: a name, a number, and what it is made of, which may take several lines."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from rich.console import Console

NAME, AMOUNT, LEAST = 12, 12, 30


def amounts(out: Console, rows: Iterable[tuple[str, str, str]]) -> None:
    """The numbers under one another, right-aligned; the text beside them broken at its spaces."""
    margin = NAME + AMOUNT + 2
    for name, amount, text in rows:
        width = max(out.width - margin, LEAST)
        parts = textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False) or [""]
        print(f"{name:<{NAME}}{amount:>{AMOUNT}}  {parts[0]}".rstrip())
        for part in parts[1:]:
            print(" " * margin + part)
