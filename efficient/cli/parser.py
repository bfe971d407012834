"""The commands and their options: a literal tree. What a command does is in its own file."""

from __future__ import annotations

import argparse
import importlib
import re
from collections.abc import Callable, Sequence
from typing import Any

from efficient import __version__
from efficient.cli import costing, keeping
from efficient.cli.boarding import add_leaderboard
from efficient.cli.failure import UsageError
from efficient.cli.option import (
    OVERRIDES,
    PLACE,
    Parser,
    add_clock,
    add_config,
    add_fairness,
    add_folders,
    add_json,
    add_out,
    add_run,
    add_site,
    add_target,
    add_terms,
    command,
    count,
    positive,
)

Command = Callable[[argparse.Namespace], int]

DESCRIPTION = "Accuracy against compute, measured: baseline, pruned, quantized, distilled models."

TRAIN = f"""{OVERRIDES}
An interrupted run goes on when the same command is given again.

example:
  efficient train digits_mlp --train-for "5 epochs" --variants prune:sparsity=0.8 quantize
"""


def parse(argv: Sequence[str]) -> tuple[Command, argparse.Namespace]:
    """The command and its arguments; `overrides` holds the words that no option took.

    Words behind `--` are somebody else's and stay as they are.

    Raises:
        UsageError: an unknown command or option, or a value missing.
    """
    own = list(argv).index("--") if "--" in argv else len(argv)
    words = [*map(_dashed, argv[:own]), *argv[own:]]
    parser, commands = _tree()
    first = next((word for word in words if not word.startswith("-")), None)
    if first is not None and first not in commands:
        raise UsageError(f"command {first!r} is unknown; {_nearest(first, commands)}")
    arguments, rest = parser.parse_known_args(words)
    if "command" not in arguments:
        parser.print_help()
        raise SystemExit(0)
    if rest and not arguments.overridable:
        options = arguments.parser._option_string_actions
        raise UsageError(f"option {rest[0]!r} is unknown; {_nearest(rest[0], options)}")
    if rest and arguments.config in words[words.index(rest[0]) :]:
        raise UsageError(f"CONFIG comes before {rest[0]}: {arguments.parser.prog} CONFIG {rest[0]}")
    if arguments.overridable and arguments.help and arguments.config is None:
        arguments.parser.print_help()
        raise SystemExit(0)
    arguments.overrides = rest
    module, _, name = arguments.command.partition(":")
    return getattr(importlib.import_module(f"efficient.cli.{module}"), name), arguments


def _tree() -> tuple[Parser, dict[str, Parser]]:
    parser = Parser(
        prog="efficient", description=DESCRIPTION, epilog="example:\n  efficient train digits_mlp"
    )
    parser.add_argument("--version", action="version", version=f"efficient-jax {__version__}")
    groups = parser.add_subparsers(title="commands", metavar="COMMAND")
    ours = (_train, _control, _compare, _report, _list, _show)
    more = (_export, _bench, _data, _sample, _check, add_leaderboard)
    for add in (*ours, *keeping.COMMANDS, *costing.COMMANDS, *more):
        add(groups)
    return parser, groups.choices


def _train(groups: Any) -> None:
    made = command(
        groups, "train", "train:train", "train one config to its end", TRAIN, overridable=True
    )
    add_config(made)
    add_folders(made, "folder that gets the run's own folder")
    add_json(made)
    made.add_argument("--quiet", action="store_true", help="no progress on stderr")
    help = "also write the curve there as it grows, for TensorBoard"
    made.add_argument("--tensorboard", metavar="DIR", help=help)
    add_terms(made)


def _control(groups: Any) -> None:
    example = "example:\n  efficient control mnist forest:trees=100 --seed 1"
    text = "fit a model without a network, beside which networks are read"
    made = command(groups, "control", "control:control", text, example)
    help = "dataset, preset whose workload is taken, .json file, or a control's run to repeat"
    made.add_argument("workload", metavar="WORKLOAD|RECORD", help=help)
    help = "NAME or NAME:field=value,field=value; NAME is one of `efficient list`"
    made.add_argument("model", metavar="CONTROL", nargs="?", help=help)
    made.add_argument("--seed", type=int, metavar="N", help="of what is random in it (0)")
    add_folders(made, "folder that gets the run's own folder")
    add_json(made)
    add_site(made)


def _compare(groups: Any) -> None:
    example = "example:\n  efficient compare experiments/quickstart --seeds 3 --dry-run"
    text = "train what an experiment lacks, one process per run, then report"
    made = command(groups, "compare", "compare:compare", text, example)
    made.add_argument("experiment", metavar="EXPERIMENT", help="name, folder or Python file")
    seeds = made.add_mutually_exclusive_group()
    seeds.add_argument("--seeds", type=count, metavar="N", help="seeds of each arm")
    help = "add a seed of every arm until each has a verdict"
    seeds.add_argument("--until-decided", action="store_true", help=help)
    help = "where --until-decided ends without one (20)"
    made.add_argument("--max-seeds", type=count, default=20, metavar="N", help=help)
    made.add_argument(
        "--scale", default="", metavar="NAME", help="the same question on a larger machine: gpu"
    )
    add_fairness(made)
    made.add_argument("--dry-run", action="store_true", help="print the runs and minutes only")
    help = "folder of the runs (runs/EXPERIMENT[-SCALE][-tuned][-equal-...])"
    made.add_argument("--out", metavar="DIR", help=help)
    made.add_argument("--data-dir", metavar="DIR", help="TFDS data directory")
    add_clock(made)
    add_target(made)
    add_json(made)
    add_terms(made)


def _report(groups: Any) -> None:
    example = "example:\n  efficient report runs/quickstart --title Quickstart"
    text = "tables, verdicts and a site of finished runs"
    made = command(groups, "report", "compare:report", text, example)
    made.add_argument("directory", metavar="DIR", help=PLACE)
    made.add_argument("--out", metavar="SITE", help="folder of the site (DIR/report)")
    made.add_argument("--title", help="of the site (the name of DIR)")
    help = "figures for a paper among the exports, which takes seconds"
    made.add_argument("--figures", action="store_true", help=help)
    add_clock(made)
    add_target(made)
    add_json(made)


def _list(groups: Any) -> None:
    example = "example:\n  efficient list --out runs/quickstart"
    text = "presets, variants with their defaults, networks, and runs"
    made = command(groups, "list", "listing:listing", text, example)
    add_out(made, "folder of the runs")
    add_json(made)


def _show(groups: Any) -> None:
    example = "example:\n  efficient show digits-baseline-s0 --out runs"
    made = command(groups, "show", "show:show", "one run: scores, bill, evidence", example)
    add_run(made)
    add_json(made)


def _export(groups: Any) -> None:
    example = "example:\n  efficient export digits-baseline-s0 --out digits.artefact"
    text = "the model of a finished run, to run without this package"
    made = command(groups, "export", "export:export", text, example)
    made.add_argument("run", metavar="RUN", help="its folder, id, or the beginning of its id")
    made.add_argument("--out", required=True, metavar="DIR", help="new folder for the artefact")
    made.add_argument("--runs", default="runs", metavar="DIR", help="folder of the runs (runs)")
    add_json(made)


def _bench(groups: Any) -> None:
    example = "example:\n  efficient bench digits-baseline-s0 digits-quantize-s0 --batches 1,128"
    text = "score, size, memory, latency and throughput of shipped models, side by side"
    made = command(groups, "bench", "bench:bench", text, example)
    help = "exported folder, or a run; the first is the reference of every ratio"
    made.add_argument("artefact", metavar="ARTEFACT", nargs="+", help=help)
    help = "sizes to measure; the last is doubled while that pays (1,8,32,128)"
    made.add_argument("--batches", default="1,8,32,128", metavar="N,N,...", help=help)
    help = "for each artefact at each size (1)"
    made.add_argument("--seconds", type=positive, default=1.0, metavar="S", help=help)
    made.add_argument("--data-dir", metavar="DIR", help="TFDS data directory")
    made.add_argument("--runs", default="runs", metavar="DIR", help="folder of the runs (runs)")
    add_json(made)


def _sample(groups: Any) -> None:
    example = 'example:\n  efficient sample pystdlib-baseline-s0 --prompt "def " --length 200'
    made = command(groups, "sample", "sample:sample", "text from a language model", example)
    add_run(made)
    made.add_argument("--prompt", default="\n", metavar="TEXT", help="what it goes on from")
    made.add_argument("--length", type=count, default=256, metavar="N", help="tokens (256)")
    made.add_argument("--temperature", type=float, default=1.0, help="0: most probable (1.0)")
    made.add_argument("--seed", type=int, default=0, metavar="N", help="of the samples (0)")
    add_json(made)


def _check(groups: Any) -> None:
    example = "example:\n  efficient check my_method:MyVariant"
    text = "the contract tests of a variant, on two tiny runs"
    made = command(groups, "check", "check:check", text, example)
    help = "name or your own module:Attribute, and its settings as in --variants"
    made.add_argument("variant", metavar="VARIANT", help=help)
    add_json(made)


def _data(groups: Any) -> None:
    example = "example:\n  efficient data prepare mnist --data-dir ~/tensorflow_datasets"
    made = groups.add_parser("data", help="datasets: list, prepare, show", epilog=example)
    made.set_defaults(parser=made, overridable=False)
    actions = made.add_subparsers(metavar="ACTION", required=True)
    listing = command(actions, "list", "data:listing", "what is known and prepared", "")
    prepare = command(actions, "prepare", "data:prepare", "download, check and store", example)
    show = command(actions, "show", "data:show", "shapes, splits and fingerprint", "")
    prepare.add_argument("--manual-dir", metavar="DIR", help="folder with the upstream files")
    for action in (listing, prepare, show):
        if action is not listing:
            action.add_argument("name", metavar="NAME", help="digits, or any TFDS name")
        action.add_argument("--data-dir", metavar="DIR", help="TFDS data directory")
        add_json(action)


def _dashed(word: str) -> str:
    """--train_for as --train-for; values are left as they are."""
    name = re.match(r"--[\w.\-]+", word)
    return name[0].replace("_", "-") + word[name.end() :] if name else word


def _nearest(name: str, names: Any) -> str:
    from efficient.config import nearest

    return nearest(name, names)
