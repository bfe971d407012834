"""Rules are read strictly: a mistake is one line with the nearest name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from founding import RULES, make_board

from efficient.board.error import BoardError
from efficient.board.foundation import found
from efficient.board.rules import read

MISTAKES = {
    "unknown key": ('title = "A test"', 'titel = "A test"', "did you mean 'title'?"),
    "unknown key below": ("ranked_by", "rankedby", "did you mean 'ranked_by'?"),
    "missing key": ('title = "A test"', "", "'title' is missing"),
    "type": ("runs = 3", 'runs = "3"', "expected int, found '3'"),
    "column": ('"stored_bytes"', '"stored_byte"', "did you mean 'stored_bytes'?"),
    "track": ('["open"]', '["opne"]', "did you mean 'open'?"),
    "class": ('hardware = ["gpu"]', 'hardware = ["gpus"]', "did you mean 'gpu'?"),
    "platform": ('platform = "gpu"', 'platform = "quantum"', "did you mean 'tpu'?"),
    "quality": ('quality = "loss"', 'quality = "los"', "did you mean 'loss'?"),
    "kind": ('"code"]', '"cod"]', "did you mean 'code'?"),
    "too few runs": ("runs = 3", "runs = 1", "runs 1 must be from 2"),
    "level": ("level = 0.05", "level = 0.9", "level 0.9 must be"),
    "level is no number": ("level = 0.05", "level = nan", "level nan must be"),
    "value": ("value = 0.2", "value = 1.5", "must be above 0 and below 1"),
    "value is infinite": ("value = 0.2", "value = inf", "too large a number"),
    "neither value nor rule": ('rule = "mean loss of the baseline"', "", "value is missing"),
    "limit": ("total_s = 3600.0", "total_s = -1", "must be a number above 0"),
    "limit of nothing": ("total_s = 3600.0", "totals = 1", "did you mean 'total_s'?"),
    "fixed without a model": ('model = { type = "mlp", hidden = [16] }', "", "model is missing"),
    "workload": ('type = "images", data = "digits" }\nmodel', "}\nmodel", "workload"),
    "name": ("[targets.later]", '[targets."La ter"]', "must be of a-z"),
    "version": ("version = 2", "version = 0", "version 0 must be"),
    "no TOML": ("version = 2", "version = = 2", "board.toml"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line(name, tmp_path):
    old, new, words = MISTAKES[name]
    assert old in RULES
    with pytest.raises(BoardError, match=re.escape(words)) as caught:
        read(make_board(tmp_path, RULES.replace(old, new, 1)))
    assert "\n" not in str(caught.value) and "board.toml" in str(caught.value)


def test_no_board_says_how_to_found_one(tmp_path):
    with pytest.raises(BoardError, match="efficient leaderboard init"):
        read(tmp_path)


def test_a_founded_board_can_be_read_and_is_not_overwritten(tmp_path):
    rules = found(tmp_path / "board")
    assert rules.place("digits", "open")[0].value == 0.97
    assert Path(tmp_path, "board", ".github", "workflows", "verify.yml").is_file()
    with pytest.raises(BoardError, match="exists"):
        found(tmp_path / "board")


def test_the_workflow_reads_only_and_has_no_secrets(tmp_path):
    import yaml

    found(tmp_path)
    text = (tmp_path / ".github/workflows/verify.yml").read_text()
    flow = yaml.safe_load(text)
    assert flow["permissions"] == {"contents": "read"}
    assert flow[True] == "pull_request", "whatever it touches"  # YAML reads `on` as true
    assert "secrets" not in text.replace("no secrets", "") and "@VERSION@" not in text
    used = [step["uses"] for step in flow["jobs"]["verify"]["steps"] if "uses" in step]
    assert used and all(re.search(r"@v\d+\.\d+\.\d+$", name) for name in used)
    assert "--replay" not in text


def test_unknown_places_name_the_nearest(tmp_path):
    rules = read(make_board(tmp_path))
    with pytest.raises(BoardError, match="did you mean 'digits'"):
        rules.place("digit", "open")
    with pytest.raises(BoardError, match="did you mean 'open'"):
        rules.place("digits", "opn")
