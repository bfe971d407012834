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
from efficient.predict.graph import graph
from efficient.predict.score import score
from efficient.predict.seconds import bytes_moved
from efficient.run.build import Built
from efficient.run.counting import TRACED
from efficient.run.examination import Examination
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
        **built.flops(training.step, steps_run),
        **_divided(built, steps_run, flops["flops_executed"]),
        **_sizes(training, shipped),
        **_columns(account),
        **_columns(examined),
        flops_effective=training.effective.total,
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
    return rate(cost, built, known)


def rate(cost: Cost, built: Built, known: Known) -> Cost:
    """With the peak of the devices, the shares of it that were reached, and what bound them."""
    if cost.train_s <= 0 or not built.executed.by_dtype:
        return cost
    dtype = max(built.executed.by_dtype, key=lambda name: built.executed.by_dtype[name])
    peak, reason = known.venue.peak(dtype, known.calibration, known.measured)
    bound = _bound(cost, built, known, peak)
    unknown = dict(cost.unknown)
    if bound.name is None:
        unknown["bound"] = bound.reason
    if peak is None:
        unknown |= dict.fromkeys(("mfu", "hfu", "peak"), reason)

    def share(flops: int | None) -> float | None:
        return None if peak is None or flops is None else flops / cost.train_s / peak.flops_per_s

    return replace(
        cost,
        chip=known.venue.chip.name if known.venue.chip else "",
        peak=peak,
        mfu=share(cost.flops_model),
        hfu=share(cost.flops_executed),
        bound=bound.name or "",
        unknown=unknown,
    )


def _bound(cost: Cost, built: Built, known: Known, peak: Peak | None) -> Bound:
    """Whether arithmetic, memory or the host takes longest, at the rates of this machine."""
    bandwidth = known.venue.bandwidth(known.calibration)
    if peak is None or bandwidth is None:
        return Bound(None, {}, "no rates of this machine are known; measure with --peak measured")
    steps = sum(process.steps for process in cost.processes)
    chunk = graph(built.counting.chunk(built.steps), built.platform)
    moved = bytes_moved(chunk) / TRACED * steps
    chunks = -(-steps // built.loop().length)
    floor_s = cost.dispatch_floor_s
    return verdict(
        cost.flops_executed,
        moved,
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
    leaves = jax.tree.leaves(jax.device_get(training.state.params))
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
    return {f.name: getattr(part, f.name) for f in fields(part) if f.name != "unknown"}
