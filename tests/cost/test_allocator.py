"""Freed memory stays: a large block that is taken again costs no page fault."""

import os
import platform
import subprocess
import sys

import pytest

from efficient.cost.allocator import KEPT

#: Minor page faults of taking 64 MiB a second time, in another thread, and what is said of it.
PROGRAM = """
import ctypes, resource, threading
from efficient.cost.allocator import allocator, keep_freed_memory
if KEEP:
    keep_freed_memory()

def take():
    block = ctypes.CDLL(None)
    block.malloc.restype = ctypes.c_void_p
    pointer = ctypes.c_void_p(block.malloc(64 << 20))
    ctypes.memset(pointer, 1, 64 << 20)
    block.free(pointer)

def work():
    take()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    take()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before, allocator())

thread = threading.Thread(target=work)
thread.start()
thread.join()
"""
PAGES = (64 << 20) // 4096
glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")


def faults(keep: bool, **variables: str) -> tuple[int, str]:
    """Of the second block, and the allocator in words."""
    kept = {n: v for n, v in os.environ.items() if not n.startswith(("MALLOC_", "LD_", "GLIBC_"))}
    program = PROGRAM.replace("KEEP", str(keep))
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=kept | variables,
        capture_output=True,
        text=True,
        check=True,
    )
    count, words = done.stdout.strip().split(" ", 1)
    return int(count), words


@glibc
def test_a_block_that_was_freed_is_taken_again_without_the_kernel():
    count, words = faults(True)
    assert count < PAGES / 100
    assert words == KEPT


@glibc
def test_without_it_the_kernel_clears_each_page_again():
    count, words = faults(False)
    assert count > PAGES / 2, "the test sees no difference"
    assert words == "the system's"


@glibc
def test_the_environment_has_the_last_word():
    count, words = faults(True, MALLOC_MMAP_THRESHOLD_="1048576")
    assert count > PAGES / 2
    assert words == "as MALLOC_MMAP_THRESHOLD_ says"
