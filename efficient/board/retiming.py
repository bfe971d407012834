"""Two entries on one machine, in turns: whose training, or whose inference, takes longer here?

Seconds of two entries that were measured apart cannot be compared; the ratio of interleaved ones
can. One entry is timed twice, so that the machine's own unrest stands beside the ratio.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax.numpy as jnp

from efficient.benchmark.timing import interval, rounds
from efficient.board.claim import cost
from efficient.board.configuration import Decoded
from efficient.board.entry import Opened
from efficient.board.error import BoardError
from efficient.board.segment import alone
from efficient.ledger.benchmark import Interval

#: Seconds that each is given; steps of a call.
SECONDS, STEPS = 5.0, 16
#: How far the claimed ratio may be from the measured interval before the two disagree.
APART = 1.25


@dataclass(frozen=True)
class Ratio:
    """Seconds of the first over those of the second, paired by round; null: the first over itself.

    claimed: what their entries say.
    """

    gain: Interval
    null: Interval
    claimed: float | None

    @property
    def resolved(self) -> bool:
        """Whether the machine was quiet enough to tell the two apart."""
        return self.gain.low > max(self.null.high, 1.0) or self.gain.high < min(self.null.low, 1.0)

    @property
    def equal(self) -> bool:
        """Whether the two are shown to differ by less than what `APART` lets pass."""
        return self.gain.low > 1 / APART and self.gain.high < APART

    @property
    def contradicts(self) -> bool:
        """Whether one claims to be the faster and is clearly the slower."""
        if self.claimed is None or not self.resolved:
            return False
        faster, slower = self.claimed * APART < 1, self.claimed > APART
        return (faster and self.gain.low > 1) or (slower and self.gain.high < 1)

    @property
    def words(self) -> str:
        measured = f"{self.gain.median:.2f} ({self.gain.low:.2f} to {self.gain.high:.2f})"
        null = f"itself {self.null.low:.2f} to {self.null.high:.2f}"
        said = "none" if self.claimed is None else f"{self.claimed:.2f}"
        verdict = "" if self.resolved or self.equal else "; not resolved here"
        return f"{measured} measured, {null}, {said} claimed{verdict}"


def retime(
    one: tuple[Opened, Mapping[str, Decoded]],
    other: tuple[Opened, Mapping[str, Decoded]],
    data_dir: str | None,
    seconds: float = SECONDS,
) -> Ratio:
    """Seconds of training of the first entry over those of the second.

    Raises:
        BoardError: a run has several phases or parents, or the two contradict what is claimed.
    """
    if one[0].entry.id == other[0].entry.id:
        raise BoardError("it cannot be timed against itself: name another entry")
    calls, steps = [], []
    for opened, decoded in (one, other):
        call, scale = _training(decoded[opened.entry.runs[0]], data_dir)
        calls.append(call)
        steps.append(scale)
    times = rounds([*calls, calls[0]], seconds)
    first, second, again = times
    scale = steps[0] / steps[1]
    gain = interval([scale * a / b for a, b in zip(first, second, strict=True)])
    null = interval([a / b for a, b in zip(first, again, strict=True)])
    found = Ratio(gain, null, _claimed(one[0], other[0]))
    if found.contradicts:
        raise BoardError(f"against {other[0].entry.id}: seconds of training {found.words}")
    return found


def _claimed(one: Opened, other: Opened) -> float | None:
    first, second = (cost(opened.entry.claim, "train_s", False) for opened in (one, other))
    return first / second if first and second else None


def _training(one: Decoded, data_dir: str | None) -> tuple[Callable[[], Any], float]:
    """A call that trains a few steps, on the same batches each time, and calls in a run."""
    built = alone(one.config, data_dir)
    steps = min(STEPS, built.steps)
    loop = replace(built.loop(), length=steps)
    loop.prepare(built.initial(), steps)

    def call() -> None:
        assert loop.state is not None
        loop.state = loop.state._replace(step=jnp.int32(0))
        next(loop.run(0, steps))

    return call, built.steps / steps
