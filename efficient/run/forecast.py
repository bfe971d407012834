"""The estimate of a run: made before anything is compiled, kept beside it, scored at its end."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from efficient.config import Config, Duration
from efficient.cost.account import PUE_DEFAULT
from efficient.data import load as load_dataset
from efficient.ledger.bill import Estimate, Range
from efficient.ledger.codec import from_dict
from efficient.ledger.store import read_json, write_json
from efficient.predict.estimate import Quantity, exactly, product
from efficient.run.build import Built, build
from efficient.run.counting import TRACED
from efficient.run.pace import Pace
from efficient.run.terms import Terms
from efficient.run.venue import Venue
from efficient.variants import Variant, VariantError

ESTIMATE = "estimate.json"
UNCALIBRATED = "this machine is not calibrated: `efficient machine --calibrate` (20 seconds)"
#: Seconds of a run outside of training and evaluation: imports, data, compilation, files. Assumed
#: from what the presets take on two CPU cores.
AROUND = Range(5.0, 15.0, 60.0)
PARENTS = "parents"
PARENTLESS = "runs are predicted without the runs that they learn or start from: too little"
LENGTHS = "lengths"
LENGTHLESS = "runs are predicted for the length of their config, not for the cost of another arm"
#: Assumptions of a sum that can be far off.
WARNINGS = (PARENTS, LENGTHS)
RANGES = ("train_s", "total_s", "energy_j", "carbon_gco2e", "cost_usd")


def forecast(built: Built, pace: Pace | None, venue: Venue) -> Estimate:
    """What a run will consume, as far as it can be known now."""
    flops = built.executed.total
    estimate = _begun(built.steps, built.config, None if flops is None else flops * built.steps)
    estimate = replace(estimate, unknown=built.unknown | estimate.unknown)
    step = pace.seconds(built.chunk, TRACED) if pace else None
    if pace is None or step is None or step.range is None:
        reason = f"no time is known for {', '.join(step.unpriced)}" if step else UNCALIBRATED
        return replace(estimate, unknown=estimate.unknown | dict.fromkeys(RANGES, reason))
    train_s = _times(step.range, built.steps)
    said = {
        "train_s": f"calibration of {pace.calibration.measured_utc}",
        "total_s": (
            "evaluation as fast, FLOP for FLOP, as training; start, data, compilation and files "
            f"{AROUND.low:g} to {AROUND.high:g} s"
        ),
    }
    timed = replace(
        estimate,
        train_s=train_s,
        total_s=_total(built, train_s),
        assumptions=estimate.assumptions | said,
    )
    return _priced(timed, venue)


def together(
    configs: Sequence[Config],
    out: Path,
    data_dir: Path | str | None,
    terms: Terms,
    unresolved: int = 0,
) -> Estimate:
    """The sum over runs that an experiment lacks; equal arms are predicted once.

    A run is predicted without its teachers and its start, which is too little. unresolved: so many
    will be trained for as long as another arm, whose cost is not known yet.
    """
    venue = Venue.here(terms.site)
    pace = venue.pace(venue.calibration(terms.timed))
    found: dict[Config, Estimate] = {}
    for config in configs:
        arm = _alone(replace(config, seed=0))
        if arm not in found:
            found[arm] = _of_arm(arm, out, data_dir, pace, venue)
    total = _sum([found[_alone(replace(config, seed=0))] for config in configs])
    alone = sum(_alone(config) != config for config in configs)
    said = {PARENTS: f"{alone} {PARENTLESS}"} if alone else {}
    said |= {LENGTHS: f"{unresolved} {LENGTHLESS}"} if unresolved else {}
    return replace(total, assumptions=total.assumptions | said)


def remember(directory: Path, estimate: Estimate) -> None:
    """Keep it beside the run, before the first step."""
    write_json(directory / ESTIMATE, estimate)


def recall(directory: Path | None) -> Estimate | None:
    """The estimate of an attempt that goes on, with the steps that were planned then.

    Raises:
        RecordError: its file is damaged.
    """
    if directory is None or not (directory / ESTIMATE).is_file():
        return None
    return from_dict(Estimate, read_json(directory / ESTIMATE), ESTIMATE)


def _of_arm(
    arm: Config, out: Path, data_dir: Path | str | None, pace: Pace | None, venue: Venue
) -> Estimate:
    """What one will consume; without steps it converts another run, and takes what is around them.

    That other run need not be there yet, so nothing is built.
    """
    if Duration.parse(arm.train_for).count:
        dataset = load_dataset(arm.workload.data, data_dir)
        return forecast(build(arm, dataset, out, pace), pace, venue)
    none = Range(0.0, 0.0, 0.0)
    return _priced(replace(_begun(0, arm, 0), train_s=none, total_s=AROUND), venue)


def _begun(steps: int, config: Config, flops: int | None) -> Estimate:
    """An estimate without times and what follows from them."""
    return Estimate(
        made_utc=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        steps=steps,
        flops_executed=flops,
        memory_bytes=None,
        **dict.fromkeys(RANGES),
        assumptions={"steps": f"{steps} of batch {config.batch_size}"},
        unknown={"memory_bytes": "`efficient estimate` predicts it"},
    )


def _total(built: Built, train_s: Range) -> Range:
    """Training, evaluation at the same FLOP/s, and what is around them."""
    config, layers = built.config, built.model_count.layers.values()
    forward = sum(layer.forward for layer in layers) / max(1, sum(layer.total for layer in layers))
    examples = {s: config.workload.examples(built.dataset, s) for s in ("validation", "test")}
    scored = config.evaluations * examples["validation"] + 2 * examples["test"]
    if not built.steps:
        return AROUND
    evaluated = forward * scored / (built.steps * config.batch_size)
    return _plus(_times(train_s, 1 + evaluated), AROUND)


def _priced(estimate: Estimate, venue: Venue) -> Estimate:
    """With what its seconds come to, where power, grid and price are known."""
    given, chips = venue.assumptions, exactly(venue.chips, "chips", "of the loop")
    seconds = Quantity(estimate.total_s, "s", "total_s")
    pue = exactly(venue.site.pue or PUE_DEFAULT[0], "", "PUE")
    energy = product("J", seconds, chips, given.power_w)
    found = {
        "energy_j": energy,
        "carbon_gco2e": product("g", energy, pue, given.g_per_kwh, scale=1 / 3.6e6),
        "cost_usd": product("USD", seconds, chips, given.usd_per_chip_hour, scale=1 / 3600),
    }
    rates = (given.power_w, given.g_per_kwh, given.usd_per_chip_hour)
    said = {name: rate.source for name, rate in zip(found, rates, strict=True) if found[name].range}
    unknown = {name: amount.source for name, amount in found.items() if amount.range is None}
    return replace(
        estimate,
        **{name: amount.range for name, amount in found.items()},
        assumptions=estimate.assumptions | said,
        unknown=estimate.unknown | unknown,
    )


def _plus(left: Range, right: Range) -> Range:
    return Range(left.low + right.low, left.central + right.central, left.high + right.high)


def _times(value: Range, factor: float) -> Range:
    return Range(value.low * factor, value.central * factor, value.high * factor)


def _alone(config: Config) -> Config:
    """Without the runs that it would need."""
    variants = tuple(variant for variant in config.variants if not _asks(variant))
    return replace(config, variants=variants, start="", reference="")


def _asks(variant: Variant) -> bool:
    """Whether it needs another run, even one that nobody has named yet."""
    with contextlib.suppress(VariantError):
        return bool(variant.parents())
    return True


def _sum(estimates: Sequence[Estimate]) -> Estimate:
    total = estimates[0]
    for other in estimates[1:]:
        fields = {}
        for name in RANGES:
            left, right = getattr(total, name), getattr(other, name)
            fields[name] = _plus(left, right) if left and right else None
        flops = (total.flops_executed, other.flops_executed)
        known = None if None in flops else sum(n for n in flops if n is not None)
        total = replace(
            total,
            **fields,
            flops_executed=known,
            steps=total.steps + other.steps,
            unknown=total.unknown | other.unknown,
        )
    return total
