"""What the documents show is run: files and commands of the tutorial, outside the checkout."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from efficient.cli.override import override
from efficient.cli.parser import _tree, parse
from efficient.config import load_preset
from efficient.ledger.bill import Cost
from efficient.ledger.record import LAPS
from efficient.models.reference import REFERENCES

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
BLOCK = re.compile(r"^```(\w+)(?: title=(\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(text: str) -> list[tuple[str, str, str]]:
    """(language, title or "", content) of every fenced block."""
    return [(m[1], m[2] or "", m[3]) for m in BLOCK.finditer(text)]


def commands(text: str) -> list[list[str]]:
    """Words after `efficient` of every command in the console blocks."""
    lines = [
        line for kind, _, body in blocks(text) if kind == "console" for line in body.split("\n")
    ]
    found = [shlex.split(line.removeprefix("$ ")) for line in lines if line.startswith("$ ")]
    assert all(words[0] == "efficient" for words in found)
    return [words[1:] for words in found]


def run(folder: Path, words: list[str]) -> subprocess.CompletedProcess[str]:
    """`efficient WORDS` in a folder; programs that were compiled once are not compiled again."""
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "JAX_COMPILATION_CACHE_DIR": str(folder / "compiled"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    command = [sys.executable, "-m", "efficient", *words]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def tutorial(tmp_path_factory) -> tuple[Path, str]:
    """A folder with the tutorial's files, and its text."""
    folder, text = tmp_path_factory.mktemp("own"), (DOCS / "your-own-method.md").read_text()
    files = [(title, body) for kind, title, body in blocks(text) if kind == "python"]
    assert files and all(title for title, _ in files)
    for title, body in files:
        (folder / title).parent.mkdir(exist_ok=True)
        (folder / title).write_text(body)
    return folder, text


@pytest.mark.slow
def test_tutorial_runs_as_it_is_written(tutorial):
    folder, text = tutorial
    found = commands(text)
    assert {words[0] for words in found} == {"check", "train", "compare", "flops"}
    for words in found:
        done = run(folder, words)
        assert done.returncode == 0, f"{shlex.join(words)}\n{done.stdout}\n{done.stderr}"
        if words[0] == "check":
            counts = re.findall(r"executed FLOPs can be counted: ([\d,]+)", done.stdout)
            assert f"executed FLOPs can be counted: {counts[0]} a step" in text
    assert (folder / "runs" / "freezing" / "report" / "index.html").is_file()


def test_tutorial_method_is_small(tutorial):
    folder, _ = tutorial
    lines = (folder / "my_method.py").read_text().split("@dataclass", 1)[1].splitlines()
    assert len([line for line in lines if line.strip()]) <= 30


def test_guide_names_every_command():
    guide = (DOCS / "guide.md").read_text()
    missing = [name for name in _tree()[1] if f"efficient {name}" not in guide]
    assert missing == []


@pytest.mark.parametrize("words", commands((DOCS / "guide.md").read_text()), ids=shlex.join)
def test_guide_shows_commands_and_options_that_exist(words):
    command, arguments = parse(words)
    assert callable(command)
    if arguments.overridable and words[1] not in REFERENCES:
        assert override(load_preset(words[1]), arguments.overrides) is not None


def test_accounting_explains_every_column_and_lap():
    text = (DOCS / "accounting.md").read_text()
    columns = [name for name in Cost.__dataclass_fields__ if name not in ("unknown", "processes")]
    assert [name for name in (*columns, *LAPS) if f"`{name}`" not in text] == []


@pytest.mark.parametrize("path", [ROOT / "README.md", *DOCS.glob("*.md")], ids=lambda p: p.name)
def test_links_between_documents_lead_somewhere(path):
    targets = re.findall(r"\]\(([^)#:]+?)(?:#[\w-]+)?\)", path.read_text())
    assert [target for target in targets if not (path.parent / target).exists()] == []
