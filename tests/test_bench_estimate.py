"""The estimator's own test counts no preset whose step ran before its prediction was on disk."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "bench_estimate"
PREDICTED = {
    "preset": "digits_mlp",
    "predicted_step_s": 0.9,
    "low_step_s": 0.5,
    "high_step_s": 1.2,
    "unpriced": [],
}
MEASURED = {"measured_step_s": 1.0, "first_step_unix": 2000.0}


@pytest.fixture(scope="module")
def script():
    loader = importlib.machinery.SourceFileLoader("bench_estimate", str(SCRIPT))
    spec = importlib.util.spec_from_loader("bench_estimate", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


@pytest.fixture
def out(tmp_path):
    path = tmp_path / "estimate.json"
    path.write_text("{}")
    os.utime(path, (1000.0, 1000.0))
    return path


def test_a_step_after_the_prediction_counts(script, out):
    line = script.judge(PREDICTED, MEASURED, out)
    assert line["error"] == pytest.approx(-0.1) and line["verdict"] == "inside the stated range"
    far = script.judge(PREDICTED | {"high_step_s": 0.95}, MEASURED, out)
    assert far["verdict"] == "outside the stated range"


@pytest.mark.parametrize(
    ("predicted", "measured", "reason"),
    [
        ({}, {"first_step_unix": 1000.0}, "before the prediction was on disk"),
        ({"unpriced": ["while"]}, {}, "no time known for while"),
        ({}, {"failed": "no such data"}, "no such data"),
    ],
)
def test_what_is_not_counted_says_why(script, out, predicted, measured, reason):
    line = script.judge(PREDICTED | predicted, MEASURED | measured, out)
    assert line["error"] is None and reason in line["verdict"]


@pytest.mark.slow
def test_the_whole_on_the_smallest_preset(tmp_path):
    """Both phases, for real; the error is printed and never asserted."""
    out = tmp_path / "estimate.json"
    command = [sys.executable, str(SCRIPT), "--presets", "digits_mlp", "--steps", "20"]
    done = subprocess.run([*command, "--out", str(out)], capture_output=True, text=True)
    line = json.loads(done.stdout)["lines"][0]
    assert line["error"] is not None and line["measured_step_s"] > 0
    assert json.loads(out.read_text())["written_unix"] <= line["first_step_unix"]
