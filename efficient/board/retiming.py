"""Two entries on one machine, in turns: whose training, or whose inference, takes longer here?

Seconds of two entries that were measured apart cannot be compared; the ratio of interleaved ones
can. One entry is timed twice, so that the machine's own unrest stands beside the ratio.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp

from efficient.benchmark.timing import Call, interval, rounds
from efficient.board.claim import cost
from efficient.board.configuration import Decoded
from efficient.board.entry import Opened
from efficient.board.error import BoardError
from efficient.board.rescoring import Shipped
from efficient.board.rules import Rules
from efficient.board.segment import alone
from efficient.ledger.benchmark import Interval
from efficient.train.loop import compile_ahead

#: Seconds that each is given; steps of a call of training, examples of one of inference.
SECONDS, STEPS, BATCH = 5.0, 16, 128
#: How far the claimed ratio may be from the measured interval before the two disagree.
APART = 1.25
#: Columns of tracks that are about what is shipped.
SHIPPED_COLUMNS = ("stored_bytes", "stored_weight_bytes", "flops_inference", "bit_operations")


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


def training(
    one: tuple[Opened, Mapping[str, Decoded]],
    other: tuple[Opened, Mapping[str, Decoded]],
    data_dir: str | None,
    seconds: float = SECONDS,
) -> Ratio:
    """Seconds of training of the first entry over those of the second.

    Raises:
        BoardError: a run has several phases or parents, or the two contradict what is claimed.
    """
    sides = [_training(decoded[opened.entry.runs[0]], data_dir) for opened, decoded in (one, other)]
    (first, calls), (second, others) = sides
    found = _ratio(first, second, calls / others, _claimed(one[0], other[0]), seconds)
    if found.contradicts:
        raise BoardError(f"against {other[0].entry.id}: seconds of training {found.words}")
    return found


def inference(
    one: tuple[Decoded, Shipped], other: tuple[Decoded, Shipped], seconds: float = SECONDS
) -> Ratio:
    """Seconds of the first shipped file over those of the second, on the same inputs of test.

    Raises:
        BoardError: they are of different workloads.
    """
    if one[0].config.workload != other[0].config.workload:
        raise BoardError("the two learned different workloads, so no batch is that of both")
    calls = [_inference(*side) for side in (one, other)]
    return _ratio(calls[0], calls[1], 1.0, None, seconds)


def of_inference(rules: Rules, *opened: Opened) -> bool:
    """Whether all of these are ranked by what their shipped files are."""
    return all(rules.tracks[each.entry.track].ranked_by in SHIPPED_COLUMNS for each in opened)


def _ratio(first: Call, second: Call, scale: float, claimed: float | None, seconds: float) -> Ratio:
    times = rounds([first, second, first], seconds)
    gain = interval([scale * a / b for a, b in zip(times[0], times[1], strict=True)])
    null = interval([a / b for a, b in zip(times[0], times[2], strict=True)])
    return Ratio(gain, null, claimed)


def _inference(one: Decoded, shipped: Shipped) -> Call:
    workload, dataset = one.config.workload, one.dataset
    data = jax.device_put(workload.arrays(dataset, "test"))
    count = min(BATCH, workload.examples(dataset, "test"))
    inputs = workload.window(data, jnp.arange(count)).inputs
    made = compile_ahead(shipped.predict, shipped.weights, inputs)
    return lambda: jax.block_until_ready(made.run(shipped.weights, inputs))


def _claimed(one: Opened, other: Opened) -> float | None:
    first, second = (cost(opened.entry.claim, "train_s", False) for opened in (one, other))
    return first / second if first and second else None


def _training(one: Decoded, data_dir: str | None) -> tuple[Call, float]:
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
