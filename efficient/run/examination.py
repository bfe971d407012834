"""What is looked at once, beside the training: the compiler's count and memory, the host's part."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from efficient.cost.compiler import Check, crosscheck_training
from efficient.cost.roofline import dispatch_floor
from efficient.ledger.record import FINISHED
from efficient.predict.graph import graph
from efficient.predict.seconds import bytes_moved
from efficient.run.counting import TRACED
from efficient.run.training import Training
from efficient.variants.variant import Outputs

_log = logging.getLogger(__name__)
_MEMORY = ("memory_static_bytes", "memory_activation_bytes")


@dataclass(frozen=True)
class Examination:
    """Fields of `ledger.bill.Cost`, None where they are not known.

    moved_step_bytes: read and written by the kernels of a step, for the verdict on its bound.
    """

    xla_flops_ratio: float | None = None
    dispatch_floor_s: float | None = None
    memory_static_bytes: int | None = None
    memory_activation_bytes: int | None = None
    moved_step_bytes: float | None = None
    unknown: dict[str, str] = field(default_factory=dict)


def examine(training: Training, status: str, rated: bool) -> Examination:
    """Of a finished run; of another only what costs nothing.

    rated: whether the machine's rates are known, so that there can be a verdict on what binds.
    """
    static, activation = _memory(training)
    unknown = {}
    if static is None:
        unknown |= dict.fromkeys(_MEMORY, "the compiler gives no analysis of memory")
    if status != FINISHED:
        unknown |= dict.fromkeys(("xla_flops_ratio", "dispatch_floor_s"), f"the run is {status}")
        return Examination(None, None, static, activation, None, unknown)
    with training.clock.lap("warmup"):
        floor_s = dispatch_floor(training.state)
    with training.clock.lap("build"):
        check = _crosscheck(training)
        moved = _moved_step_bytes(training) if rated else None
    if check.ratio is None:
        unknown["xla_flops_ratio"] = check.reason
    elif not check.agrees:
        training.notes.append(f"FLOPs are disputed: {check.reason}")
        _log.warning("FLOPs are disputed: %s", check.reason)
    return Examination(check.ratio, floor_s, static, activation, moved, unknown)


def _memory(training: Training) -> tuple[int | None, int | None]:
    """Of the largest chunk: arguments + outputs + temporaries - aliases, and the temporaries."""
    analyses = [made.run.memory_analysis() for made in training.chunks.values()]
    found = [
        (
            a.argument_size_in_bytes
            + a.output_size_in_bytes
            + a.temp_size_in_bytes
            - a.alias_size_in_bytes,
            a.temp_size_in_bytes,
        )
        for a in analyses
        if a is not None
    ]
    return max(found, default=(None, None))


def _moved_step_bytes(training: Training) -> float:
    return bytes_moved(graph(training.built.chunk, training.built.platform)) / TRACED


def _crosscheck(training: Training) -> Check:
    """The gradient of one batch without dropout, counted by us and by the compiler."""
    made, batch = training.built.composition, training.built.batch

    def loss(params, rest, batch):
        return made.base(Outputs(made.predict(params, rest, batch.inputs)), batch, None)

    return crosscheck_training(loss, training.state.params, training.state.rest, batch)
