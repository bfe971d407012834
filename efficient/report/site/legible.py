"""Text of strangers as it may be shown: what hides or turns letters is written out, and cut."""

from __future__ import annotations

import re
from typing import Any

#: Characters of a text that are shown; a longer one is cut, and says so.
LONGEST = 4000

#: Controls but tab and line feed, marks that turn the direction of writing, lone surrogates.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)


def legible(text: str) -> str:
    """The text with hidden characters as `\\u202e`, cut where it is too long to read."""
    if len(text) <= LONGEST and text.isprintable():
        return text  # nearly all of them
    if len(text) > LONGEST:
        text = f"{text[:LONGEST]}… ({len(text):,} characters)"
    return _HIDDEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def legible_all(value: Any) -> Any:
    """The same of every text in lists and objects."""
    if isinstance(value, str):
        return legible(value)
    if isinstance(value, dict):
        return {legible_all(name): legible_all(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [legible_all(inner) for inner in value]
    return value
