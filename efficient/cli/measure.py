"""`efficient measure`: the bill of any command."""

from __future__ import annotations

import argparse
import contextlib
import datetime
import os
import shlex
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from efficient.cli.amount import amounts
from efficient.cli.failure import UsageError, complain, usage
from efficient.cli.output import console, document, heading, quiet_stdout, warn
from efficient.cost.measurement import Bill, Measurement
from efficient.cost.money import stale
from efficient.cost.site import Site
from efficient.ledger.bill import GRADES, EnergyPart
from efficient.ledger.codec import to_dict
from efficient.ledger.store import write_json
from efficient.report import number

#: What a shell answers for a command that is not there, that cannot be run, or that signal n ended.
NOT_FOUND, NOT_EXECUTABLE, SIGNALLED = 127, 126, 128
#: Passed on to the command. A terminal gives those of `TYPED` to the command by itself.
PASSED = (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
PASSED += (signal.SIGUSR2, signal.SIGCONT, signal.SIGWINCH)
TYPED = (signal.SIGINT, signal.SIGQUIT, signal.SIGWINCH)
UNKNOWN = "unknown"


def measure(arguments: argparse.Namespace) -> int:
    """Run the command and print its bill on stderr; the exit code is the command's.

    With --json the bill is the one document on stdout, and what the command prints goes to stderr.
    """
    words = _words(arguments)
    with usage():
        measurement = Measurement(Site.from_arguments(arguments), children=True)
    measurement.start(arguments.idle or 0.0)
    try:
        code = _run(words, 2 if arguments.json else None)
    except OSError as error:
        return complain(UsageError(_refusal(words[0], error)), _refused(error))
    finally:
        bill = measurement.stop()
    made = {"command": words, "exit_code": code, **to_dict(bill)}
    if arguments.json:
        document(made)
    else:
        with quiet_stdout():
            _print(bill, words, code)
    if old := stale(bill.price, datetime.date.today()) if bill.price else "":
        warn(old)
    if arguments.out:
        write_json(arguments.out, made)
    return code


def _words(arguments: argparse.Namespace) -> list[str]:
    example = "efficient measure -- python train.py"
    mark, *words = arguments.words or [""]
    if mark != "--":
        raise UsageError(f"the command stands behind -- as in: {example}")
    if not words:
        raise UsageError(f"COMMAND is missing: {example}")
    if arguments.out and Path(arguments.out).is_dir():
        raise UsageError(f"--out {arguments.out!r} is a folder: name a file in it")
    return words


# -- the command -----------------------------------------------------------------------------------


def _run(words: Sequence[str], stdout: int | None) -> int:
    """Exit code of the command as a shell says it; 128 and the signal's number when one ended it.

    Raises:
        OSError: it cannot be started.
    """
    with _passing() as pass_to:
        child = subprocess.Popen(words, stdout=stdout)
        pass_to(child)
        code = child.wait()
    return code if code >= 0 else SIGNALLED - code


@contextlib.contextmanager
def _passing() -> Iterator[Callable[[subprocess.Popen[bytes]], None]]:
    """Inside, signals that this process gets go to the process that is named, also earlier ones."""
    started: list[subprocess.Popen[bytes]] = []
    early: list[int] = []

    def pass_to(child: subprocess.Popen[bytes]) -> None:
        started.append(child)
        for number in early:
            child.send_signal(number)

    def hand_on(number: int, frame: object) -> None:
        if number in TYPED and _has_terminal():
            return
        if not started:
            early.append(number)
        for child in started:
            child.send_signal(number)

    heard = [number for number in PASSED if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, hand_on) for number in heard}
    try:
        yield pass_to
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _has_terminal() -> bool:
    """Whether keys that are typed reach this process, and so the command as well."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)


def _refused(error: OSError) -> int:
    return NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE


def _refusal(word: str, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return f"command {word!r} was not found: give its path, or check PATH"
    return f"command {word!r} cannot be run: {error.strerror}; check it with ls -l"


# -- the bill --------------------------------------------------------------------------------------


def _print(bill: Bill, words: Sequence[str], code: int) -> None:
    out = console()
    heading(out, f"bill of {shlex.join(words)}")
    user_s, system_s = number.seconds(bill.cpu_user_s), number.seconds(bill.cpu_system_s)
    peak = bill.memory_peak_bytes
    rows = [
        ("time", number.seconds(bill.total_s), f"exit code {code}"),
        (
            "CPU time",
            number.seconds(bill.cpu_user_s + bill.cpu_system_s),
            f"{user_s} user, {system_s} system, on {bill.machine.cores} cores",
        ),
        ("memory", number.scaled(peak, "B"), "at most, in one process")
        if peak is not None
        else ("memory", UNKNOWN, bill.unknown["memory_peak_bytes"]),
    ]
    amounts(out, [*rows, *_energy(bill), _carbon(bill), _money(bill)])


def _energy(bill: Bill) -> list[tuple[str, str, str]]:
    """The sum and its grade, then a row for each of several parts."""
    if bill.energy_j is None:
        return [("energy", UNKNOWN, bill.unknown["energy_j"])]
    grade = f"grade {bill.energy_grade}: {GRADES[bill.energy_grade]}"
    first, *more = (_part(part) for part in bill.energy)
    rows = [first, *more] if more else [("", "", first[2])]
    return [("energy", number.energy(bill.energy_j), grade), *rows]


def _part(part: EnergyPart) -> tuple[str, str, str]:
    if part.joules is None:
        return f"  {part.part}", UNKNOWN, part.reason
    idle = "" if part.idle_w is None else f", {number.significant(part.idle_w)} W at rest"
    mean = f"{part.source}, {number.significant(part.joules / part.window_s)} W on average"
    why = f"; {part.reason}" if part.reason else ""
    return f"  {part.part}", number.energy(part.joules), f"{mean}{idle}{why}"


def _carbon(bill: Bill) -> tuple[str, str, str]:
    grid = bill.grid
    if bill.carbon_gco2e is None or grid is None:
        return "carbon", UNKNOWN, bill.unknown["grid"] if grid is None else "as the energy is"
    where = " ".join(str(word) for word in (grid.region, grid.year) if word) or grid.source
    grams = f"{number.significant(grid.g_per_kwh)} g/kWh ({grid.basis})"
    return "carbon", number.carbon(bill.carbon_gco2e), f"CO2e: {where}, {grams}, PUE {bill.pue:g}"


def _money(bill: Bill) -> tuple[str, str, str]:
    price = bill.price
    if bill.cost_usd is None or price is None:
        return "money", UNKNOWN, bill.unknown["price"]
    rate = f"${price.usd_per_chip_hour:g} an hour of a {'chip' if bill.chip else 'machine'}"
    source = ", ".join(filter(None, (price.provider, price.date)))
    return "money", number.money(bill.cost_usd), f"{rate}: {source}"
