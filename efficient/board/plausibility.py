"""Could it have been? Sums that must agree, and what no machine can do.

Bounds are generous on purpose: what passes is possible, not true. They are of one core, one chip
and one joule, so that a claim of many cores has to name them, where the track's classes bound them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import fields
from datetime import datetime

from efficient.board.error import BoardError, quoted
from efficient.cost.chip import Chip, find
from efficient.ledger.bill import Cost
from efficient.ledger.record import LAPS, Machine, Record

#: No core of a CPU does more: AMX, the widest unit, does 2,048 int8 operations a cycle (Intel's own
#: figure; twice that here), and no core clocks above 7 GHz.
FLOPS_PER_CORE_S = 2 * 2048 * 7e9
#: In float32, which AMX does not multiply: two AVX-512 units, 64 FLOPs a cycle.
FLOAT32_PER_CORE_S = 64 * 7e9
#: A tenth of the least in the table of chips, rated power over fastest peak: 2e-13 J.
JOULES_PER_FLOP = 2e-14
#: More than a core, a machine around it, or a chip in hundredths of its rated limit takes.
W_PER_CORE, W_AROUND, OF_TDP, W_UNKNOWN_CHIP = 50.0, 1500.0, 1.5, 2000.0
#: No run in this century: FLOPs of one, and seconds (three years).
MOST_FLOPS, MOST_S = 1e30, 1e8
#: Cores or devices of one machine, and nats of a loss that is written down as finite.
MOST_PARTS, MOST_LOSS = 10**6, 1e9
#: Rounding of sums of seconds, relative and absolute.
CLOSE, CLOSE_S = 1e-6, 0.01


def check(record: Record) -> None:
    """Refuse a record whose numbers cannot all be true.

    Raises:
        BoardError: the first that cannot, with its value.
    """
    for complaint in _complaints(record):
        raise BoardError(f"run {record.run_id}: {complaint}")


def least_train_s(record: Record) -> float:
    """Seconds that the executed FLOPs take on this machine at its peak."""
    return (record.cost.flops_executed or 0) / fastest(record)


def fastest(record: Record) -> float:
    """FLOP/s that the machine of a record cannot exceed, at the widest type that it used."""
    machine, types = record.machine, record.cost.flops_by_dtype
    chip = find(machine.device_kind) if machine.platform != "cpu" else None
    if chip is not None:
        return max(chip.flops_per_s.values()) * machine.devices / chip.devices_per_chip
    if machine.platform != "cpu":
        return math.inf  # a device that nobody has published a peak of
    floats = bool(types) and set(types) <= {"float32", "float64"}
    return machine.cores * (FLOAT32_PER_CORE_S if floats else FLOPS_PER_CORE_S)


def _complaints(record: Record) -> Iterator[str]:
    yield from _machine(record.machine)
    yield from _numbers(record.cost)
    yield from _scores(record)
    yield from _sums(record)
    yield from _physics(record)


def _machine(machine: Machine) -> Iterator[str]:
    for name in ("cores", "devices"):
        count = getattr(machine, name)
        if not 1 <= count <= MOST_PARTS:
            yield f"a machine of {quoted(count)} {name} is none"


def _numbers(cost: Cost) -> Iterator[str]:
    for field in fields(cost):
        value = getattr(cost, field.name)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            continue
        most = MOST_S if field.name.endswith("_s") else MOST_FLOPS
        if not value >= 0:  # which NaN is not
            yield f"cost.{field.name} {quoted(value)} is no amount"
        elif value > most:
            yield f"cost.{field.name} {quoted(value)} is more than any run ever took"


def _scores(record: Record) -> Iterator[str]:
    for name, score in record.scores.items():
        if not (0 <= score.loss <= MOST_LOSS and 0 <= score.accuracy <= 1):
            yield f"score {quoted(name)} has loss {score.loss} and accuracy {score.accuracy}"
        if score.units < 1:
            yield f"score {quoted(name)} is of {score.units} units"


def _sums(record: Record) -> Iterator[str]:
    cost, processes = record.cost, record.cost.processes
    if strange := set(cost.laps) - set(LAPS):
        yield f"lap {quoted(min(strange))} is none of the clock's"
    laps = [s for bill in (cost, *processes) for s in bill.laps.values()]
    if any(not math.isfinite(s) or s < 0 for s in laps):
        yield "a lap is no time"
    elif not _close(sum(cost.laps.values()), cost.total_s):
        yield f"the laps come to {sum(cost.laps.values()):.6g} s, total_s is {cost.total_s:.6g}"
    if not _close(cost.laps.get("train", 0.0), cost.train_s):
        yield f"train_s {cost.train_s:.6g} is not the lap train"
    if cost.train_s > cost.total_s + CLOSE_S:
        yield f"train_s {cost.train_s:.6g} is more than total_s {cost.total_s:.6g}"
    if not processes or not _close(sum(p.total_s for p in processes), cost.total_s):
        yield "the processes do not come to total_s"
    executed = [p.flops_executed for p in processes]
    if cost.flops_executed is not None and (
        None in executed or sum(n for n in executed if n is not None) != cost.flops_executed
    ):
        yield "the processes do not come to flops_executed"
    if cost.flops_by_dtype and sum(cost.flops_by_dtype.values()) != cost.flops_executed:
        yield "the FLOPs by type do not come to flops_executed"
    if record.steps != record.steps_planned or sum(p.steps for p in processes) < record.steps:
        yield f"{record.steps} steps of {record.steps_planned} planned are no finished run"
    nonzero, total = cost.params_nonzero, cost.params_total
    if nonzero is not None and total is not None and nonzero > total:
        yield "more parameters are nonzero than there are"
    yield from _times(record)


def _times(record: Record) -> Iterator[str]:
    try:
        begun, ended = (
            datetime.fromisoformat(t) for t in (record.started_utc, record.finished_utc)
        )
        seconds = (ended - begun).total_seconds()
    except (ValueError, TypeError):
        yield f"{quoted(record.started_utc)} to {quoted(record.finished_utc)} are no times"
        return
    # The clock starts with the process, the note of the time a little later; both are rounded.
    if len(record.cost.processes) == 1 and seconds < record.cost.laps.get("train", 0.0) - 2:
        yield f"it trained for {record.cost.train_s:.6g} s within {seconds:.6g} s"


def _physics(record: Record) -> Iterator[str]:
    cost, machine = record.cost, record.machine
    least = least_train_s(record)
    if cost.train_s < least:
        yield (
            f"train_s {cost.train_s:.3g} is below the {least:.3g} that {cost.flops_executed:.3g} "
            f"FLOPs take at the peak of {quoted(machine.device_kind)}"
        )
    if (cost.flops_model or 0) > 0 and cost.train_s <= 0:
        yield "it trained in no time"
    if cost.energy_j is None:
        return
    most_w = _most_w(record)
    if cost.energy_j > most_w * max(cost.total_s, 1.0):
        yield f"energy_j {cost.energy_j:.3g} is more than {most_w:.0f} W over total_s"
    if cost.energy_j < JOULES_PER_FLOP * (cost.flops_executed or 0):
        yield f"energy_j {cost.energy_j:.3g} is less than any chip takes for so many FLOPs"


def _most_w(record: Record) -> float:
    machine = record.machine
    around = W_AROUND + W_PER_CORE * machine.cores
    if machine.platform == "cpu":
        return around
    chip: Chip | None = find(machine.device_kind)
    each = OF_TDP * chip.tdp_w if chip and chip.tdp_w else W_UNKNOWN_CHIP
    return around + machine.devices * each


def _close(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=CLOSE, abs_tol=CLOSE_S)
