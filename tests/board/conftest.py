"""A board and one good entry of the smallest runs, shared: nobody writes into them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from founding import make_board
from tiny import DIGITS


@pytest.fixture(scope="session")
def runs(trained):
    """Three runs of one config; the folder that they lie in is `trained.out`."""
    return [trained(replace(DIGITS, seed=seed)) for seed in range(3)]


@pytest.fixture(scope="session")
def entered(runs, trained, tmp_path_factory):
    """`(board, entry's folder)` of a good entry."""
    from efficient.board.rules import read
    from efficient.board.submission import Statement, submit

    board = make_board(tmp_path_factory.mktemp("board"))
    statement = Statement("digits", "open", "A perceptron", "An author", "16 hidden units.")
    made = submit(board, read(board), runs, runs, trained.out, statement)
    return board, made.folder
