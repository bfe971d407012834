"""From runs to an entry, and the command that makes it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from founding import make_board

from efficient.board.entry import IDENTITY, open_entry
from efficient.board.error import BoardError
from efficient.board.submission import Statement, _identity, choose
from efficient.cli import main


def test_the_id_of_an_entry_keeps_its_digest(runs):
    words = Statement("t" * 40, "r" * 40, "n" * 60)
    found = {_identity(words, [run]) for run in runs}
    assert len(found) == len(runs) and {len(one) for one in found} == {100}
    assert all(IDENTITY.fullmatch(one) for one in found)
    short = _identity(Statement("digits", "open", "A  name!"), runs)
    assert re.fullmatch(r"digits-open-a-name-[0-9a-f]{8}", short)


def test_runs_are_named_by_id_or_arm(runs, trained):
    beginning = runs[1].run_id.removesuffix("-0001")  # other tests' runs lie there as well
    chosen, every = choose([beginning], trained.out, "digits")
    assert chosen == [runs[1]] and len(every) >= 3
    with pytest.raises(BoardError, match="no finished run 'basline' of digits"):
        choose(["basline"], trained.out, "digits")


def test_a_submission_by_the_command(runs, trained, tmp_path, capsys):
    board = make_board(tmp_path / "board")
    command = ["leaderboard", "submit", *(run.run_id for run in runs), "--board", str(board)]
    command += ["--out", str(trained.out), "--target", "digits", "--track", "fixed"]
    assert main([*command, "--name", "By hand", "--json"]) == 0
    folder = json.loads(capsys.readouterr().out)["folder"]
    assert open_entry(Path(folder)).entry.track == "fixed"
    assert main([*command, "--name", "By hand"]) == 1
    assert "is there already" in capsys.readouterr().err


def test_states_of_a_submission_are_trained_on_the_data_that_are_given(
    runs, trained, tmp_path, monkeypatch
):
    from efficient.board import segment

    asked = []
    monkeypatch.setattr(segment, "commit", lambda *words: asked.append(words[-1]) or ({}, ()))
    board = make_board(tmp_path / "board")
    command = ["leaderboard", "submit", *(run.run_id for run in runs), "--board", str(board)]
    command += ["--out", str(trained.out), "--target", "digits", "--track", "open"]
    assert main([*command, "--name", "x", "--checkpoints", "2", "--data-dir", "there"]) == 0
    assert asked == ["there"]


def test_the_help_of_an_option_is_its_own(capsys):
    assert main(["leaderboard", "submit", "--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "--code [FILE ...] a user's own variant" in said
    assert "--checkpoints N train the first run once more" in said
