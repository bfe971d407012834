"""Values by seed: what every cost and every quality of an arm is."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """Values by seed, their mean and their sample standard deviation (`None` for one seed)."""

    mean: float
    sd: float | None
    values: tuple[float, ...]


def spread(values: Iterable[float]) -> Spread:
    """Mean and sample standard deviation of at least one value."""
    values = tuple(values)
    mean = math.fsum(values) / len(values)
    if len(values) == 1:
        return Spread(mean, None, values)
    squares = math.fsum((value - mean) * (value - mean) for value in values)
    return Spread(mean, math.sqrt(squares / (len(values) - 1)), values)
