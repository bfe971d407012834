"""The board of this package's own runs keeps its own rules."""

from __future__ import annotations

from pathlib import Path

import pytest

from efficient.board.entry import open_entry
from efficient.board.page import standings
from efficient.board.rules import read
from efficient.board.submission import entries
from efficient.board.verification import RESCORED, SELF_REPORTED, TIERS, inspect, recall

BOARD = Path(__file__).parents[2] / "experiments" / "leaderboard"


@pytest.mark.parametrize("folder", entries(BOARD), ids=lambda path: path.name)
def test_an_entry_is_what_was_verified(folder):
    opened = open_entry(folder)
    inspect(opened, read(BOARD))
    made = recall(BOARD, opened.entry.id, opened.entry.seal)
    assert made is not None and made.tier != "unverified"
    shipped = any(name.startswith("artefacts/") for name in opened.entry.files)
    highest = TIERS.index(made.tier)
    assert highest >= TIERS.index(RESCORED) if shipped else made.tier == SELF_REPORTED


def test_every_entry_is_ranked():
    places, faults = standings(BOARD, read(BOARD))
    assert places and not faults
    assert [place.why for place in places if place.why] == []


def test_the_artefacts_of_the_entry_of_digits_score_what_is_claimed():
    from efficient.board import configuration, recount, rescoring

    (folder,) = BOARD.glob("entries/digits-fixed-*")
    opened = open_entry(folder)
    decoded = configuration.decode(opened)
    shipped = rescoring.rescore(opened, decoded, recount.check(decoded))
    assert [each.score.accuracy for each in shipped] == pytest.approx(opened.entry.claim.qualities)
