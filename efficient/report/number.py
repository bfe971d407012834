"""Numbers as people read them. Percent, prefixes and signs live here and nowhere else.

What is not a number, because a record has null for it, is an en dash.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from efficient.compare.column import Column
from efficient.compare.spread import Spread
from efficient.compare.summary import ACCURACY, Row

MINUS = "\N{MINUS SIGN}"
NONE = "\N{EN DASH}"

_TICKED = {"byte": "B", "j": "J"}
_PREFIXES = ("", "k", "M", "G", "T", "P", "E", "Z", "Y")


def quantity(value: float, unit: str) -> str:
    """A value of a column's unit, as `column.Column` lists them: `1.23 TFLOP`, `148 s`, `$5.30`."""
    if not math.isfinite(value):
        return NONE
    written = {
        "s": seconds,
        "count": lambda value: f"{value:,.0f}",
        "j": energy,
        "g": carbon,
        "usd": money,
        "fraction": lambda value: f"{significant(100 * value)} %",
    }
    if unit in written:
        return written[unit](value)
    return scaled(value, {"flop": "FLOP", "byte": "B", "bitop": "bitop"}[unit])


def scaled(value: float, unit: str) -> str:
    """Three significant digits with a decimal prefix: 1 kB is 10^3 bytes."""
    if not math.isfinite(value):
        return NONE
    if value == 0:
        return "0"
    power = min(max(math.floor(math.log10(abs(value))) // 3, 0), len(_PREFIXES) - 1)
    shown = significant(value / 1000**power)
    if shown == "1000" and power + 1 < len(_PREFIXES):
        shown, power = "1.00", power + 1
    return f"{shown} {_PREFIXES[power]}{unit}"


def seconds(value: float) -> str:
    """`0.21 s`, `8.20 s`, `148 s`, `1 h 12 min`: seconds up to a quarter of an hour."""
    if not math.isfinite(value):
        return NONE
    if value < 900:
        return f"{significant(value)} s"
    minutes = round(value / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def hours(value: float) -> str:
    """Seconds as `148 s` or `3.21 h`, `3,540,000 h`."""
    if value < 900:
        return seconds(value)
    return f"{value / 3600:,.0f} h" if value >= 3.6e6 else f"{significant(value / 3600)} h"


def energy(joules: float) -> str:
    """`12.3 kJ` up to 0.1 kWh, then `123 Wh`, `1.29 GWh`."""
    return scaled(joules, "J") if joules < 360e3 else scaled(joules / 3600, "Wh")


def carbon(grams: float) -> str:
    """CO2e: `31.2 mg`, `4.10 g`, `1.23 kg`, `552 t`."""
    for size, unit in ((1e6, "t"), (1e3, "kg"), (1.0, "g")):
        if grams >= size:
            return f"{significant(grams / size)} {unit}"
    return f"{significant(grams * 1e3)} mg" if grams else "0"


def money(usd: float) -> str:
    """`$1,234.50`, and three significant digits below a dollar."""
    return f"${usd:,.2f}" if usd >= 1 or usd == 0 else f"${significant(usd)}"


def significant(value: float) -> str:
    """Three significant digits without an exponent."""
    if not math.isfinite(value):
        return NONE
    if value == 0:
        return "0"
    places = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:.{min(places, 9)}f}"


def quality(row: Row, value: float) -> str:
    """Percent for accuracy, else bits with three decimals."""
    return f"{100 * value:.2f} %" if row.quality_name == ACCURACY else f"{value:.3f}"


def quality_tick(row: Row, value: float) -> str:
    """A short label of the axis of quality."""
    return f"{100 * value:.4g} %" if row.quality_name == ACCURACY else f"{value:.4g}"


def quality_spread(row: Row, spread: Spread) -> str:
    """`97.42 % ± 0.16`, and the mean alone for one seed."""
    if spread.sd is None:
        return quality(row, spread.mean)
    sd = f"{100 * spread.sd:.2f}" if row.quality_name == ACCURACY else f"{spread.sd:.3f}"
    return f"{quality(row, spread.mean)} ± {sd}"


def quality_change(row: Row, change: float) -> str:
    """A signed difference: percentage points for accuracy, else bits."""
    sign = "+" if change >= 0 else MINUS
    if row.quality_name == ACCURACY:
        return f"{sign}{100 * abs(change):.2f} points"
    return f"{sign}{abs(change):.3f}"


def cost(row: Row, column: Column) -> str:
    """A cost of a row in its unit, train seconds with their spread; an en dash where unknown."""
    spread = row.costs.get(column.key)
    if spread is None:
        return NONE
    if column.key == "train_s" and spread.sd is not None and spread.mean < 900:
        return seconds_spread(spread)
    return quantity(spread.mean, column.unit)


def seconds_spread(spread: Spread) -> str:
    """`8.38 ± 0.11 s`: at least as many places as the standard deviation needs to show."""
    sd = spread.sd or 0.0
    places = 2 if spread.mean < 20 or sd < 0.1 else 1 if spread.mean < 200 or sd < 1 else 0
    return f"{spread.mean:.{places}f} ± {sd:.{places}f} s"


def ticks(low: float, high: float, unit: str) -> list[float]:
    """Round numbers from `low` to `high` for a logarithmic axis: three to seven of them."""
    found: list[float] = []
    for candidates in _candidates(low, high, unit):
        found = [value for value in candidates if low <= value <= high]
        if len(found) >= 3:
            break
    return found[:: math.ceil(len(found) / 7)] if found else [low]


def tick(value: float, unit: str) -> str:
    """A short label of an axis: `300 G`, `200 kB`, `30 s`, `2 h`."""
    if unit == "s":
        size, name = (1, "s") if value < 900 else (60, "min") if value < 3600 else (3600, "h")
        return f"{value / size:.3g} {name}"
    if unit in ("g", "usd", "fraction"):
        return f"{value:.3g}"
    power = min(max(math.floor(math.log10(value) + 1e-9) // 3, 0), len(_PREFIXES) - 1)
    return f"{value / 1000**power:.3g} {_PREFIXES[power]}{_TICKED.get(unit, '')}".rstrip()


def quality_title(row: Row) -> str:
    """`test accuracy`, `test bits/byte`."""
    return f"test {row.quality_name}"


def _candidates(low: float, high: float, unit: str) -> Iterator[list[float]]:
    """Finer and finer sets of round numbers; those of time go by minutes and hours."""
    if unit == "s" and high >= 900:
        yield [m * size for size in (60, 3600) for m in (1, 2, 5, 10, 20, 30, 50, 100, 200, 500)]
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    fine = tuple(i / 4 for i in range(4, 40))
    for mantissas in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7), fine):
        yield [m * 10.0**e for e in exponents for m in mantissas]
