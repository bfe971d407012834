"""A card for every method: its headings stand, and the command that it shows runs."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from methods import ELSEWHERE, METHODS

from efficient.cli.override import override, variant
from efficient.config import load_preset

CARDS = {path.stem: path for path in sorted(Path("docs/variants").glob("*.md"))}
HEADINGS = [
    "What it does",
    "When to use it",
    "What it costs",
    "What it saves, and on which hardware",
    "Whose idea",
    "Known failure",
    "Try it",
]


def command(path):
    """Words after `efficient train` of the one command of a card."""
    found = re.findall(r"^\$ efficient (.*)$", path.read_text(), re.MULTILINE)
    assert len(found) == 1, f"{path} shows {len(found)} commands"
    words = shlex.split(found[0])
    assert words[0] == "train"
    return words[1:]


def test_every_method_has_a_card_and_every_card_a_method():
    assert set(CARDS) == {*METHODS, *ELSEWHERE}


def test_the_list_of_methods_leads_to_every_card():
    linked = re.findall(r"\(variants/([\w-]+)\.md\)", Path("docs/methods.md").read_text())
    assert sorted(linked) == sorted(CARDS)


@pytest.mark.parametrize("name", CARDS)
def test_a_card_has_its_headings_and_a_source(name):
    text = CARDS[name].read_text()
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == HEADINGS
    assert re.search(r"\b(19|20)\d\d\b", text.split("## Whose idea")[1].split("##")[0])
    assert len(text.splitlines()) <= 45


@pytest.mark.parametrize("name", CARDS)
def test_a_card_shows_settings_that_exist(name):
    preset, *words = command(CARDS[name])
    given = [variant(text) for text in _taken(words, "--variants")]
    assert given or name in ELSEWHERE
    override(load_preset(preset), words)


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in CARDS if n != "fp8-training"])
def test_the_command_of_a_card_runs(name, tmp_path):
    words = ["train", *command(CARDS[name]), "--out", str(tmp_path), "--quiet"]
    done = subprocess.run(
        [sys.executable, "-m", "efficient", *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def _taken(words, option):
    """The values of an option, which are taken out of `words`."""
    if option not in words:
        return []
    start = words.index(option)
    end = next((i for i in range(start + 1, len(words)) if words[i].startswith("--")), len(words))
    values = words[start + 1 : end]
    del words[start:end]
    return values
