"""Seconds to load and peak memory of one artefact, each in a process of its own.

Memory only ever rises within a process, so what one artefact needs is seen in a process that loads
no other: `python -m efficient.benchmark.process FOLDER BATCH`. On Linux its high-water mark is set
back before the last calls, so that they are seen without the compiler.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np

from efficient.benchmark.contender import prepare, tasks
from efficient.benchmark.error import BenchmarkError
from efficient.benchmark.here import shifted
from efficient.cost.allocator import keep_freed_memory
from efficient.cost.machine import memory_peak
from efficient.deploy import load
from efficient.ledger.benchmark import Memory
from efficient.ledger.codec import from_dict

#: Writing 5 sets the high-water mark back to what is held now (proc(5), Linux 4.0).
RESET, CALLS = Path("/proc/self/clear_refs"), 3


@dataclasses.dataclass(frozen=True)
class Process:
    """load_s: from the folder to arrays on the device, without imports; compile_s: of the first
    task, for one batch."""

    load_s: float
    compile_s: float
    memory: Memory


def measure(folder: Path, batch: int) -> Process:
    """Start the process and wait for it.

    Raises:
        BenchmarkError: it failed; its last line says why.
    """
    words = [sys.executable, "-m", __name__, str(folder), str(batch)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise BenchmarkError(
            f"artefact {folder} cannot be loaded in a process of its own "
            f"(exit code {done.returncode}): {last}"
        )
    return from_dict(Process, json.loads(done.stdout.splitlines()[-1]), "process")


def observe(folder: Path, batch: int) -> Process:
    """Load, compile and run here, in a process that has done nothing else."""
    importlib.import_module("safetensors.numpy")  # which `load` imports when it is first needed
    jax.block_until_ready(jax.device_put(np.zeros(1)))
    imported, _ = _peak()
    begin = time.perf_counter()
    artefact = load(folder, shifted())
    jax.block_until_ready(artefact.weights)
    loaded = time.perf_counter()
    signature = artefact.signature
    kind = np.int32 if signature.kind == "text" else np.float32
    inputs = jax.device_put(np.zeros((batch, *signature.input_shape), kind))
    ready = prepare(artefact, tasks(artefact)[0], inputs)
    compiled = time.perf_counter()
    ready.call()
    peak, source = _peak()
    reason = _reset()
    for _ in range(CALLS):
        ready.call()
    running, _ = _peak()
    memory = Memory(
        batch, imported, max(peak, running), None if reason else running, source, reason
    )
    return Process(loaded - begin, compiled - loaded, memory)


def _peak() -> tuple[int, str]:
    peak, source = memory_peak()
    assert peak is not None, source
    return peak, source


def _reset() -> str:
    """Set the high-water mark back; why not, where it cannot be."""
    if jax.default_backend() != "cpu":
        return "the device's peak cannot be set back"
    try:
        RESET.write_text("5")
    except OSError as error:
        return f"the process's peak cannot be set back: {error.strerror}"
    return ""


if __name__ == "__main__":
    keep_freed_memory()
    print(json.dumps(dataclasses.asdict(observe(Path(sys.argv[1]), int(sys.argv[2])))))
