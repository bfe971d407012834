"""Each of the hostile corpus is refused in one line; nothing is executed, the board unharmed."""

from __future__ import annotations

import html
import shutil
from pathlib import Path

import pytest
from hostile import CANARY, CORPUS, COUNTED, SCORED, STATIC, in_entry

from efficient.board import configuration, recount, rescoring
from efficient.board.entry import open_entry
from efficient.board.error import BoardError, refusing
from efficient.board.page import build
from efficient.board.rules import read
from efficient.board.verification import inspect
from efficient.cli import main
from efficient.ledger.store import digest_file


def contents(board: Path) -> dict[str, str]:
    """Digest of every file of a board; where a link leads is not asked."""
    paths = (p for p in sorted(board.rglob("*")) if p.is_file() and not p.is_symlink())
    return {str(p.relative_to(board)): digest_file(p) for p in paths}


@pytest.fixture
def attacked(entered, tmp_path, monkeypatch):
    """A copy of the board, and of its entry, in a folder of its own that is the current one."""
    board, folder = entered
    copy = shutil.copytree(board, tmp_path / "board")
    monkeypatch.chdir(tmp_path)
    return copy, copy / "entries" / folder.name


def refusal(board: Path, folder: Path) -> tuple[str, str]:
    """The tier that refuses an entry, and its line."""
    tier = STATIC
    try:
        opened = open_entry(folder)
        inspect(opened, read(board))
        tier = COUNTED
        decoded = configuration.decode(opened)
        counted = recount.check(decoded)
        tier = SCORED
        rescoring.rescore(opened, decoded, counted)
    except BoardError as error:
        return tier, str(error)
    return "", "nobody refused it"


@pytest.mark.parametrize("name", CORPUS)
def test_is_refused_in_one_line(name, attacked):
    board, folder = attacked
    hostile = CORPUS[name]
    hostile.build(folder)
    before = contents(board)
    tier, line = refusal(board, folder)
    assert hostile.words in line
    assert tier == hostile.tier, line
    assert line.isprintable() and len(line) <= 300
    assert contents(board) == before
    assert not Path(CANARY).exists()


@pytest.mark.parametrize("name", CORPUS)
def test_the_page_is_built_around_it(name, attacked, tmp_path):
    board, folder = attacked
    good = folder.with_name("good")
    shutil.copytree(folder, good)
    in_entry(lambda entry: entry.update(id="good", name="The good one"))(good)
    CORPUS[name].build(folder)
    before = contents(board)
    page, _ = build(board, read(board), tmp_path / "site")
    shown = html.unescape(page.read_text())
    assert "The good one" in shown
    refused = CORPUS[name].tier == STATIC
    assert not refused or CORPUS[name].words in shown or "waits for rescore" in shown
    assert shown.count("(n = ") == (1 if refused else 2), "of a refused entry no number is shown"
    assert contents(board) == before and not Path(CANARY).exists()


@pytest.mark.parametrize(
    "name", ["zip-slip", "text turned around", "module:attribute in the config"]
)
def test_the_command_says_it_in_one_line(name, attacked, capsys):
    board, folder = attacked
    CORPUS[name].build(folder)
    before = contents(board)
    assert main(["leaderboard", "verify", str(folder)]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    faults = [line for line in said.err.splitlines() if line.startswith("efficient: error: ")]
    assert len(faults) == 1 and CORPUS[name].words in faults[0]
    assert contents(board) == before and not Path(CANARY).exists()


def test_what_no_check_foresaw_is_one_line_as_well():
    line = r"^entry x: its numbers cannot be: too large$"
    with pytest.raises(BoardError, match=line), refusing("entry x"):
        raise OverflowError("too large")
    with pytest.raises(BoardError, match=r"^entry x: as it was$"), refusing("entry x"):
        raise BoardError("as it was")


@pytest.mark.parametrize(
    ("part", "name"),
    [
        ("model", ["mine:Net"]),
        ("model", "other:Net"),
        ("workload", "mine:Images"),
        ("variants", "mine"),
    ],
)
def test_a_code_entry_names_its_own_files_and_no_others(part, name):
    own = {"type": "mine:Net"}
    config = {"workload": {"type": "images"}, "model": own, "variants": [own]}
    configuration.check_names(config, own=frozenset({"mine"}))
    config[part] = [{"type": name}] if part == "variants" else {"type": name}
    with pytest.raises(BoardError, match=rf"config\.{part}"):
        configuration.check_names(config, own=frozenset({"mine"}))


def test_the_good_entry_is_refused_by_nobody(attacked):
    assert refusal(*attacked) == ("", "nobody refused it")
