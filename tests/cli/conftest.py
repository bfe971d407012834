"""Commands run in this process, and one finished run that many tests look at."""

from __future__ import annotations

import contextlib
import io
import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from tiny import WORDS

from efficient.cli import main


@dataclass(frozen=True)
class Done:
    """What a command left: its exit code and what it printed."""

    code: int
    out: str
    err: str

    @property
    def document(self):
        return json.loads(self.out)


def invoke(*words: str | Path) -> Done:
    """`efficient WORDS` without a process of its own."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(word) for word in words])
    return Done(code, out.getvalue(), err.getvalue())


@pytest.fixture(scope="session")
def command():
    return invoke


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> tuple[Path, Done]:
    """A folder of runs with one finished baseline on digits, and what its training printed."""
    out = tmp_path_factory.mktemp("runs")
    return out, invoke("train", "digits_mlp", *WORDS, "--out", out, "--json")


TEXT = """
from efficient import Config
from efficient.models.gpt import GPTSpec
from efficient.workloads import LanguageModel

config = Config(
    workload=LanguageModel(data="pystdlib", context=16, windows=8),
    model=GPTSpec(depth=1, width=16, heads=2, hidden=16),
    train_for="4 steps",
    batch_size=4,
    evaluations=1,
)
"""


@pytest.fixture(scope="session")
def text_config(tmp_path_factory) -> Path:
    """A config file of the smallest language model."""
    path = tmp_path_factory.mktemp("configs") / "tiny_text.py"
    path.write_text(TEXT)
    return path
