"""Limits on what a run may consume, as text: "2e15 FLOP, 10 min, 0.05 kWh, 3 USD, 50 gCO2e".

FLOPs are the executed ones, time is the total from the start of the process, energy is that of the
computers, and carbon and money are as in the bill of a run.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from efficient.ledger.bill import Cost, Estimate, Range


class BudgetError(ValueError):
    """A budget that is not understood or used up: one line with the text and the remedy."""


#: Unit -> the field of a bill that it limits, and how much of that field's unit it is.
UNITS = {
    "FLOP": ("flops_executed", 1.0),
    "FLOPs": ("flops_executed", 1.0),
    "s": ("total_s", 1.0),
    "min": ("total_s", 60.0),
    "h": ("total_s", 3600.0),
    "J": ("energy_j", 1.0),
    "kWh": ("energy_j", 3.6e6),
    "gCO2e": ("carbon_gco2e", 1.0),
    "kgCO2e": ("carbon_gco2e", 1e3),
    "USD": ("cost_usd", 1.0),
}
EXAMPLE = 'write "2e15 FLOP, 10 min, 0.05 kWh, 3 USD, 50 gCO2e", or some of them'
_LIMIT = re.compile(r"([0-9.]+(?:[eE][+-]?[0-9]+)?)\s*([A-Za-z][A-Za-z0-9 ]*)")


@dataclass(frozen=True)
class Amounts:
    """What was consumed so far, by the names of a bill. None: unknown."""

    flops_executed: float | None = None
    total_s: float | None = None
    energy_j: float | None = None
    carbon_gco2e: float | None = None
    cost_usd: float | None = None


@dataclass(frozen=True)
class Limit:
    """So much and no more, in the unit in which it was typed."""

    value: float
    unit: str

    @property
    def field(self) -> str:
        """Of the bill that it limits."""
        return UNITS[self.unit][0]

    @property
    def scale(self) -> float:
        """How much of the field's unit one of `unit` is."""
        return UNITS[self.unit][1]

    def left(self, amount: float | None) -> float:
        """Of the limit, in its own unit; all of it where the amount is unknown."""
        return self.value - (amount or 0) / self.scale

    def shown(self, amount: float) -> str:
        """An amount in the field's unit, in words."""
        return f"{_number(amount / self.scale, 3)} {self.unit}"

    def __str__(self) -> str:
        """Exact: it reads back as this limit."""
        places = (n for n in range(6, 18) if float(_number(self.value, n)) == self.value)
        return f"{_number(self.value, next(places))} {self.unit}"


@dataclass(frozen=True)
class Budget:
    """At most one limit on each of FLOPs, time, energy, carbon and money."""

    limits: tuple[Limit, ...]

    @classmethod
    def parse(cls, text: str) -> Budget:
        """The budget that a text states; `str` of a budget gives such a text.

        Raises:
            BudgetError: an unknown unit, a number that is not above 0, or two limits on one thing.
        """
        limits = tuple(_limit(part, text) for part in text.split(","))
        fields = [limit.field for limit in limits]
        for limit in limits:
            if fields.count(limit.field) > 1:
                raise BudgetError(f"budget {text!r} limits {limit.field} twice; keep one of them")
        return cls(limits)

    def __str__(self) -> str:
        return ", ".join(str(limit) for limit in self.limits)

    def over(self, estimate: Estimate) -> list[str]:
        """The limits that the central prediction exceeds, or that it cannot judge, in words."""
        said = []
        for limit in self.limits:
            found = getattr(estimate, limit.field)
            if found is None:
                reason = estimate.unknown.get(limit.field, "it was not predicted")
                said.append(f"the limit of {limit} cannot be judged: {reason}")
            elif (central := _central(found)) > limit.value * limit.scale:
                said.append(f"{limit.shown(central)} predicted{_ends(found, limit)}, limit {limit}")
        return said

    def spent(self, so_far: Amounts | Cost) -> str:
        """The first limit that is reached, in words; "" while there is none.

        What is unknown reaches no limit: `over` has said so before the run.
        """
        for limit in self.limits:
            amount = getattr(so_far, limit.field)
            if limit.left(amount) <= 0:
                return f"budget of {limit} is used up: {limit.shown(amount)}"
        return ""

    def remaining(self, so_far: Amounts | Cost) -> Budget:
        """What is left; an amount that is unknown leaves its limit as it is.

        Raises:
            BudgetError: a limit is reached, so that nothing is left to give away.
        """
        if reached := self.spent(so_far):
            raise BudgetError(f"{reached}; give a larger one")
        left = ((limit.left(getattr(so_far, limit.field)), limit.unit) for limit in self.limits)
        return Budget(tuple(Limit(value, unit) for value, unit in left))


def _limit(part: str, text: str) -> Limit:
    match = _LIMIT.fullmatch(part.strip())
    try:
        value = float(match[1]) if match else math.nan
    except ValueError:
        value = math.nan
    unit = "".join(match[2].split()) if match else ""
    if unit not in UNITS or not 0 < value < math.inf:
        raise BudgetError(f"budget {part.strip()!r} in {text!r} is not understood; {EXAMPLE}")
    return Limit(value, unit)


def _number(value: float, places: int) -> str:
    return f"{value:.{places}g}".replace("e+", "e")


def _central(found: Range | float) -> float:
    return found.central if isinstance(found, Range) else found


def _ends(found: Range | float, limit: Limit) -> str:
    if not isinstance(found, Range):
        return ""
    return f" ({_number(found.low / limit.scale, 3)} to {limit.shown(found.high)})"
