"""The bill of a run, over all processes of its attempt."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import jax
import numpy as np

from efficient.cost.machine import memory_peak
from efficient.cost.roofline import Bound, verdict
from efficient.ledger.bill import Calibration, Cost, Estimate, Peak, Process
from efficient.ledger.record import FINISHED
from efficient.models.tree import flatten
from efficient.predict.score import score
from efficient.run.build import Built
from efficient.run.examination import Examination
from efficient.run.parent import SLOTS
from efficient.run.shipping import ARTEFACT, Shipped
from efficient.run.spending import FLOPS, add
from efficient.run.training import Training
from efficient.run.venue import Venue


@dataclass(frozen=True)
class Known:
    """What was known before the first step."""

    venue: Venue
    calibration: Calibration | None
    measured: bool
    estimate: Estimate
    budget: str

    @property
    def rated(self) -> bool:
        """Whether rates of this machine are known, published or measured."""
        return self.venue.chip is not None or self.calibration is not None


def bill(
    training: Training,
    processes: tuple[Process, ...],
    shipped: Shipped | None,
    known: Known,
    examined: Examination,
) -> Cost:
    """Everything that the attempt consumed, beside what was predicted of it."""
    built, account = training.built, known.venue.account(processes)
    laps: dict[str, float] = {}
    for process in processes:
        laps |= {name: laps.get(name, 0.0) + s for name, s in process.laps.items()}
    flops = {name: add(*(getattr(process, name) for process in processes)) for name in FLOPS}
    steps_run = sum(process.steps for process in processes)
    unique = built.examples_unique(training.step)
    peak_bytes, source = memory_peak()
    cost = Cost(
        **flops,
        flops_model=training.standing.effective.model,
        flops_teacher=None if built.teacher is None else built.teacher * steps_run,
        **_divided(built, steps_run, flops["flops_executed"]),
        **_sizes(training, shipped),
        **_columns(account),
        **_columns(examined),
        flops_effective=training.standing.effective.total(
            built.composition.dense_gradient_steps(built.steps, training.step)
        ),
        flops_inference=shipped.inference if shipped else None,
        bit_operations=shipped.bit_operations if shipped else None,
        train_s=laps.get("train", 0.0),
        total_s=sum(laps.values()),
        laps=laps,
        memory_peak_bytes=peak_bytes,
        memory_source=source,
        examples_seen=training.step * built.config.batch_size,
        examples_unique=unique,
        labels_used=unique if built.dataset.kind == "image" else 0,
        unknown=built.unknown | account.unknown | examined.unknown,
        processes=processes,
        calibration=known.calibration,
        budget=known.budget,
        estimate=known.estimate,
    )
    if processes[-1].outcome == FINISHED:
        cost = replace(cost, estimate=score(known.estimate, cost))
    return _rated(cost, built, known, examined.moved_step_bytes)


def _rated(cost: Cost, built: Built, known: Known, moved_step_bytes: float | None) -> Cost:
    """With the peak of the device, the shares of it that were reached, and what bound them."""
    types = built.executed.by_dtype
    dtype = max(types, key=lambda name: types[name], default="float32")
    peak, reason = known.venue.peak(dtype, known.calibration, known.measured)
    shares, unknown = {}, {} if peak else {"peak": reason}
    for name, column in (("mfu", "flops_model"), ("hfu", "flops_executed")):
        flops = getattr(cost, column)
        if peak and flops is not None and cost.train_s > 0:
            shares[name] = flops / cost.train_s / peak.flops_per_s
        else:
            unknown[name] = reason or cost.unknown.get(column, "nothing was trained")
    bound = _bound(cost, built, known, peak, moved_step_bytes)
    if bound.name is None:
        unknown["bound"] = bound.reason
    return replace(
        cost,
        **shares,
        chip=known.venue.chip.name if known.venue.chip else "",
        peak=peak,
        bound=bound.name or "",
        unknown=cost.unknown | unknown,
    )


def _bound(
    cost: Cost, built: Built, known: Known, peak: Peak | None, moved_step_bytes: float | None
) -> Bound:
    """Whether arithmetic, memory or the host takes longest, at the rates of this machine."""
    bandwidth = known.venue.bandwidth(known.calibration)
    if peak is None or bandwidth is None:
        return Bound(None, {}, "no rates of this machine are known; measure with --peak measured")
    steps = sum(process.steps for process in cost.processes)
    chunks = -(-steps // built.loop().length)
    floor_s = cost.dispatch_floor_s
    return verdict(
        cost.flops_executed,
        None if moved_step_bytes is None else moved_step_bytes * steps,
        cost.train_s,
        None if floor_s is None else floor_s * chunks,
        flops_per_s=peak.flops_per_s,
        bytes_per_s=bandwidth,
    )


def _divided(built: Built, steps_run: int, executed: int | None) -> dict[str, dict[str, int]]:
    """The executed FLOPs by type of the operands and by phase, where every step is the same."""
    step = built.executed
    if executed is None or step.priced * steps_run != executed:
        return {}
    return {
        "flops_by_dtype": {name: count * steps_run for name, count in step.by_dtype.items()},
        "flops_by_phase": {name: count * steps_run for name, count in step.by_phase.items()},
    }


def _sizes(training: Training, shipped: Shipped | None) -> dict[str, int | None]:
    """Parameters, and the bytes of what is kept and shipped."""
    named = flatten(jax.device_get(training.state.params))
    leaves = [leaf for name, leaf in named.items() if SLOTS not in name]
    artefact = training.attempt.directory / ARTEFACT
    return {
        "params_total": sum(x.size for x in leaves),
        "params_nonzero": sum(int(np.count_nonzero(x)) for x in leaves),
        "stored_bytes": sum(p.stat().st_size for p in artefact.iterdir()) if shipped else None,
        "stored_weight_bytes": shipped.packed.weight_bytes if shipped else None,
        "memory_weights_bytes": _bytes((training.state.params, training.state.rest)),
        "memory_optimizer_bytes": _bytes(training.state.opt_state),
    }


def _bytes(tree: Any) -> int:
    return sum(leaf.nbytes for leaf in jax.tree.leaves(tree))


def _columns(part: Any) -> dict[str, Any]:
    """Its fields, which are those of `Cost`."""
    left_out = ("unknown", "moved_step_bytes")
    return {f.name: getattr(part, f.name) for f in fields(part) if f.name not in left_out}
