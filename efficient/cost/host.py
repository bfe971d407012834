"""The host, without jax: processor, cores, memory, and the versions of what computes."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import resource
import sys
from collections.abc import Iterable
from pathlib import Path

from efficient.cost.allocator import allocator
from efficient.ledger.record import Machine

#: Instruction sets that decide which number types are fast on a CPU.
FEATURES = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_bf16", "amx_int8")
#: Bytes in one of ru_maxrss.
MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024
PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy", "orbax-checkpoint", "tensorflow-datasets")
#: Those that decide the result of a control.
OF_CONTROLS = ("scikit-learn", "scipy", "numpy")


def processor() -> tuple[str, tuple[str, ...]]:
    """The processor's name as it gives it, and which of `FEATURES` it has."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine(), ()
    pairs = (line.split(":", 1) for line in lines if ":" in line)
    facts = {key.strip(): value.strip() for key, value in pairs}
    flags = set(facts.get("flags", "").split())
    name = facts.get("model name", platform.machine())
    return name, tuple(feature for feature in FEATURES if feature in flags)


def cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def memory_bytes() -> int | None:
    """Memory of the host, not of the process."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return None


def memory_peak() -> tuple[int, str]:
    """Most bytes that this process held at once, and who says so.

    Linux's ru_maxrss begins with what the parent held when it started this process, so it is only
    asked where the kernel's own high-water mark cannot be read.
    """
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        status = ""
    if mark := re.search(r"^VmHWM:\s*(\d+) kB$", status, re.MULTILINE):
        return int(mark[1]) * 1024, "process VmHWM (imports and compilation included)"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * MAXRSS_UNIT
    return peak, "process ru_maxrss (imports and compilation included)"


def system() -> str:
    """`linux x86_64`."""
    return platform.system().lower() + " " + platform.machine()


def machine() -> Machine:
    """The host, as of what uses no accelerator."""
    cpu, features = processor()
    return Machine(
        platform="cpu",
        device_kind=cpu,
        devices=1,
        cpu=cpu,
        cpu_features=features,
        cores=cores(),
        memory_bytes=memory_bytes(),
        host=system(),
        allocator=allocator(),
    )


def versions(packages: Iterable[str] = PACKAGES) -> dict[str, str]:
    """Python and the packages that decide a result."""
    found = {"python": platform.python_version()}
    for name in packages:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
