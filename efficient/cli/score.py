"""A score as people read it."""

from __future__ import annotations

import math

from efficient.ledger.record import Record


def quality(record: Record, split: str) -> str:
    """`96.11 % (loss 0.1435)` of images; `2.512 bits/token (loss 1.7412)` of text."""
    score = record.scores[split]
    if record.data.unit == "image":
        return f"{100 * score.accuracy:.2f} % (loss {score.loss:.4f})"
    return f"{score.loss / math.log(2):.3f} bits/{record.data.unit} (loss {score.loss:.4f})"
