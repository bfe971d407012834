"""`efficient leaderboard`: who claims what, and who has checked."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from efficient.board import rules as rule
from efficient.board.entry import ENTRIES, Opened, open_entry
from efficient.board.error import BoardError
from efficient.cli.output import document, say, warn
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
    from efficient.board.submission import Extra, Statement, choose
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
    with tempfile.TemporaryDirectory(prefix="efficient-states-") as folder:
        extra = None
        if arguments.checkpoints:
            from efficient.board.segment import commit

            say(f"{runs[0].run_id}: trained once more, for its states")
            count, data_dir = arguments.checkpoints, arguments.data_dir
            extra = Extra(*commit(runs[0], count, Path(folder), data_dir))
        made = make(board, rules, runs, every, out, statement, extra)
    return _told(made, arguments.json)


def verify(arguments: argparse.Namespace) -> int:
    """Static checks, FLOPs counted again, artefacts scored again; and more where it is asked."""
    from efficient.board.verification import Asked, keep
    from efficient.board.verification import verify as examine

    folder = Path(arguments.entry)
    board = _board(arguments.board, folder)
    rules, opened = rule.read(board), open_entry(folder)
    copy = Path(arguments.artefacts) if arguments.artefacts else None
    against = open_entry(Path(arguments.retime)) if arguments.retime else None
    questioned = opened.entry.challenges
    challenged = open_entry(board / ENTRIES / questioned) if questioned else None
    more = arguments.replay, arguments.replay_segment, against, challenged
    asked = Asked(arguments.data_dir, copy, arguments.fetch, *more)
    made = examine(opened, rules, asked, lambda line: say(f"{opened.entry.id}: {line}"))
    if not arguments.no_write:
        made = keep(board, made)
    if arguments.json:
        document(to_dict(made) | {"tier": made.tier})
        return 0
    print(f"{made.entry}: {made.tier}")
    for step in made.steps:
        print(f"  {step.tier}: {step.found}")
    for note in made.notes:
        print(f"  {note}")
    return 0


def build(arguments: argparse.Namespace) -> int:
    """The page."""
    from efficient.board.page import build as write

    board = Path(arguments.board)
    page, faults = write(board, rule.read(board), Path(arguments.out or board / "site"))
    for fault in faults:
        warn(fault)
    if arguments.json:
        document({"page": str(page), "faults": faults})
    else:
        print(page)
    return 1 if faults else 0


def challenge(arguments: argparse.Namespace) -> int:
    """A sceptical rerun, beside the entry."""
    from efficient.board.challenge import challenge as make
    from efficient.board.submission import Statement, choose

    folder, out = Path(arguments.entry), Path(arguments.out)
    board = _board(arguments.board, folder)
    rules, entry = rule.read(board), open_entry(folder)
    target, _ = rules.place(entry.entry.target, entry.entry.track)
    runs, every = choose(arguments.runs, out, target.workload["data"])
    words = arguments.name, arguments.author, arguments.description
    statement = Statement("", "", *words, elsewhere=arguments.elsewhere)
    made, found = make(board, rules, entry, runs, every, out, statement)
    if arguments.json:
        document(to_dict(made.entry) | {"folder": str(made.folder), "verdict": to_dict(found)})
    else:
        apart = f"{found.lost:.4g} ({found.low:.4g} to {found.high:.4g})"
        print(f"{made.folder}: {found.word}; mean {found.mean:.6g}, {apart} short of the claim")
    return 0


def rescore(arguments: argparse.Namespace) -> int:
    """Every entry under the rules of today."""
    from efficient.board.revision import rescore as judge_again

    board = Path(arguments.board)
    made, faults = judge_again(board, rule.read(board))
    for fault in faults:
        warn(fault)
    if arguments.json:
        document([to_dict(one) | {"tier": one.tier} for one in made])
    else:
        for one in made:
            print(f"{one.entry}: {one.refused or f'stands under rules {one.rules}, {one.tier}'}")
    return 1 if faults else 0


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
