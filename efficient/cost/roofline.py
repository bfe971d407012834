"""What the time of training goes into: arithmetic, memory, or the host that starts the chunks.

The roofline (Williams et al. 2009, doi 10.1145/1498765.1498785) with a third line: a machine
cannot do its FLOPs faster than its rate, move its bytes faster than its bandwidth, or start its
chunks faster than the host can. Whichever of the three takes the longest is what binds.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import jax
import jax.numpy as jnp

COMPUTE, MEMORY, HOST = "compute", "memory", "host"
#: Calls of the empty program.
CALLS = 15


@dataclass(frozen=True)
class Bound:
    """The verdict. name: compute, memory or host, None where it is not known and `reason` says why.

    fractions: of `train_s` that each of the three would take alone, at the machine's own rates.
    They need not add up to 1: the three overlap, and no program reaches its rates all the time.
    """

    name: str | None
    fractions: dict[str, float] = field(default_factory=dict)
    reason: str = ""


def verdict(
    flops: float | None,
    bytes_moved: float | None,
    train_s: float,
    dispatch_s: float | None,
    *,
    flops_per_s: float | None,
    bytes_per_s: float | None,
) -> Bound:
    """What bound a training of `train_s` seconds.

    flops, bytes_moved: executed and moved in that time; dispatch_s: the dispatch floor times the
    number of chunks. flops_per_s, bytes_per_s: what the machine can do, measured or published.
    Two lines are not enough for a verdict, since the missing one could be the highest.
    """
    known = {
        "FLOPs executed": flops,
        "bytes moved": bytes_moved,
        "dispatch floor": dispatch_s,
        "rate of arithmetic": flops_per_s,
        "bandwidth of the memory": bytes_per_s,
    }
    missing = [name for name, value in known.items() if value is None]
    if train_s <= 0:
        missing.append("time of training")
    if missing:
        return Bound(None, {}, f"not known: {', '.join(missing)}")
    assert flops is not None and bytes_moved is not None and dispatch_s is not None
    assert flops_per_s is not None and bytes_per_s is not None
    seconds = {
        COMPUTE: flops / flops_per_s,
        MEMORY: bytes_moved / bytes_per_s,
        HOST: dispatch_s,
    }
    fractions = {name: spent / train_s for name, spent in seconds.items()}
    name = max(fractions, key=lambda key: fractions[key])
    return Bound(name, fractions, f"{name} alone would take {fractions[name]:.0%} of the time")


def dispatch_floor(state: Any) -> float:
    """Seconds for the host to start a chunk that does nothing and to fetch one number of it.

    state: any tree of arrays. What the host does grows with the number of arrays and not with
    their size, so the empty program gets, donates and returns as many of one element each.
    """

    def nothing(tree: Any) -> tuple[Any, jax.Array]:
        return tree, jnp.float32(0)

    tree = jax.tree.map(lambda leaf: jnp.zeros((), jnp.result_type(leaf)), state)
    run = jax.jit(nothing, donate_argnums=0).lower(tree).compile()
    seconds = []
    for _ in range(CALLS):
        begin = time.perf_counter()
        tree, number = run(tree)
        jax.device_get(number)
        seconds.append(time.perf_counter() - begin)
    return median(seconds)
