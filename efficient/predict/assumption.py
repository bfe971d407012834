"""What a forecast assumes where nobody said otherwise: each number with its range and source."""

from __future__ import annotations

from collections.abc import Mapping

from efficient.cost.carbon import grid
from efficient.cost.chip import Chip, executed_dtype, peak
from efficient.cost.money import offers, price
from efficient.cost.site import Site
from efficient.ledger.bill import Range
from efficient.predict.estimate import (
    Assumptions,
    EstimateError,
    Quantity,
    between,
    exactly,
    unknown,
)

#: Of the whole run, lost hours included, as published language models imply it; see `predict.case`.
MFU = (0.25, 0.45)
MFU_SOURCE = (
    "what most published, tuned runs of language models reach over all their chip-hours "
    "(`efficient estimate --cases`); small or untuned jobs reach far less"
)
GOODPUT_SOURCE = "all hours: the hours lost are in a run-average MFU already"
#: Energy of the building over that of its computers: PaLM's; GPT-3's and LLaMA's; the world
#: average of 2018 that Strubell et al. 2019 took.
PUE = Range(1.08, 1.10, 1.58)
PUE_SOURCE = "published runs: 1.08 PaLM, 1.10 GPT-3 and LLaMA, 1.58 Strubell et al. 2019"
#: Average power of a chip with its share of the host, as a share of the rated limit.
POWER_SHARE = (0.55, 1.10)
POWER_SOURCE = (
    "rated {tdp:g} W x 0.55 to 1.10, as measured system power of TPU v3 (0.54 to 0.69) and V100 "
    "(1.10) stands to their rated limits: Patterson et al. 2021, arXiv:2104.10350"
)
NO_CHIP = "no chip known: --chip NAME of `efficient machine --chips`"
GIVEN = "given"


def assume(
    flops: Quantity,
    site: Site,
    chip: Chip | None,
    rate: Quantity,
    *,
    chips: int = 1,
    mfu: float | None = None,
    goodput: float | None = None,
) -> Assumptions:
    """The user's numbers where there are any, else tables and published ranges.

    rate: the peak of one chip, see `peak_16` and `peak_executed`.

    Raises:
        EstimateError: a share that is not in (0, 1].
    """
    for name, share in (("mfu", mfu), ("goodput", goodput)):
        if share is not None and not 0 < share <= 1:
            raise EstimateError(f"--{name} {share:g} is not a share of the whole, above 0 up to 1")
    return Assumptions(
        flops=flops,
        peak=rate,
        chips=exactly(chips, "chips", "given, no loss by sharing" if chips > 1 else "one chip"),
        mfu=exactly(mfu, "of peak", GIVEN) if mfu else between(*MFU, "of peak", MFU_SOURCE),
        goodput=exactly(goodput or 1.0, "of hours", GIVEN if goodput else GOODPUT_SOURCE),
        power_w=_power(site, chip),
        pue=exactly(site.pue, "", GIVEN) if site.pue else Quantity(PUE, "", PUE_SOURCE),
        g_per_kwh=_grid(site),
        usd_per_chip_hour=_price(site, chip),
    )


def peak_16(chip: Chip | None) -> Quantity:
    """Dense FLOP/s of a chip for 16-bit operands, in which large models are trained."""
    if chip is None:
        return unknown("FLOP/s", NO_CHIP)
    found = peak(chip, "bfloat16", chip.devices_per_chip)
    found = found or peak(chip, "float16", chip.devices_per_chip)
    if found is None:
        return unknown("FLOP/s", f"no 16-bit peak of {chip.name} is known")
    return exactly(found.flops_per_s, "FLOP/s", f"{found.dtype}, {found.source}")


def platform(chip: Chip) -> str:
    """What jax calls the kind of a chip."""
    return "tpu" if chip.name.startswith("TPU") else "gpu"


def peak_executed(chip: Chip | None, flops_by_dtype: Mapping[str, int]) -> Quantity:
    """Dense FLOP/s of a chip for a mixture of operand types: all FLOPs over their shortest time."""
    if chip is None:
        return unknown("FLOP/s", NO_CHIP)
    seconds, names = 0.0, []
    for dtype, flops in flops_by_dtype.items():
        executed, _ = executed_dtype(platform(chip), dtype)
        found = peak(chip, executed, chip.devices_per_chip)
        if found is None:
            return unknown("FLOP/s", f"no peak of {chip.name} for {executed} is known")
        seconds += flops / found.flops_per_s
        names.append(f"{found.dtype} for {dtype} operands")
    if not seconds:
        return unknown("FLOP/s", "the step multiplies nothing")
    source = f"{', '.join(dict.fromkeys(names))}: {chip.name}, dense: {chip.source}"
    return exactly(sum(flops_by_dtype.values()) / seconds, "FLOP/s", source)


def _power(site: Site, chip: Chip | None) -> Quantity:
    if site.power_w is not None:
        return exactly(site.power_w, "W", GIVEN)
    if chip is None:
        return unknown("W", f"{NO_CHIP}, or --power-w")
    if chip.power_w is not None and chip.power_low_w and chip.power_high_w:
        ends = Range(chip.power_low_w, chip.power_w, chip.power_high_w)
        return Quantity(ends, "W", f"published average, {chip.power_source}")
    if chip.tdp_w is None:
        return unknown("W", f"no power of {chip.name} is published: --power-w")
    low, high = (share * chip.tdp_w for share in POWER_SHARE)
    return between(low, high, "W", POWER_SOURCE.format(tdp=chip.tdp_w))


def _grid(site: Site) -> Quantity:
    found, reason = grid(site)
    if found is None:
        return unknown("g/kWh", reason)
    where = " ".join(str(part) for part in (found.region, found.year) if part)
    return exactly(found.g_per_kwh, "g/kWh", f"{where}, {found.source}".removeprefix(", "))


def _price(site: Site, chip: Chip | None) -> Quantity:
    found, reason = price(site, chip)
    if found is None:
        return unknown("USD/h", reason)
    central = found.usd_per_chip_hour
    if site.usd_per_chip_hour is not None or chip is None:
        return exactly(central, "USD/h", found.source)
    offer = offers()[chip.name]
    ends = Range(min(offer.usd_low or central, central), central, max(offer.usd_high or 0, central))
    return Quantity(ends, "USD/h", f"{found.provider}, {found.date}: {found.source}")
