"""A score as people read it."""

from __future__ import annotations

import math

from efficient.ledger.record import Record


def quality(record: Record, split: str) -> str:
    """`96.11 % (loss 0.1435)` of images; `2.512 bits/token (loss 1.7412)` of text."""
    score = record.scores[split]
    if record.data.unit == "image":
        return f"{100 * score.accuracy:.2f} % ({loss(score.loss)})"
    return f"{score.loss / math.log(2):.3f} bits/{record.data.unit} ({loss(score.loss)})"


def loss(nats: float | None) -> str:
    """`loss 0.1435`, and `no loss` where there is none."""
    return "no loss" if nats is None or math.isnan(nats) else f"loss {nats:.4f}"
