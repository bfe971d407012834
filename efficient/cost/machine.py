"""Where a run of ours computes: facts read from jax and the host, never guessed."""

from __future__ import annotations

import jax

from efficient.cost import host
from efficient.cost.allocator import allocator
from efficient.cost.host import versions as versions
from efficient.ledger.record import Machine


def machine() -> Machine:
    """The devices that jax computes on, and the host."""
    device = jax.devices()[0]
    cpu, features = host.processor()
    return Machine(
        platform=device.platform,
        device_kind=cpu if device.platform == "cpu" else device.device_kind,
        devices=jax.device_count(),
        cpu=cpu,
        cpu_features=features,
        cores=host.cores(),
        memory_bytes=host.memory_bytes(),
        host=host.system(),
        allocator=allocator(),
    )


def memory_peak() -> tuple[int | None, str]:
    """Most bytes held at once, and who says so."""
    stats = jax.devices()[0].memory_stats() or {}
    if "peak_bytes_in_use" in stats:
        return int(stats["peak_bytes_in_use"]), "device memory_stats peak_bytes_in_use"
    return host.memory_peak()
