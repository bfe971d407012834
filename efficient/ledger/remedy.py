"""What a line says to whoever gave a wrong name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(name: str, names: Iterable[str]) -> str:
    """The name that was meant; all there are, where none is near."""
    listed = list(names)
    return meant(name, listed) or f"choose one of {', '.join(sorted(listed))}"


def meant(name: str, names: Iterable[str]) -> str:
    """The name that was meant, as a question; empty where none is near."""
    close = difflib.get_close_matches(name, list(names), n=1, cutoff=0.4)
    return f"did you mean {close[0]!r}?" if close else ""
