"""The table of known chips, for people and as JSON: `efficient machine --chips`."""

from __future__ import annotations

from dataclasses import asdict

from efficient.cli.output import console, document, heading, table
from efficient.cost import money
from efficient.cost.chip import Chip, chips
from efficient.report import number

#: Column of the table of chips -> the types that it is for, the first that there is.
TYPES = {
    "float32": ("float32",),
    "16 bit": ("bfloat16", "float16"),
    "float8": ("float8",),
    "int8": ("int8",),
}


def listing(as_document: bool) -> None:
    """Every row of the table: peaks, memory, power, and the price where there is one."""
    known, offers = list(chips().values()), money.offers()
    if as_document:
        document([asdict(each) | {"power_w": each.power_w} for each in known])
        return
    out = console()
    heading(out, "known chips: dense peak in TFLOP/s by type, and what one of them has")
    rows = [
        (
            each.name,
            each.year,
            *(_tera(each, *types) for types in TYPES.values()),
            number.scaled(each.memory_bytes, "B"),
            number.scaled(each.bandwidth_bytes_per_s, "B/s"),
            *(number.NONE if watts is None else f"{watts:.0f} W" for watts in _watts(each)),
            f"${offers[each.name].usd_per_chip_hour:.2f}" if each.name in offers else number.NONE,
        )
        for each in known
    ]
    columns = ("chip", ">year", *(f">{name}" for name in TYPES), ">memory", ">bandwidth")
    table(out, (*columns, ">limit", ">average", ">an hour"), rows)
    print("\naverage: of whole jobs, with the host's share, as published. --json has the sources.")


def _watts(each: Chip) -> tuple[float | None, float | None]:
    return each.tdp_w, each.power_w


def _tera(each: Chip, *types: str) -> str:
    rates = [each.flops_per_s[name] for name in types if name in each.flops_per_s]
    return f"{rates[0] / 1e12:,.4g}" if rates else number.NONE
