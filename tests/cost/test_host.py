"""Facts of the host that are read without jax."""

from __future__ import annotations

import subprocess
import sys

from efficient.cost import host

SMALL = "from efficient.cost import host; print(host.memory_peak()[0])"


def test_peak_memory_is_not_the_parents():
    """ru_maxrss of a child is at least what its parent held, however small the child is."""
    held = bytearray(b"x" * 300_000_000)
    done = subprocess.run([sys.executable, "-c", SMALL], capture_output=True, text=True, check=True)
    assert 1e6 < int(done.stdout) < len(held) < host.memory_peak()[0]


def test_processor_names_itself():
    name, features = host.processor()
    assert name and set(features) <= set(host.FEATURES)
    assert host.cores() >= 1 and host.versions()["jax"]
