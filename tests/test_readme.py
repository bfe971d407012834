"""scripts/readme: the README says what the committed records say."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def written():
    """What the script would write, by path."""
    found: dict[Path, str] = {}
    main = runpy.run_path(str(ROOT / "scripts" / "readme"))["main"]
    main.__globals__["write_text"] = found.__setitem__
    main()
    return found


def test_the_readme_is_the_generated_one(written):
    assert written[ROOT / "README.md"] == (ROOT / "README.md").read_text()


def test_every_plot_has_the_baseline_and_its_file_is_kept(written):
    plots = {path: text for path, text in written.items() if path.suffix == ".svg"}
    assert plots
    for path, text in plots.items():
        assert path.is_file() and ">baseline</text>" in text


def test_a_table_chooses_by_size_and_by_nothing_else(written):
    block = written[ROOT / "README.md"].partition("<details>")[0]
    factors = [
        float(line.split("|")[4].strip().lstrip("\N{MULTIPLICATION SIGN}"))
        for line in block.splitlines()
        if " @ " in line
    ]
    assert len(factors) > 10 and all(0.2 < factor < 0.35 for factor in factors)
