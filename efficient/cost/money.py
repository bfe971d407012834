"""From hours to dollars: dated offers by chip. What a user really pays stands above them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from efficient.cost.chip import Chip
from efficient.cost.site import Site
from efficient.cost.table import rows
from efficient.ledger.bill import Price

OPTION = "--usd-per-chip-hour or EFFICIENT_USD_PER_CHIP_HOUR"
#: An offer older than this is called old: prices fall, and providers differ 2.5 to 3.75 times.
FRESH_DAYS = 180


@dataclass(frozen=True)
class Offer:
    """One row of the table. usd_low, usd_high: what other providers asked, where it was surveyed.

    date: year, month or day (ISO) when it was read, at the earliest; basis: on demand, and so on.
    """

    chip: str
    usd_per_chip_hour: float
    usd_low: float | None
    usd_high: float | None
    provider: str
    basis: str
    date: str
    source: str
    status: str


def offers() -> dict[str, Offer]:
    """The offers by chip."""
    return {offer.chip: offer for offer in rows("prices", Offer)}


def price(site: Site, chip: Chip | None) -> tuple[Price | None, str]:
    """What an hour of `chip` costs, or None and why. The user's own price wins."""
    if site.usd_per_chip_hour is not None:
        return Price(site.usd_per_chip_hour, "user", "", "given by the user"), ""
    if chip is None:
        return None, f"no price of a machine without a known accelerator: {OPTION}"
    offer = offers().get(chip.name)
    if offer is None:
        return None, f"no price of {chip.name} is known: {OPTION}"
    provider = f"{offer.provider}, {offer.basis}"
    source = f"{offer.source} ({offer.status})"
    return Price(offer.usd_per_chip_hour, provider, offer.date, source), ""


def cost_usd(total_s: float, chips: int, price: Price) -> float:
    """Dollars for all of the time, as a provider bills it."""
    return total_s / 3600 * chips * price.usd_per_chip_hour


def stale(price: Price, today: date) -> str:
    """A warning when the price is old; "" when it is not, or has no date. One line."""
    if not price.date:
        return ""
    days = (today - _earliest(price.date)).days
    if days <= FRESH_DAYS:
        return ""
    asked = f"{price.usd_per_chip_hour:g} USD an hour of {price.provider} is from {price.date}"
    return f"{asked}, up to {days} days ago: give what you pay by {OPTION}"


def _earliest(text: str) -> date:
    """First day of a year, a month or a day."""
    return date.fromisoformat((text + "-01-01")[:10])
