"""`efficient estimate`: what training will take, from shapes or from numbers alone."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from efficient.cli.failure import UsageError
from efficient.cli.output import console, document, facts, heading, quiet_stdout, table, warn
from efficient.report import number

#: Field of a forecast, and of its assumptions -> how it is called.
ROWS = {
    "flops": "FLOPs",
    "chip_hours": "chip-hours",
    "days": "days",
    "energy_kwh": "energy, kWh",
    "carbon_kgco2e": "carbon, kgCO2e",
    "cost_usd": "money, USD",
}
NAMES = {
    "flops": "FLOPs",
    "peak": "peak of a chip",
    "chips": "chips",
    "mfu": "MFU",
    "goodput": "goodput",
    "power_w": "power of a chip",
    "pue": "PUE",
    "g_per_kwh": "grid",
    "usd_per_chip_hour": "price",
}
#: How the speed is called that a calibration predicts, in the place of a peak and its share.
SPEED = "speed of a step on this machine"
SIZES = ("layers", "heads", "head_dim", "context")


def estimate(arguments: argparse.Namespace) -> int:
    """Forecast a config or a number of parameters and tokens, or replay published runs."""
    if arguments.cases:
        from efficient.cli.replay import replay

        return replay(arguments)
    if arguments.help:
        from efficient.cli.selection import explain

        return explain(arguments)
    found = _of_numbers(arguments) if arguments.config is None else _of_config(arguments)
    if arguments.json:
        document(found)
    else:
        _print(found)
    return 0


def _of_numbers(arguments: argparse.Namespace) -> dict[str, Any]:
    """Nothing is traced on this path, and jax is not imported."""
    from efficient.cost.chip import chip
    from efficient.cost.site import Site
    from efficient.predict.assumption import peak_16
    from efficient.predict.estimate import exactly
    from efficient.predict.language import Attention, attention_flops, training_flops
    from efficient.predict.memory import transformer_memory

    if arguments.overrides:
        raise UsageError(f"{arguments.overrides[0]!r} is of a config; CONFIG comes first")
    if arguments.params is None or arguments.tokens is None:
        raise UsageError("CONFIG is missing; give one, or --params and --tokens, or --cases")
    sizes = [getattr(arguments, name) for name in SIZES]
    if any(sizes) and not all(sizes):
        raise UsageError("--layers --heads --head-dim --context count attention together; give all")
    attention = Attention(*sizes) if all(sizes) else None
    params, tokens = arguments.params, arguments.tokens
    words = "6 N D + 12 L H Q T D" if attention else "6 N D, without attention"
    flops = exactly(training_flops(params, tokens, attention), "FLOP", words)
    site, chips = Site.from_arguments(arguments), arguments.chips or 1
    part = chip(site.chip) if site.chip else None
    memory = transformer_memory(params, attention, chips)
    job = {
        "params_total": round(params),
        "tokens": round(tokens),
        "flops_attention": attention_flops(tokens, attention),
    }
    return job | _found(arguments, site, part, flops, peak_16(part), memory)


def _of_config(arguments: argparse.Namespace) -> dict[str, Any]:
    """A config by its shapes: traced, with nothing allocated."""
    for name in ("params", "tokens", *SIZES):
        if getattr(arguments, name) is not None:
            raise UsageError(f"--{name.replace('_', '-')} is known from CONFIG; give one of both")
    import jax

    from efficient.cli.selection import select
    from efficient.cost.chip import chip, find
    from efficient.cost.site import Site
    from efficient.data import load
    from efficient.predict.assumption import peak_executed, platform
    from efficient.predict.estimate import exactly, unknown
    from efficient.run.outline import outline
    from efficient.run.venue import Venue

    config = select(arguments)
    site = Site.from_arguments(arguments)
    device = jax.devices()[0]
    part = chip(site.chip) if site.chip else find(device.device_kind)
    with quiet_stdout():
        dataset = load(config.workload.data, arguments.data_dir)
        kind = platform(part) if part else device.platform
        traced = outline(config, dataset, Path(arguments.out), kind)
    per_step = traced.flops_step
    words = f"{traced.steps:,} steps of {traced.batch_size} by the forward rule, "
    words += "with teachers' forward and the optimizer's products"
    flops = unknown("FLOP", traced.reason)
    if per_step is not None:
        flops = exactly(per_step * traced.steps, "FLOP", words)
    rate = peak_executed(part, traced.model.by_dtype)
    if part is None and per_step is not None:
        rate = _speed(Venue.here(site), traced, per_step) or rate
    job = {
        "workload": config.workload.name,
        "arm": config.label,
        "train_for": config.train_for,
        "steps": traced.steps,
        "batch_size": traced.batch_size,
        "params_total": traced.params_total,
        "flops_model_step": traced.model.total,
        "flops_teacher_step": traced.teacher_step,
        "flops_update_step": traced.update_step,
        "flops_executed_step": traced.executed.total,
        "platform": traced.platform,
    }
    return job | _found(arguments, site, part, flops, rate, traced.memory)


def _speed(venue: Any, outline: Any, flops: int) -> Any:
    """FLOP/s of a step as this machine's calibration predicts it; None where there is none."""
    from efficient.ledger.bill import Range
    from efficient.predict.estimate import Quantity
    from efficient.run.counting import TRACED

    pace = venue.pace(venue.calibration(measure=False))
    chunk = outline.counting.chunk(outline.steps) if pace else None
    seconds = pace.seconds(chunk, TRACED).range if pace else None
    if pace is None or seconds is None:
        return None
    ends = Range(flops / seconds.high, flops / seconds.central, flops / seconds.low)
    when = pace.calibration.measured_utc
    return Quantity(ends, "FLOP/s", f"{SPEED}, from the calibration of {when}")


def _found(
    arguments: argparse.Namespace, site: Any, part: Any, flops: Any, rate: Any, memory: Any
) -> dict[str, Any]:
    """The forecast and the memory, as the JSON document has them."""
    from dataclasses import replace
    from datetime import UTC, datetime

    from efficient.cost.money import price, stale
    from efficient.predict.assumption import NO_CHIP, assume
    from efficient.predict.estimate import exactly, forecast
    from efficient.predict.memory import fit

    chips = arguments.chips or 1
    mfu, goodput = arguments.mfu, arguments.goodput
    given = assume(flops, site, part, rate, chips=chips, mfu=mfu, goodput=goodput)
    if rate.source.startswith(SPEED) and mfu is None:
        given = replace(given, mfu=exactly(1.0, "of it", "what limits a step is in its speed"))
    made = forecast(given)
    asked, _ = price(site, part)
    if asked and (warning := stale(asked, datetime.now(UTC).date())):
        warn(warning)
    fits = fit(memory, int(part.memory_bytes), chips) if part else None
    return {
        "chip": part.name if part else None,
        "chips": chips,
        **{name: getattr(made, name) for name in ROWS},
        "memory": {
            "weights_bytes": memory.weights_bytes,
            "gradients_bytes": memory.gradients_bytes,
            "optimizer_bytes": memory.optimizer_bytes,
            "activation_bytes_example": memory.activation_bytes,
            "activation_model": memory.model,
            "data_bytes": memory.data_bytes,
            "examples": memory.examples,
            "chip_bytes": fits.chip_bytes if fits else None,
            "capacity_bytes": fits.capacity_bytes if fits else None,
            "fits": fits.fits if fits else None,
            "reason": "" if fits else NO_CHIP,
            "remedies": fits.remedies if fits else (),
        },
        "assumptions": made.assumptions,
        "unknown": made.unknown,
    }


def _print(found: dict[str, Any]) -> None:
    out = console()
    here = found["assumptions"]["peak"].source.startswith(SPEED)
    name = found["chip"] or ("chip" if found["chips"] == 1 else "chips")
    where = "this machine" if here else f"{found['chips']:,} {name}"
    heading(out, f"what training will take on {where}")
    ends = ("low", "central", "high")
    rows = []
    for field, title in ROWS.items():
        ranged = found[field]
        shown = (amount(getattr(ranged, end)) if ranged else number.NONE for end in ends)
        rows.append((title, *shown))
    table(out, ("", *(f">{end}" for end in ends)), rows)
    for reason in dict.fromkeys(found["unknown"].values()):
        out.print(f"{number.NONE}: {reason}", markup=False)
    heading(out, "memory")
    facts(out, _memory(found["memory"], found["chips"]))
    heading(out, "assumptions")
    facts(out, [(NAMES[field], _assumed(q)) for field, q in found["assumptions"].items()])


def _memory(memory: dict[str, Any], chips: int) -> list[tuple[str, str]]:
    """Facts in words; the activations are a model, and say so."""
    parts = ("weights", "gradients", "optimizer", "data")
    lines = [(part, number.scaled(memory[f"{part}_bytes"], "B")) for part in parts]
    kept = memory["activation_bytes_example"]
    shown = number.NONE if kept is None else f"{number.scaled(kept, 'B')} for each example"
    lines.append(("activations", f"{shown}: {memory['activation_model']}"))
    lines.append(("examples", f"{memory['examples']:,} at a time on all chips"))
    if memory["chip_bytes"] is None:
        return [*lines, ("fits", f"{number.NONE}: {memory['reason']}")]
    needed, room = (number.scaled(memory[f"{n}_bytes"], "B") for n in ("chip", "capacity"))
    words = {True: "yes", False: "no", None: "not known without the activations"}
    lines.append(("fits", f"{words[memory['fits']]}: {needed} on each chip of {room}"))
    for remedy in memory["remedies"]:
        of = f" of {remedy.chips:,} chips" if remedy.chips != chips else ""
        text = f"{remedy.change}: {number.scaled(remedy.chip_bytes, 'B')} on each{of or ' chip'}"
        lines.append(("would fit with", text))
    if memory["fits"] is False and not memory["remedies"]:
        lines.append(("would fit with", "nothing that is known here: choose a smaller model"))
    return lines


def _assumed(quantity: Any) -> str:
    if quantity.range is None:
        return f"{number.NONE}: {quantity.source}"
    low, central, high = (amount(getattr(quantity.range, e)) for e in ("low", "central", "high"))
    shown = central if low == high else f"{low} to {high}, central {central}"
    return f"{shown} {quantity.unit}".rstrip() + f": {quantity.source}"


def amount(value: float) -> str:
    """Four digits, and an exponent from 10^10 on."""
    if value >= 1e10:
        return f"{value:.4g}".replace("e+", "e")
    rounded = float(f"{value:.4g}")
    return f"{rounded:,.0f}" if rounded >= 1000 else f"{rounded:g}"
