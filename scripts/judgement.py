"""How a line of scripts/accept is measured and judged: runs, records, verdicts."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from efficient.ledger.record import FINISHED, Record
from efficient.ledger.source import source
from efficient.ledger.store import records

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "runs" / "accept"
MET, MISSED, UNRESOLVED, NOT_RUN = "met", "missed", "not resolved", "not run"


@dataclass(frozen=True)
class Line:
    """One measured line: what was asked, what was found."""

    what: str
    asked: str
    found: str
    verdict: str


class NotRunError(Exception):
    """Why a line cannot be measured here."""


def judge(what: str, asked: str, found: str, good: bool) -> Line:
    return Line(what, asked, found, MET if good else MISSED)


def call(*command: str | Path, **environment: str) -> tuple[int, str, float]:
    """Exit code, output and seconds of a command; stderr passes through."""
    begun = time.monotonic()
    done = subprocess.run(
        [str(c) for c in command],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        text=True,
    )
    return done.returncode, done.stdout, time.monotonic() - begun


def experiment(name: str, data: str = "") -> list[Record]:
    """The finished records of an experiment, trained where they are missing."""
    if data:
        need(data)
    out = OUT / name
    code, _, _ = call(
        sys.executable, "-m", "efficient", "compare", ROOT / "experiments" / name, "--out", out
    )
    if code:
        raise NotRunError(f"efficient compare experiments/{name} ended with {code}")
    digest = source().digest
    return [r for r in records(out)[0] if r.status == FINISHED and r.source.digest == digest]


def need(data: str) -> None:
    folder = os.environ.get("TFDS_DATA_DIR")
    if not folder or not (Path(folder) / data).is_dir():
        raise NotRunError(f"{data} is not in TFDS_DATA_DIR ({folder or 'not set'})")


def arm(found: list[Record], label: str, workload: str = "") -> list[Record]:
    """The runs of an arm by seed."""
    chosen = {r.seed: r for r in found if r.arm == label and workload in ("", r.workload)}
    if not chosen:
        raise NotRunError(f"no finished run of {workload} {label}")
    return [chosen[seed] for seed in sorted(chosen)]


def accuracy(runs: list[Record], split: str = "test") -> float:
    return statistics.mean(r.scores[split].accuracy for r in runs)


def spread(values: list[float]) -> str:
    sd = f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else " (one seed)"
    return f"{statistics.mean(values):.4f}{sd} (n={len(values)})"


def pytest(*arguments: str, **environment: str) -> tuple[bool, str]:
    """Whether the tests passed, and pytest's own summary."""
    code, output, _ = call(sys.executable, "-m", "pytest", *arguments, **environment)
    lines = [line for line in output.strip().splitlines() if " in " in line] or ["no summary"]
    return code == 0 and " passed" in lines[-1], lines[-1].strip("= ")
