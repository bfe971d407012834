"""The bill of a control: the columns of a network's, and why most of the others are empty."""

from __future__ import annotations

from dataclasses import dataclass

from efficient.controls.fitted import Fitted
from efficient.cost.host import memory_peak
from efficient.ledger.bill import Cost, Process
from efficient.ledger.record import File
from efficient.run.spending import FLOPS, add
from efficient.run.venue import Venue

#: Columns that a model without a network has no number for.
_OF_NETWORKS = (
    "flops_teacher",
    "params_nonzero",
    "stored_weight_bytes",
    "bit_operations",
    "xla_flops_ratio",
    "memory_weights_bytes",
    "memory_optimizer_bytes",
    "memory_activation_bytes",
    "memory_static_bytes",
    "peak",
    "mfu",
    "hfu",
    "bound",
    "dispatch_floor_s",
)
NO_NETWORK = "a control has no network"
#: Columns that are unknown for the reason of another.
_ALIKE = {
    "flops_model": "flops_executed",
    "flops_effective": "flops_executed",
    "flops_eval": "flops_inference",
}


@dataclass(frozen=True)
class Examples:
    """Of the training split, each of which is seen as a whole, and how many of their labels."""

    seen: int
    labels: int


def bill(
    fitted: Fitted,
    processes: tuple[Process, ...],
    venue: Venue,
    examples: Examples,
    shipped: File | None,
) -> Cost:
    """Everything that the attempt consumed."""
    account = venue.account(processes)
    laps: dict[str, float] = {}
    for process in processes:
        laps |= {name: laps.get(name, 0.0) + s for name, s in process.laps.items()}
    flops = {name: add(*(getattr(process, name) for process in processes)) for name in FLOPS}
    unknown = dict.fromkeys(_OF_NETWORKS, NO_NETWORK) | account.unknown | fitted.unknown
    unknown |= {name: unknown[like] for name, like in _ALIKE.items() if like in unknown}
    for name in (name for name in FLOPS if flops[name] is None):
        unknown.setdefault(name, "a process of this attempt was killed while it was fitting")
    peak_bytes, memory_source = memory_peak()
    return Cost(
        **flops,
        **{name: value for name, value in vars(account).items() if name != "unknown"},
        flops_model=fitted.flops_executed,
        flops_effective=fitted.flops_executed,
        flops_teacher=None,
        flops_inference=fitted.flops_inference,
        train_s=laps["train"],
        total_s=sum(laps.values()),
        laps=laps,
        params_total=fitted.params,
        params_nonzero=None,
        stored_bytes=shipped.bytes if shipped else None,
        stored_weight_bytes=None,
        memory_peak_bytes=peak_bytes,
        memory_source=memory_source,
        examples_seen=examples.seen,
        examples_unique=examples.seen,
        labels_used=examples.labels,
        unknown=unknown,
        processes=processes,
    )
