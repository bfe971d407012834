"""Freed memory stays with the process.

XLA's programs for the CPU allocate their temporary arrays anew in every call. glibc returns large
blocks (above 32 MiB always) to the kernel when they are freed, and the kernel hands them out again
page by page, each cleared: a convolution whose patches pass that size took three times as long.
mallopt(3) has the three settings that prevent it.
"""

from __future__ import annotations

import ctypes
import os
import sys

#: glibc's malloc.h, in the order in which they are set: no block is mapped on its own, the end of
#: the heap is never given back, and all threads share the one heap that has no limit.
SETTINGS = {"M_MMAP_MAX": (-4, 0), "M_TRIM_THRESHOLD": (-1, -1), "M_ARENA_MAX": (-8, 1)}
#: Who sets one of these has chosen.
VARIABLES = ("LD_PRELOAD", "GLIBC_TUNABLES")
KEPT, DEFAULT = "freed memory is kept", "the system's"

_found = DEFAULT


def keep_freed_memory() -> str:
    """Make it so, before the first program is compiled, and say what holds from then on.

    Without effect where the environment has its own settings (`MALLOC_...`, or `VARIABLES`), and
    where the C library is not glibc.
    """
    global _found
    named = (n for n in os.environ if n.startswith("MALLOC_") or n in VARIABLES)
    if chosen := sorted(n for n in named if os.environ[n]):
        _found = f"as {chosen[0]} says"
    elif sys.platform == "linux" and hasattr(library := ctypes.CDLL(None), "mallopt"):
        done = [library.mallopt(name, value) for name, value in SETTINGS.values()]
        _found = KEPT if all(done) else DEFAULT
    return _found


def allocator() -> str:
    """What holds in this process."""
    return _found
