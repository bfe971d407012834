"""When weights are removed within a phase: the cubic ramp of Zhu and Gupta (2017, 1710.01878).

Between two steps the sparsity rises from 0 to its target, fast at first and slowly at the end.
And whether what was counted then still holds at the end of the run.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from efficient.variants.variant import Plan, VariantError


class Ramp(NamedTuple):
    """At step `begin` + i * `interval` the fraction `shares[i]` of the target is removed."""

    begin: int
    interval: int
    shares: tuple[float, ...]

    @property
    def last(self) -> int:
        """The number of the update that ends with the last removal."""
        return self.begin + (len(self.shares) - 1) * self.interval

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
    """About `updates` equal intervals between the steps `begin` and `end`, both of them steps that
    the run has: from 0, below its number of steps."""
    interval = max(1, (end - begin) // updates)
    last = (end - begin) // interval
    shares = [1 - (1 - i / last) ** 3 for i in range(last + 1)] if last else [1.0]
    return Ramp(begin, interval, tuple(shares))


def require_uncut(plan: Plan, last: int, name: str) -> None:
    """Refuse a plan that changes the sizes of the network after its weights were counted.

    last: the step before which that may happen at the latest; it may always before the first.

    Raises:
        VariantError: a later phase does.
    """
    starts = itertools.accumulate((phase.steps for phase in plan), initial=0)
    for start, phase in zip(starts, plan, strict=False):
        if phase.resizes and start > last:
            raise VariantError(
                f"{name} has counted its weights when phase {phase.name!r} cuts the network at "
                f"step {start}; cut it first (remove:begin=0), or in a run of its own with --start"
            )


def falling(counts: list[np.ndarray]) -> np.ndarray:
    """(removals, groups): counts that never rise, the last unchanged.

    Rounding to an exact total may give one weight back to a layer; it is kept from the start.
    """
    return np.maximum.accumulate(np.stack(counts)[::-1])[::-1]
