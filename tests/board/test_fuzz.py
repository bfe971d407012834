"""Whatever stands in an entry, it is read or refused in one line."""

from __future__ import annotations

import json
import random
import shutil

import pytest
from hostile import in_entry, in_records, seal
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from efficient.board import configuration
from efficient.board.document import bounded
from efficient.board.entry import open_entry
from efficient.board.error import BoardError
from efficient.board.rules import read
from efficient.board.verification import inspect

VALUES = (
    None, True, -1, 0, 10**400, 1e308, -0.0, "", "x" * 5000, "../../x", "/dev/zero", "mine:Net",
    "\u202e", "<script>", [], [[]], {}, {"type": "mlp"}, {"": None}, [None] * 50, "NaN", "é",
)  # fmt: skip
PIECES = (
    '"',
    "\\",
    "{",
    "]",
    ",",
    "NaN",
    "1e999",
    '{"a":' * 300,
    "\x00",
    "\ufeff",
    "[" * 99,
    "9" * 5000,
)


@pytest.fixture(scope="module")
def place(entered, tmp_path_factory):
    """A board, the good entry, and where a changed copy of it goes."""
    board, folder = entered
    copy = shutil.copytree(board, tmp_path_factory.mktemp("fuzz") / "board")
    return copy, folder, copy / "entries" / folder.name


def leaves(value, found):
    for key in list(value) if isinstance(value, dict) else range(len(value)):
        found.append((value, key))
        if isinstance(value[key], (dict, list)):
            leaves(value[key], found)
    return found


def change(chance):
    """Other values in the places of some, some keys gone."""

    def build(tree):
        for _ in range(chance.choice((1, 1, 2, 4))):
            holder, key = chance.choice(leaves(tree, []))
            if isinstance(holder, dict) and key in holder and chance.random() < 0.1:
                del holder[key]
            elif not isinstance(holder, dict) or key in holder:
                holder[key] = chance.choice(VALUES)

    return build


def refusal(board, folder, deep) -> str:
    """Why the entry is refused; empty where it is read."""
    try:
        opened = open_entry(folder)
        inspect(opened, read(board))
        if deep:
            configuration.decode(opened)
    except BoardError as error:
        return str(error)
    return ""


def is_one_line(text: str) -> bool:
    return text.isprintable() and len(text) <= 300


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_other_values_are_refused_in_one_line(place, seed):
    board, good, folder = place
    chance = random.Random(seed)
    shutil.rmtree(folder)
    shutil.copytree(good, folder)
    build = chance.choice((in_entry, in_records))(change(chance))
    try:
        build(folder)
    except (TypeError, KeyError):
        reject()  # a tree without what the attack itself needs
    assert is_one_line(refusal(board, folder, deep=chance.random() < 0.3))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_other_text_is_refused_in_one_line(place, seed):
    board, good, folder = place
    chance = random.Random(seed)
    shutil.rmtree(folder)
    shutil.copytree(good, folder)
    name = chance.choice(("entry.json", "records.jsonl"))
    text = (folder / name).read_text()
    for _ in range(chance.choice((1, 3))):
        begin = chance.randrange(len(text))
        text = text[:begin] + chance.choice(PIECES) + text[begin + chance.choice((0, 1, 50)) :]
    (folder / name).write_text(text)
    if name != "entry.json":
        seal(folder, json.loads((folder / "entry.json").read_text()))
    assert is_one_line(refusal(board, folder, deep=False))


@pytest.mark.parametrize("text", [b'"' + b'\\"' * 10**6, b'{"a": "' * 10**5, b'\\"' * 10**6])
def test_bounds_are_checked_in_one_pass(text):
    """In two, one within the other, this would take hours."""
    with pytest.raises(BoardError):
        bounded(text + b"[" * 99, "text")
