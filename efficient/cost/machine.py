"""Where it ran: facts read from the machine, never guessed."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import resource
import sys
from pathlib import Path

import jax

from efficient.ledger.record import Machine

#: Instruction sets that decide which number types are fast on a CPU.
FEATURES = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_bf16", "amx_int8")
PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy", "orbax-checkpoint", "tensorflow-datasets")


def machine() -> Machine:
    """The devices that jax computes on, and the host."""
    device = jax.devices()[0]
    model, flags = _processor()
    return Machine(
        platform=device.platform,
        device_kind=model if device.platform == "cpu" else device.device_kind,
        devices=jax.device_count(),
        cpu=model,
        cpu_features=tuple(name for name in FEATURES if name in flags),
        cores=_cores(),
        memory_bytes=_memory_bytes(),
        host=platform.system().lower() + " " + platform.machine(),
    )


def versions() -> dict[str, str]:
    """Python and the packages that decide a result."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def memory_peak() -> tuple[int | None, str]:
    """Most bytes held at once, and who says so."""
    stats = jax.devices()[0].memory_stats() or {}
    if "peak_bytes_in_use" in stats:
        return int(stats["peak_bytes_in_use"]), "device memory_stats peak_bytes_in_use"
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return peak, "process ru_maxrss (imports and compilation included)"


def _processor() -> tuple[str, set[str]]:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine(), set()
    facts = dict(line.split(":", 1) for line in lines if ":" in line)
    facts = {key.strip(): value.strip() for key, value in facts.items()}
    return facts.get("model name", platform.machine()), set(facts.get("flags", "").split())


def _cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return None
