"""`efficient measure`: exit codes, streams, signals, and a bill whatever the command does."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import types

import pytest

from efficient.cli import measure as cli

MEASURE = [sys.executable, "-m", "efficient", "measure"]
SITE = ["--region", "FRA", "--power-w", "60", "--usd-per-chip-hour", "0.1"]
#: Says that it is there, then waits for a signal and says which.
LISTENER = """
import os, signal, sys, time
def heard(number, frame):
    os.write(1, b"heard %d\\n" % number)  # print may be what the signal interrupts
    sys.exit(7)
for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT):
    signal.signal(number, heard)
print("up", flush=True)
time.sleep(60)
"""


#: Takes the terminal on its standard input as its own, as a shell does, and becomes the command.
TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""
ASK = "from efficient.cli.measure import _has_terminal; print(_has_terminal())"


@pytest.fixture(autouse=True)
def interruptible():
    """SIGINT is heard here and by what is started from here, however the tests were started."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def measured(*words, **options):
    return subprocess.run(
        [*MEASURE, *map(str, words)], capture_output=True, text=True, check=False, **options
    )


def test_streams_belong_to_the_command(tmp_path):
    script = "import sys; print(sys.stdin.read(), sys.argv[1:]); print('e', file=sys.stderr)"
    words = [*SITE, "--", sys.executable, "-c", script, "--json", "--batch_size", "3"]
    done = measured(*words, input="in")
    assert done.returncode == 0
    assert done.stdout == "in ['--json', '--batch_size', '3']\n"  # untouched, and nothing else
    assert done.stderr.startswith("e\n")
    for text in ("bill of ", "time ", "CPU time", "memory", "J  grade D", "CO2e: FRA 2023", "$"):
        assert text in done.stderr


def test_json_is_alone_on_stdout(tmp_path):
    out = tmp_path / "deep" / "bill.json"
    done = measured(*SITE, "--out", out, "--json", "--", "sh", "-c", "echo mine; exit 3")
    assert done.returncode == 3 and done.stderr == "mine\n"
    bill = json.loads(done.stdout)
    assert json.loads(out.read_text()) == bill
    assert bill["command"] == ["sh", "-c", "echo mine; exit 3"] and bill["exit_code"] == 3
    assert bill["total_s"] == pytest.approx(sum(bill["laps"].values()))
    assert bill["cost_usd"] == pytest.approx(bill["total_s"] / 3600 * 0.1)
    kwh = bill["energy_j"] / 3.6e6
    assert bill["carbon_gco2e"] == pytest.approx(kwh * bill["grid"]["g_per_kwh"])
    (part,) = bill["energy"]
    assert (part["part"], part["source"], part["grade"]) == ("machine", "user", "D")


def test_seconds_and_memory_are_of_the_command():
    script = "held = bytearray(b'x' * 200_000_000); sum(range(2 * 10**6))"
    bill = json.loads(measured("--json", "--", sys.executable, "-c", script).stdout)
    assert bill["memory_peak_bytes"] > 200e6
    assert 0 < bill["cpu_user_s"] <= bill["total_s"] * bill["machine"]["cores"]
    small = json.loads(measured("--json", "--", "true").stdout)
    assert small["memory_peak_bytes"] is None  # this package's own process held more
    assert "had held before" in small["unknown"]["memory_peak_bytes"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--", "no-such-program"], 127, "command 'no-such-program' was not found"),
        (["--", "/dev/null"], 126, "command '/dev/null' cannot be run: Permission denied"),
        (["true"], 2, "the command stands behind --"),
        (["--"], 2, "COMMAND is missing"),
        ([], 2, "the command stands behind --"),
        (["--region", "Atlantis", "--", "true"], 2, "region 'Atlantis' is not known"),
        (["--chip", "Z80", "--", "true"], 2, "chip 'Z80' is not known"),
        (["--power-w", "0", "--", "true"], 2, "'0' is not a number above 0"),
        (["--out", "/", "--", "true"], 2, "--out '/' is a folder"),
    ],
)
def test_mistakes_are_one_line(command, words, code, said):
    done = command("measure", *words)
    assert done.code == code and done.out == ""
    assert said in done.err and done.err.startswith("efficient: error: ")
    assert done.err.count("\n") == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_signals_are_passed_on_and_the_bill_is_still_made(number):
    with subprocess.Popen(
        [*MEASURE, "--", sys.executable, "-c", LISTENER],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # no terminal types it to both
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        process.send_signal(number)
        out, err = process.communicate()
    assert out == f"heard {int(number)}\n"
    assert process.returncode == 7 and "bill of" in err and "exit code 7" in err


def test_a_signal_before_the_command_has_begun_is_passed_on_as_well():
    sent = []
    with cli._passing() as pass_to:
        signal.raise_signal(signal.SIGTERM)
        pass_to(types.SimpleNamespace(send_signal=sent.append))
    assert sent == [signal.SIGTERM]


@pytest.mark.parametrize(
    ("typed", "passed"), [(True, [signal.SIGTERM]), (False, [signal.SIGINT, signal.SIGTERM])]
)
def test_what_a_terminal_gives_to_both_is_not_passed_on_again(monkeypatch, typed, passed):
    sent = []
    monkeypatch.setattr(cli, "_has_terminal", lambda: typed)
    with cli._passing() as pass_to:
        pass_to(types.SimpleNamespace(send_signal=sent.append))
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.raise_signal(number)
    assert sent == passed
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_terminal_is_told_from_none():
    keys, terminal = pty.openpty()
    here = [sys.executable, "-c", TERMINAL, sys.executable, "-c", ASK]
    options = {"stdout": subprocess.PIPE, "text": True, "check": True, "start_new_session": True}
    shown = subprocess.run(here, stdin=terminal, **options).stdout
    os.close(keys)
    os.close(terminal)
    assert shown == "True\n"
    assert subprocess.run(here[3:], stdin=subprocess.DEVNULL, **options).stdout == "False\n"


def test_a_signal_that_ends_the_command_is_its_exit_code():
    done = measured("--json", "--", "sh", "-c", "kill -9 $$")
    assert done.returncode == 137 == json.loads(done.stdout)["exit_code"]


def test_no_counter_is_unknown_and_never_zero(command, tmp_path, monkeypatch):
    from efficient.cost.energy import source

    monkeypatch.setattr(
        "efficient.cost.measurement.Access",
        lambda: source.Access(
            powercap=tmp_path / "powercap", driver=tmp_path / "driver", environment={}
        ),
    )
    done = command("measure", "--json", "--", "true")
    assert done.code == 0
    assert done.document["energy_j"] is None and done.document["carbon_gco2e"] is None
    assert "give --power-w" in done.document["unknown"]["energy_j"]
    shown = command("measure", "--", "true").err
    assert "energy           unknown  cpu: no power counter" in shown
    assert "carbon           unknown  no region given" in shown


def test_starts_without_jax():
    script = (
        "import sys; from efficient.cli import main; code = main(sys.argv[1:]); "
        "sys.exit('jax was imported' if 'jax' in sys.modules else code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "measure", "--", "true"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0 and "bill of true" in done.stderr


def test_an_old_price_is_warned_of(command):
    done = command("measure", "--chip", "V100-SXM2", "--json", "--", "true")
    price = done.document["price"]
    assert price["provider"] and done.document["cost_usd"] > 0
    assert done.err.count("efficient: warning: ") <= 1
