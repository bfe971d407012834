"""`efficient leaderboard`: who claims what, and who has checked."""

from __future__ import annotations

import argparse
from pathlib import Path

from efficient.board import rules as rule
from efficient.board.entry import Opened, open_entry
from efficient.board.error import BoardError
from efficient.cli.output import document, say
from efficient.ledger.codec import to_dict


def init(arguments: argparse.Namespace) -> int:
    """A folder with rules, a workflow and a page that says how to take part."""
    from efficient.board.foundation import found

    board = Path(arguments.directory)
    found(board)
    print(board / rule.RULES)
    return 0


def submit(arguments: argparse.Namespace) -> int:
    """One sealed entry."""
    from efficient.board.submission import Statement, choose
    from efficient.board.submission import submit as make

    board, out = Path(arguments.board), Path(arguments.out)
    rules = rule.read(board)
    target, _ = rules.place(arguments.target, arguments.track)
    runs, every = choose(arguments.runs, out, target.workload["data"])
    statement = Statement(
        target=arguments.target,
        track=arguments.track,
        name=arguments.name,
        author=arguments.author,
        description=arguments.description,
        code=tuple(map(Path, arguments.code)),
        elsewhere=arguments.elsewhere,
    )
    made = make(board, rules, runs, every, out, statement)
    return _told(made, arguments.json)


def verify(arguments: argparse.Namespace) -> int:
    """Static checks, FLOPs counted again, artefacts scored again; and more where it is asked."""
    from efficient.board.verification import Asked, keep
    from efficient.board.verification import verify as examine

    folder = Path(arguments.entry)
    board = _board(arguments.board, folder)
    rules, opened = rule.read(board), open_entry(folder)
    copy = Path(arguments.artefacts) if arguments.artefacts else None
    asked = Asked(arguments.data_dir, copy, arguments.fetch)
    made = examine(opened, rules, asked, lambda line: say(f"{opened.entry.id}: {line}"))
    if not arguments.no_write:
        keep(board, made)
    if arguments.json:
        document(to_dict(made) | {"tier": made.tier})
        return 0
    print(f"{made.entry}: {made.tier}")
    for step in made.steps:
        print(f"  {step.tier}: {step.found}")
    for note in made.notes:
        print(f"  {note}")
    return 0


def _board(given: str | None, folder: Path) -> Path:
    """The board that is given, else the one in which the entry lies."""
    if given:
        return Path(given)
    above = folder.resolve().parents
    found = next((path for path in above if (path / rule.RULES).is_file()), None)
    if found is None:
        raise BoardError(f"{folder} lies in no board; give --board")
    return found


def _told(made: Opened, as_json: bool) -> int:
    if as_json:
        document(to_dict(made.entry) | {"folder": str(made.folder)})
    else:
        claim = made.entry.claim
        p = "" if claim.p is None else f", p {claim.p:.2g}"
        print(f"{made.folder}: {len(made.entry.runs)} runs, mean {claim.quality:.6g}{p}")
    return 0
