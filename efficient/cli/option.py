"""Options that several commands share, and the parser whose mistakes are one line."""

from __future__ import annotations

import argparse
from typing import Any, NoReturn

from efficient.cli.failure import UsageError

OVERRIDES = """
Overrides are dotted fields of the config, typed: --optimizer.lr 0.1 --model.hidden 100 50
--train-for "200 steps" --seed 3 --start RUN. `efficient train CONFIG --help` lists those of CONFIG.
--model and --workload also take module:Attribute, your own class, with its default fields.

A variant is NAME or NAME:field=value,field=value; NAME is one of `efficient list` or your own
module:Attribute. A field with several values takes them with spaces: "NAME:field=1 2 3".
"""

PLACE = "folder with runs at any depth, or a prefix as gs://BUCKET/LEDGER"


class Parser(argparse.ArgumentParser):
    """Mistakes are raised instead of printed; abbreviations of options are refused."""

    def __init__(self, **options: Any) -> None:
        options |= {"allow_abbrev": False}
        super().__init__(**options, formatter_class=argparse.RawDescriptionHelpFormatter)

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see {self.prog} --help")


def command(
    groups: Any, name: str, command: str, text: str, epilog: str, overridable: bool = False
) -> Parser:
    """A command whose function is `module:function` of this folder."""
    options: dict[str, Any] = {"add_help": False} if overridable else {}
    made = groups.add_parser(name, help=text, description=text, epilog=epilog, **options)
    made.set_defaults(command=command, parser=made, overridable=overridable)
    return made


def add_config(made: Parser) -> None:
    text = "preset's name, .py or .json file, or a run to repeat"
    made.add_argument("config", metavar="CONFIG|RECORD", nargs="?", help=text)
    made.add_argument("-h", "--help", action="store_true", help="this, and CONFIG's fields")
    text = "what makes it cheaper; none given: the baseline"
    made.add_argument("--variants", nargs="*", metavar="VARIANT", help=text)


def add_folders(made: Parser, out: str) -> None:
    add_out(made, out)
    text = "TFDS data directory (TFDS_DATA_DIR, ~/tensorflow_datasets)"
    made.add_argument("--data-dir", metavar="DIR", help=text)


def add_fairness(made: Parser) -> None:
    """How arms are given the same chance; `cli.fairness` reads them."""
    text = "train the baseline for these multiples of its length too, as the curve to beat: 0.25,2"
    made.add_argument("--budgets", metavar="X,X,...", help=text)
    text = "choose each arm's setting on validation from N trials of its space, which are charged"
    made.add_argument("--trials", type=count, metavar="N", help=text)
    text = (
        "train every arm for what the baseline cost in flops_executed, train_s, total_s, energy_j"
    )
    made.add_argument("--equal", metavar="COST", help=text)
    text = "of --equal: whether an arm pays its parents (full) or not (marginal)"
    made.add_argument("--lineage", choices=("full", "marginal"), help=text)


def add_run(made: Parser) -> None:
    made.add_argument("run", metavar="RUN", help="its folder, id, or the beginning of its id")
    add_out(made, "folder of the runs")


def add_out(made: Parser, text: str) -> None:
    made.add_argument("--out", default="runs", metavar="DIR", help=f"{text} (runs)")


def add_json(made: argparse._ActionsContainer) -> None:
    made.add_argument("--json", action="store_true", help="one JSON document on stdout")


def add_clock(made: Parser) -> None:
    """Which published rule the seconds of the tables follow."""
    from efficient.compare.clock import ALL, RULES

    names = (*RULES, ALL)
    text = f"whose rule the time column follows: {', '.join(names)} (train)"
    made.add_argument("--clock", choices=names, default="train", metavar="RULE", help=text)


def add_target(made: Parser) -> None:
    """What it took to reach a quality that was stated before."""
    text = "cost to a target on validation, a fraction or bits; for one workload or for all"
    made.add_argument(
        "--target", action="append", default=[], metavar="[WORKLOAD=]VALUE", help=text
    )


def count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def add_site(made: Parser) -> None:
    """Where a job runs, as its user says; each has an environment variable, see `cost.site`."""
    group = made.add_argument_group("where it runs (nothing is guessed; else null with a reason)")
    group.add_argument("--region", metavar="CODE", help="country, as FRA; WORLD for the average")
    group.add_argument("--gco2e-per-kwh", type=positive, metavar="G", help="in place of a region's")
    group.add_argument("--pue", type=positive, metavar="X", help="energy of the building / of IT")
    group.add_argument("--chip", metavar="NAME", help="of `efficient machine --chips`; else found")
    group.add_argument("--power-w", type=positive, metavar="W", help="measured average per chip")
    group.add_argument("--usd-per-chip-hour", type=positive, metavar="USD", help="a price you pay")


def add_terms(made: Parser) -> None:
    """What a run may cost, and where it runs."""
    text = 'stop there: "2e15 FLOP, 10 min, 0.05 kWh, 3 USD"; predicted before, else refused'
    made.add_argument("--budget", metavar="LIMITS", help=text)
    made.add_argument("--yes", action="store_true", help="go on when the prediction is over it")
    text = "measured: calibrate first (20 seconds) and keep the vector in the record"
    made.add_argument("--peak", choices=("published", "measured"), default="published", help=text)
    add_site(made)


def positive(text: str) -> float:
    """A finite number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return value
