"""Options of `efficient leaderboard` and its actions."""

from __future__ import annotations

import argparse
from typing import Any

from efficient.cli.option import Parser, add_json, command, count

MODULE = "leaderboard"


def add_leaderboard(groups: Any) -> None:
    """Found a board, submit to it, verify what is sent, show it."""
    example = "example:\n  efficient leaderboard init board"
    text = "a board of claims: rules, entries, and who has checked them"
    made = groups.add_parser("leaderboard", help=text, description=text, epilog=example)
    made.set_defaults(parser=made, overridable=False)
    actions = made.add_subparsers(metavar="ACTION", required=True)
    for add in (_init, _submit, _verify, _build, _challenge, _rescore):
        add(actions)


def _init(actions: Any) -> None:
    text = "a folder with rules, and a workflow that verifies what is sent"
    made = command(actions, "init", f"{MODULE}:init", text, "")
    made.add_argument("directory", metavar="DIR", help="new folder, or one without a board.toml")


def _submit(actions: Any) -> None:
    example = (
        "example:\n  efficient leaderboard submit digits-baseline --board board --target digits "
        '--track open --name "A perceptron"'
    )
    text = "check the rules and write one sealed entry"
    made = command(actions, "submit", f"{MODULE}:submit", text, example)
    made.add_argument("--board", required=True, metavar="DIR", help="folder of the board")
    _add_runs(made)
    made.add_argument("--target", required=True, metavar="NAME", help="of board.toml")
    made.add_argument("--track", required=True, metavar="NAME", help="of board.toml")
    help = "a user's own variant or model, a Python file that lies beside the runs' config"
    made.add_argument("--code", nargs="*", default=[], metavar="FILE", help=help)
    help = "train the first run once more and send so many states of it along"
    made.add_argument("--checkpoints", type=count, default=0, metavar="N", help=help)
    made.add_argument("--data-dir", metavar="DIR", help="TFDS data directory")


def _verify(actions: Any) -> None:
    example = "example:\n  efficient leaderboard verify board/entries/ENTRY"
    text = "check an entry; nothing of it is executed"
    made = command(actions, "verify", f"{MODULE}:verify", text, example)
    made.add_argument("entry", metavar="ENTRY", help="its folder")
    made.add_argument("--board", metavar="DIR", help="whose rules count (where the entry lies)")
    help = "folder with a copy of artefacts that lie elsewhere"
    made.add_argument("--artefacts", metavar="DIR", help=help)
    made.add_argument("--fetch", action="store_true", help="get those from their addresses")
    help = "train so many runs again, drawn by chance (1)"
    made.add_argument("--replay", type=count, nargs="?", const=1, default=0, metavar="N", help=help)
    help = "repeat so much of a run from committed states, as 1%%"
    made.add_argument("--replay-segment", type=share, default=0.0, metavar="SHARE", help=help)
    help = "another entry: time both in turns, on this machine"
    made.add_argument("--retime", metavar="ENTRY", help=help)
    made.add_argument("--no-write", action="store_true", help="write no verification down")
    made.add_argument("--data-dir", metavar="DIR", help="TFDS data directory")
    add_json(made)


def _build(actions: Any) -> None:
    example = "example:\n  efficient leaderboard build --board board --out site"
    made = command(actions, "build", f"{MODULE}:build", "the page of the board", example)
    made.add_argument("--board", default=".", metavar="DIR", help="folder of the board (.)")
    made.add_argument("--out", metavar="DIR", help="folder of the page (BOARD/site)")
    add_json(made)


def _challenge(actions: Any) -> None:
    words = "leaderboard challenge board/entries/ENTRY digits-baseline --name Rerun"
    example = f"example:\n  efficient {words}"
    text = "keep a sceptical rerun beside an entry"
    made = command(actions, "challenge", f"{MODULE}:challenge", text, example)
    made.add_argument("entry", metavar="ENTRY", help="its folder")
    made.add_argument("--board", metavar="DIR", help="folder of the board (where the entry lies)")
    _add_runs(made)


def _rescore(actions: Any) -> None:
    text = "judge every entry by the rules of today"
    made = command(actions, "rescore", f"{MODULE}:rescore", text, "")
    made.add_argument("--board", default=".", metavar="DIR", help="folder of the board (.)")
    add_json(made)


def _add_runs(made: Parser) -> None:
    help = "a run's id, the beginning of ids, or an arm"
    made.add_argument("runs", metavar="RUN", nargs="+", help=help)
    made.add_argument("--out", default="runs", metavar="DIR", help="folder of the runs (runs)")
    made.add_argument("--name", required=True, metavar="TEXT", help="of the ranking, ASCII")
    made.add_argument("--author", default="", metavar="TEXT", help="who says so")
    made.add_argument("--description", default="", metavar="TEXT", help="what was done")
    help = "https address under which the artefacts will lie, which are then left out"
    made.add_argument("--elsewhere", default="", metavar="URL", help=help)
    add_json(made)


def share(text: str) -> float:
    """A percentage, as 1%, as a fraction."""
    try:
        value = float(text.removesuffix("%")) / 100
    except ValueError:
        value = 0.0
    if not (text.endswith("%") and 0 < value <= 1):
        raise argparse.ArgumentTypeError(f"{text!r} is no share, as 1%")
    return value
