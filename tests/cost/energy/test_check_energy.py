"""scripts/check_energy on boards that are not here: agreement, disagreement, nothing to check."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from hardware import Board

SCRIPT = Path(__file__).parents[3] / "scripts" / "check_energy"


@pytest.fixture
def check():
    return runpy.run_path(str(SCRIPT))


def test_nothing_to_check_is_one_line(tmp_path):
    (tmp_path / "pynvml.py").write_text("raise ImportError('not here')\n")
    done = subprocess.run(
        [sys.executable, str(SCRIPT)],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(tmp_path)},
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("check_energy: nothing to check here: nvidia-ml-py")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(("factor", "code"), [(1.0, 0), (1.09, 0), (1.12, 1), (0.88, 1)])
def test_counter_against_integrated_power(check, machine, monkeypatch, capsys, factor, code):
    board = Board()
    counted = Board.draw

    def draw(seconds):
        counted(board, factor * seconds)

    board.draw = draw
    machine.with_boards(board)
    names = check["main"].__globals__
    monkeypatch.setattr(names["nvml"], "boards", lambda: (board,))
    monkeypatch.setattr(names["time"], "perf_counter", machine.clock)
    monkeypatch.setattr("jax.default_backend", lambda: "gpu")
    monkeypatch.setattr(sys, "argv", ["check_energy"])
    monkeypatch.setitem(names, "_work", lambda size: None)
    monkeypatch.setitem(names, "_load", lambda work, seconds: machine.clock.sleep(seconds))
    assert check["main"]() == code
    found = json.loads(capsys.readouterr().out)
    assert found["agrees"] == (code == 0) and found["board"] == board.name
    assert found["power_j"] == pytest.approx(30 * 300)
    assert found["difference"] == pytest.approx(factor - 1)
    assert found["seconds"] == 30
