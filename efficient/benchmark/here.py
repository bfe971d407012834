"""What this machine can do fast, and how much memory is left: read, never tried."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import jax

from efficient.cost.host import processor
from efficient.ledger.benchmark import Contraction

#: Instruction sets of a CPU, any of which makes a number type fast.
FAST = {
    "int8": ("avx512_vnni", "avx_vnni", "amx_int8"),
    "bfloat16": ("avx512_bf16", "amx_bf16"),
}


def shifted() -> bool:
    """Whether bytes without a sign are multiplied by bytes with one: AVX-512 VNNI."""
    return jax.default_backend() == "cpu" and "avx512_vnni" in processor()[1]


def lacks(contractions: Sequence[Contraction]) -> tuple[str, ...]:
    """A line for each type that is multiplied without an instruction of its own."""
    if jax.default_backend() != "cpu":
        return ()
    name, features = processor()
    used = {dtype for made in contractions for dtype in made.dtypes}
    return tuple(
        f"{name} has none of {', '.join(wanted)}: {dtype} is not expected to be faster here"
        for dtype, wanted in FAST.items()
        if dtype in used and not set(wanted) & set(features)
    )


def free_bytes() -> int | None:
    """Memory that is left for a program: of the accelerator, else of the host; None if unknown."""
    stats = jax.devices()[0].memory_stats() or {}
    if "bytes_limit" in stats:
        return int(stats["bytes_limit"]) - int(stats.get("bytes_in_use", 0))
    try:
        facts = Path("/proc/meminfo").read_text()
    except OSError:
        return None
    found = re.search(r"^MemAvailable:\s*(\d+) kB$", facts, re.MULTILINE)
    return int(found[1]) * 1024 if found else None
