"""When weights are removed within a phase: the cubic ramp of Zhu and Gupta (2017, 1710.01878).

Between two steps the sparsity rises from 0 to its target, fast at first and slowly at the end.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np


class Ramp(NamedTuple):
    """At step `begin` + i * `interval` the fraction `shares[i]` of the target is removed."""

    begin: int
    interval: int
    shares: tuple[float, ...]

    def number(self, count: jax.Array) -> jax.Array:
        """The removal that comes with or after which the update `count` stands, within range."""
        passed = (count - self.begin) // self.interval
        return jnp.clip(passed, 0, len(self.shares) - 1)

    def due(self, count: jax.Array) -> jax.Array:
        """Whether the update `count` ends with a removal."""
        passed = count - self.begin
        in_range = (passed >= 0) & (passed < len(self.shares) * self.interval)
        return in_range & (passed % self.interval == 0)


def cubic(begin: int, end: int, updates: int) -> Ramp:
    """About `updates` equal intervals between the steps `begin` and `end`."""
    interval = max(1, (end - begin) // updates)
    last = (end - begin) // interval
    shares = [1 - (1 - i / last) ** 3 for i in range(last + 1)] if last else [1.0]
    return Ramp(begin, interval, tuple(shares))


def falling(counts: list[np.ndarray]) -> np.ndarray:
    """(removals, groups): counts that never rise, the last unchanged.

    Rounding to an exact total may give one weight back to a layer; it is kept from the start.
    """
    return np.maximum.accumulate(np.stack(counts)[::-1])[::-1]
