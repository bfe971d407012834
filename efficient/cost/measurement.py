"""The bill of anything: of a block of code, or of another process, without jax.

    with efficient.measure(region="FRA") as bill:
        ...
    print(bill.total_s, bill.energy_j, bill.unknown)

Seconds and memory are of this process and of the children that it has waited for (of these alone,
for a command). Joules are of the devices: whatever else ran on them in the meantime is in them.
"""

from __future__ import annotations

import datetime
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from efficient.cost import carbon, host
from efficient.cost.account import account
from efficient.cost.chip import Chip, chip, find
from efficient.cost.energy import nvml
from efficient.cost.energy.meter import Meter
from efficient.cost.energy.source import Access
from efficient.cost.site import Site
from efficient.ledger.bill import EnergyPart, Grid, Price
from efficient.ledger.record import Machine


class MeasurementError(ValueError):
    """A bill that is asked for before its time."""


@dataclass(frozen=True)
class Bill:
    """What was consumed. Names and units are those of `ledger.bill.Cost`.

    laps               `start`: opening the meters; `run`: what is measured; they add to total_s
    cpu_user_s, cpu_system_s  of all cores together
    memory_peak_bytes  largest resident set of any one process
    unknown            why a field is None, by its name
    """

    started_utc: str
    total_s: float
    laps: dict[str, float]
    cpu_user_s: float
    cpu_system_s: float
    memory_peak_bytes: int | None
    energy: tuple[EnergyPart, ...]
    energy_j: float | None
    energy_grade: str
    energy_facility_kwh: float | None
    pue: float
    pue_source: str
    grid: Grid | None
    carbon_gco2e: float | None
    price: Price | None
    cost_usd: float | None
    chip: str
    machine: Machine
    unknown: dict[str, str]


@contextmanager
def measure(
    region: str = "",
    gco2e_per_kwh: float | None = None,
    pue: float | None = None,
    chip: str = "",
    chips: int | None = None,
    power_w: float | None = None,
    usd_per_chip_hour: float | None = None,
    quiet_s: float = 0.0,
) -> Iterator[Measurement]:
    """The bill of the block inside; also when it fails. Options are the fields of `cost.site.Site`.

    What is not given is taken from the environment, see `cost.site.VARIABLES`. `quiet_s` seconds
    are waited first to measure idle power.

    Raises:
        SiteError, CarbonError, ChipError: an option that cannot be, before anything is started.
    """
    options = {
        "region": region,
        "gco2e_per_kwh": gco2e_per_kwh,
        "pue": pue,
        "chip": chip,
        "chips": chips,
        "power_w": power_w,
        "usd_per_chip_hour": usd_per_chip_hour,
    }
    said = {name: value for name, value in options.items() if value not in ("", None)}
    measurement = Measurement(replace(Site.from_environment(), **said))
    measurement.start(quiet_s)
    try:
        yield measurement
    finally:
        measurement.stop()


class Measurement:
    """From `start` to `stop`; afterwards `result` is the bill, and so are its attributes.

    children: the bill is of the processes that are started and end in between, and not of this one.
    """

    def __init__(self, site: Site, children: bool = False, access: Access | None = None) -> None:
        carbon.grid(site)  # a region that is not known is refused now, and not after the work
        self._site, self._children, self._access = site, children, access or Access()
        self.machine, self.chip = here(site, self._access)
        self._bill: Bill | None = None

    def start(self, quiet_s: float = 0.0) -> None:
        self._utc = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        begin = time.perf_counter()
        devices = self.machine.devices if self.machine.platform != "cpu" else None
        kind, platform = self.machine.device_kind, self.machine.platform
        self._meter = Meter.open(self._site, self.chip, kind, devices, platform, self._access)
        self._meter.start(quiet_s)
        self._before = self._usage()
        self._mark = time.perf_counter()
        self._start_s = self._mark - begin

    def stop(self) -> Bill:
        parts = self._meter.read()
        run_s = time.perf_counter() - self._mark
        self._meter.close()
        user_s, system_s, peak = self._usage()
        before_user_s, before_system_s, floor = self._before
        if self._children:  # which begin as copies of this process
            floor = max(floor, host.memory_peak()[0])
        total_s = self._start_s + run_s
        made = account(parts, total_s, self._site, self.chip, self.machine.devices)
        hidden = {} if peak > floor else {"memory_peak_bytes": _hidden(floor)}
        own: dict[str, Any] = vars(made) | {"unknown": hidden | made.unknown}
        self._bill = Bill(
            started_utc=self._utc,
            total_s=total_s,
            laps={"start": self._start_s, "run": run_s},
            cpu_user_s=user_s - before_user_s,
            cpu_system_s=system_s - before_system_s,
            memory_peak_bytes=None if hidden else peak,
            chip=self.chip.name if self.chip else "",
            machine=self.machine,
            **own,
        )
        return self._bill

    @property
    def result(self) -> Bill:
        """The bill.

        Raises:
            MeasurementError: it is not finished.
        """
        if self._bill is None:
            raise MeasurementError("the bill is not there yet: read it behind the `with` block")
        return self._bill

    def __getattr__(self, name: str) -> Any:
        if name not in Bill.__dataclass_fields__:
            raise AttributeError(f"a bill has no {name!r}: {', '.join(Bill.__dataclass_fields__)}")
        return getattr(self.result, name)

    def _usage(self) -> tuple[float, float, int]:
        """CPU seconds in user and in system mode, and the most bytes that were resident."""
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        used = [children]
        used += [] if self._children else [resource.getrusage(resource.RUSAGE_SELF)]
        peak = max(host.memory_peak()[0], children.ru_maxrss * host.MAXRSS_UNIT)
        return sum(u.ru_utime for u in used), sum(u.ru_stime for u in used), peak


def here(site: Site, access: Access) -> tuple[Machine, Chip | None]:
    """This machine, without jax, and its chip. Accelerators: what NVIDIA's driver or `site` names.

    Raises:
        ChipError: the chip of `site` is not known.
    """
    cpu, features = host.processor()
    named = chip(site.chip) if site.chip else None
    kinds = nvml.names(access.boards, access.driver, access.environment)
    platform = "gpu" if kinds or named else "cpu"
    machine = Machine(
        platform="tpu" if named and named.name.startswith("TPU") else platform,
        device_kind=kinds[0] if kinds else named.device_kinds[0] if named else cpu,
        devices=len(kinds) or site.chips or 1,
        cpu=cpu,
        cpu_features=features,
        cores=host.cores(),
        memory_bytes=host.memory_bytes(),
        host=host.system(),
    )
    return machine, named or (find(kinds[0]) if kinds else None)


def _hidden(peak: int) -> str:
    return f"no more than the {peak / 1e6:.0f} MB that this process had held before"
