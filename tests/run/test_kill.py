"""SIGKILL at random moments of a run of two phases, then resume: the same bits, the whole bill."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tiny

from efficient.ledger.store import read_record

CONFIG = dataclasses.replace(
    tiny.DIGITS, variants=(tiny.ONE_SHOT,), chunk_steps=1, checkpoint_s=0.0
)
KILLS, KILLS_SLOW = 1, 20
FIRST_LINES = 2 + tiny.STEPS  # one for each phase's compilation, one for each chunk


def start(preset: Path, out: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "efficient", "train", str(preset), "--out", str(out), "--json"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def lines(out: Path) -> int:
    return sum(len(p.read_bytes().splitlines()) for p in out.glob("*/attempts.jsonl"))


def kill_at_random(preset: Path, out: Path, seed: int) -> bool:
    """Start a process and kill it a moment after a random line of its journal; was it in time?"""
    generator = random.Random(seed)
    line, moment = generator.randrange(FIRST_LINES), generator.uniform(0, 0.06)
    moment += 2.0 * generator.random() if line == 0 else 0.0  # its imports, its compilation
    process = start(preset, out)
    while lines(out) < line and process.poll() is None:
        time.sleep(0.002)
    time.sleep(moment)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    return process.returncode == -signal.SIGKILL


def check(trained, folder: Path, seed: int) -> bool:
    whole, out = trained(CONFIG), folder / "out"
    preset = tiny.write_preset(folder / "config.json", CONFIG)
    killed = kill_at_random(preset, out, seed)
    journaled = lines(out)
    process = start(preset, out)
    printed, complaints = process.communicate()
    assert process.returncode == 0, complaints.decode()
    run_id = json.loads(printed)["run_id"]
    record = read_record(out / run_id)
    assert record.params_digest == whole.params_digest
    assert record.scores == whole.scores
    bills = record.cost.processes
    expected = ["killed", "finished"] if killed and journaled else ["finished"]
    assert [bill.outcome for bill in bills] == expected
    assert record.cost.total_s == pytest.approx(sum(bill.total_s for bill in bills))
    assert record.cost.train_s == pytest.approx(
        sum(bill.laps["train"] for bill in bills if bill.steps)
    )
    assert record.cost.flops_executed == sum(bill.flops_executed for bill in bills)
    assert sum(bill.steps for bill in bills) >= tiny.STEPS
    assert record.cost.flops_effective == whole.cost.flops_effective
    return killed


@pytest.mark.parametrize("seed", range(KILLS))
def test_killed_and_resumed_equals_uninterrupted(seed, trained, tmp_path):
    assert check(trained, tmp_path, seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(KILLS, KILLS_SLOW))
def test_killed_at_many_moments(seed, trained, tmp_path):
    check(trained, tmp_path, seed)
