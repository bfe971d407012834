"""Where a job runs, as its user says it. Nothing is looked up on the network or guessed."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

#: Field -> its environment variable. Options of the command line stand above them.
VARIABLES = {
    "region": "EFFICIENT_REGION",
    "gco2e_per_kwh": "EFFICIENT_GCO2E_PER_KWH",
    "pue": "EFFICIENT_PUE",
    "chip": "EFFICIENT_CHIP",
    "power_w": "EFFICIENT_POWER_W",
    "usd_per_chip_hour": "EFFICIENT_USD_PER_CHIP_HOUR",
}
#: Field -> what its number cannot be below, and whether it may be that.
LIMITS = {
    "gco2e_per_kwh": (0.0, True),
    "pue": (1.0, True),
    "power_w": (0.0, False),
    "usd_per_chip_hour": (0.0, True),
}
BASES = ("location", "market")


class SiteError(ValueError):
    """A statement about a site that cannot be: one line with its name, value and remedy."""


@dataclass(frozen=True)
class Site:
    """What the user says of the place; "" and None: not said.

    region         country, see `carbon.grid`
    gco2e_per_kwh  in place of a region's; basis: location (the grid's mix) or market (contracts)
    pue            energy of the building / energy of the computers, 1 or more
    chip           name of the table of chips, in place of what jax prints; chips: how many
    power_w        measured average of one chip, or of the machine where there is no chip
    usd_per_chip_hour  the price that is paid; likewise
    """

    region: str = ""
    gco2e_per_kwh: float | None = None
    basis: str = "location"
    pue: float | None = None
    chip: str = ""
    chips: int | None = None
    power_w: float | None = None
    usd_per_chip_hour: float | None = None

    def __post_init__(self) -> None:
        for name in LIMITS:
            _check(VARIABLES[name], name, getattr(self, name))
        if self.basis not in BASES:
            raise SiteError(f"basis {self.basis!r} is neither of {', '.join(BASES)}")
        if self.chips is not None and self.chips < 1:
            raise SiteError(f"chips {self.chips} is not a whole number above 0")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Site:
        """What the variables of `VARIABLES` say; an empty one says nothing.

        Raises:
            SiteError: one of them is not a number, or not one that can be.
        """
        environment = os.environ if environment is None else environment
        given = {name: environment.get(variable, "") for name, variable in VARIABLES.items()}
        return cls(**{name: _value(name, text) for name, text in given.items() if text.strip()})

    @classmethod
    def from_arguments(cls, arguments: Any, environment: Mapping[str, str] | None = None) -> Site:
        """What the options of the command line say, and the environment where they say nothing.

        `arguments` has attributes of the names in `VARIABLES`; None or absent is not given.
        """
        given = {name: getattr(arguments, name, None) for name in VARIABLES}
        said = {name: value for name, value in given.items() if value is not None}
        return replace(cls.from_environment(environment), **said)

    def to_environment(self) -> dict[str, str]:
        """The variables that make a child process say the same; basis and chips have none."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        said = {name: values[name] for name in VARIABLES if values[name] not in ("", None)}
        return {VARIABLES[name]: str(value) for name, value in said.items()}


def _value(name: str, text: str) -> Any:
    if name not in LIMITS:
        return text.strip()
    try:
        return float(text)
    except ValueError:
        raise SiteError(f"{VARIABLES[name]}: {text!r} is not a number; unset it") from None


def _check(variable: str, name: str, value: float | None) -> None:
    least, reached = LIMITS[name]
    if value is None:
        return
    if not math.isfinite(value) or value < least or (value == least and not reached):
        words = "of at least" if reached else "above"
        option = "--" + name.replace("_", "-")
        raise SiteError(f"{option} ({variable}) {value:g} is not a number {words} {least:g}")
