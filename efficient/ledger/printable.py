"""Text of strangers' records, as a terminal and a message may show it."""

from __future__ import annotations


def printable(text: str) -> str:
    """One line: what breaks or turns it, or commands a terminal, is shown as its escape."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
