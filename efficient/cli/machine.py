"""`efficient machine`: what is here, how fast it can be, and what can be metered."""

from __future__ import annotations

import argparse
import datetime
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape

from efficient.cli.amount import amounts
from efficient.cli.chip import listing
from efficient.cli.failure import usage
from efficient.cli.output import console, document, facts, heading, quiet_stdout, say, table, warn
from efficient.cost import carbon, money
from efficient.cost.chip import Chip, chip, find
from efficient.cost.energy import nvml
from efficient.cost.energy.meter import Meter
from efficient.cost.energy.source import Access
from efficient.cost.site import Site
from efficient.ledger.bill import GRADES, Calibration, EnergyPart
from efficient.ledger.record import Machine
from efficient.report import number

NO_PROCESSORS = (
    "processors are not in the table of chips: their peak is what "
    "`efficient machine --calibrate` reaches"
)
UNKNOWN_CHIP = "{!r} is not in the table of chips: give --chip NAME of `efficient machine --chips`"
NOT_CALIBRATED = "not calibrated: `efficient machine --calibrate` takes 20 seconds"
UNKNOWN = "unknown"
#: Seconds for which a model is looked at, which needs none.
LEAST_S = 0.05
#: Shown of a calibration: name, field, unit.
RATES = (
    ("matrix product", "matmul", "FLOP/s"),
    ("convolution", "convolution", "FLOP/s"),
    ("copy of memory", "copy", "B/s"),
)


def machine(arguments: argparse.Namespace) -> int:
    """What jax computes on here, and what of its cost can be known; or the known chips."""
    if arguments.chips:
        listing(arguments.json)
        return 0
    with usage():
        site = Site.from_arguments(arguments)
        grid, no_grid = carbon.grid(site)
        named = chip(site.chip) if site.chip else None
    with quiet_stdout():
        found = _look(site, named, arguments.calibrate)
    price, no_price = money.price(site, found["chip"])
    found |= {"grid": grid, "price": price}
    found["unknown"] |= {k: v for k, v in (("grid", no_grid), ("price", no_price)) if v}
    if arguments.json:
        document(found)
    else:
        _print(found)
    for note in found["notes"]:
        warn(note)
    if old := money.stale(price, datetime.date.today()) if price else "":
        warn(old)
    return 0


def _look(site: Site, named: Chip | None, calibrate: bool) -> dict[str, Any]:
    """The facts that need jax. Joules are read over the shortest window that counters allow."""
    from efficient.cost.machine import machine, versions

    here = machine()
    known = named or find(here.device_kind)
    with Meter.open(site, known, here.device_kind, here.devices, here.platform) as meter:
        meter.start()
        time.sleep(max(1.05 * meter.shortest_s, LEAST_S))
        parts = meter.read()
    measured = _calibration(calibrate)
    unknown = {} if known else {"chip": _why(here)}
    unknown |= {} if measured else {"calibration": NOT_CALIBRATED}
    return {
        "machine": here,
        "versions": versions(),
        "chip": known,
        "meters": [_meter(part) for part in parts],
        "calibration": measured,
        "notes": _notes(here),
        "unknown": unknown,
    }


def _notes(here: Machine) -> list[str]:
    access = Access()
    boards = nvml.names(access.boards, access.driver, access.environment)
    if here.platform != "cpu" or not boards:
        return []
    remedy = "pip install 'efficient-jax[cuda]', and see JAX_PLATFORMS"
    return [f"jax computes on the CPU although {boards[0]} is here: {remedy}"]


def _meter(part: EnergyPart) -> dict[str, Any]:
    watts = part.joules / part.window_s if part.joules is not None and part.window_s else None
    plain = {name: getattr(part, name) for name in ("part", "source", "grade", "reason")}
    return plain | {"watts": watts}


def _calibration(anew: bool) -> Calibration | None:
    from efficient.cost import calibration
    from efficient.data.location import cache_directory

    folder = cache_directory()
    if anew:
        with _told() as tell:
            calibration.save(calibration.calibrate(tell), folder)
    return calibration.load(folder, calibration.machine_key(calibration.description()))


@contextmanager
def _told() -> Iterator[Callable[[str], None]]:
    """Progress: a line that changes on a terminal, elsewhere one that stays."""
    if not sys.stderr.isatty():
        say("calibration: about 20 seconds, in which nothing else should run")
        yield lambda line: None
        return
    with Console(stderr=True).status("calibration") as status:
        yield lambda line: status.update(escape(line))


def _why(here: Machine) -> str:
    return NO_PROCESSORS if here.platform == "cpu" else UNKNOWN_CHIP.format(here.device_kind)


# -- for people ------------------------------------------------------------------------------------


def _print(found: dict[str, Any]) -> None:
    out, here, unknown = console(), found["machine"], found["unknown"]
    heading(out, "machine")
    memory = "unknown" if here.memory_bytes is None else number.scaled(here.memory_bytes, "B")
    versions = ", ".join(f"{name} {text}" for name, text in found["versions"].items())
    pairs = [
        ("device", f"{here.devices} x {here.device_kind} ({here.platform})"),
        ("processor", f"{here.cpu}, {here.cores} cores, {' '.join(here.cpu_features)}"),
        ("memory", f"{memory}, {here.host}; allocator: {here.allocator}"),
        ("versions", versions),
    ]
    facts(out, pairs)
    heading(out, "chip")
    if found["chip"]:
        facts(out, _of_chip(found["chip"]))
    else:
        facts(out, [("unknown", unknown["chip"])])
    heading(out, "what can be metered")
    amounts(out, map(_metered, found["meters"]))
    heading(out, "where it is")
    amounts(out, _of_place(found))
    heading(out, "what it reached")
    _reached(out, found)


def _of_chip(known: Chip) -> list[tuple[str, str]]:
    rates = ", ".join(f"{t} {number.scaled(r, 'FLOP/s')}" for t, r in known.flops_per_s.items())
    limit = "" if known.tdp_w is None else f"limit {known.tdp_w:g} W, "
    power = "no average published"
    if known.power_w is not None:
        power = f"average {known.power_w:g} W with its share of the host ({known.power_source})"
    return [
        ("name", f"{known.name} ({known.year})"),
        ("peak, dense", rates),
        ("memory", number.scaled(known.memory_bytes, "B")),
        ("bandwidth", number.scaled(known.bandwidth_bytes_per_s, "B/s")),
        ("power", limit + power),
        ("source", f"{known.source} ({known.status})"),
    ]


def _metered(part: dict[str, Any]) -> tuple[str, str, str]:
    if part["watts"] is None:
        return part["part"], UNKNOWN, part["reason"]
    text = f"now, by {part['source']}, grade {part['grade']}: {GRADES[part['grade']]}"
    why = f"; {part['reason']}" if part["reason"] else ""
    return part["part"], f"{number.significant(part['watts'])} W", text + why


def _of_place(found: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    grid, price, unknown = found["grid"], found["price"], found["unknown"]
    if grid is None:
        yield "carbon", UNKNOWN, unknown["grid"]
    else:
        where = f"{grid.region} {grid.year or ''}".strip()
        yield "carbon", f"{number.significant(grid.g_per_kwh)} g", f"a kWh: {where}, {grid.source}"
    if price is None:
        yield "price", UNKNOWN, unknown["price"]
    else:
        source = ", ".join(filter(None, (price.provider, price.date)))
        yield "price", f"${price.usd_per_chip_hour:g}", f"an hour: {source}"


def _reached(out: Console, found: dict[str, Any]) -> None:
    measured = found["calibration"]
    if measured is None:
        facts(out, [("unknown", found["unknown"]["calibration"])])
        return
    rows = []
    for name, field, unit in RATES:
        rates = getattr(measured, field)
        best = max(rates, key=rates.get)
        low, high = (number.scaled(pick(rates.values()), unit) for pick in (min, max))
        rows.append((name, len(rates), low, high, best))
    table(out, ("benchmark", ">sizes", ">slowest", ">fastest", "which is"), rows)
    floor = f"{1e6 * measured.dispatch_s:.3g} us"
    spread = f"within {100 * measured.spread:.2g} %"
    facts(
        out,
        [
            ("empty call", floor),
            ("repeats", f"{spread}, on {measured.measured_utc[:10]}; --json has every size"),
        ],
    )
