"""The records that scripts/bench_report makes are records, and compared like any others."""

from __future__ import annotations

import importlib.machinery
import importlib.util
from pathlib import Path

import pytest

from efficient.compare.folder import read

SCRIPT = Path(__file__).parents[1] / "scripts" / "bench_report"


@pytest.fixture(scope="module")
def bench():
    loader = importlib.machinery.SourceFileLoader("bench_report", str(SCRIPT))
    spec = importlib.util.spec_from_loader("bench_report", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def test_made_records_are_valid_and_of_arms_with_as_many_seeds(bench, tmp_path):
    bench.write(tmp_path / "records.jsonl", 140, seeds=2)
    found = read(tmp_path)
    assert (len(found.records), found.complaints) == (140, ())
    assert {row.n for row in found.rows} == {2} and len(found.rows) == 70
    assert sum(row.arm == "baseline" for row in found.rows) == 2
    assert any(row.arm.startswith("magnitude 1 @ ") for row in found.rows), "a second generation"
    assert len({row.quality.values for row in found.rows}) == 70
