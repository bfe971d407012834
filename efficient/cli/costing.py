"""Options of the commands that say what something costs: before, after, and elsewhere."""

from __future__ import annotations

import argparse
from typing import Any

from efficient.cli.option import (
    OVERRIDES,
    add_config,
    add_folders,
    add_json,
    add_site,
    command,
    count,
    positive,
)


def _flops(groups: Any) -> None:
    example = f"{OVERRIDES}\nexample:\n  efficient flops digits_mlp --model.hidden 1000 1000"
    text = "FLOPs of a config by layer, nothing compiled or trained"
    made = command(groups, "flops", "flops:flops", text, example, overridable=True)
    add_config(made)
    add_folders(made, "folder with the runs that the config needs (teacher, start)")
    add_json(made)


def _estimate(groups: Any) -> None:
    example = (
        f"{OVERRIDES}\nexamples:\n  efficient estimate shakespeare_gpt_gpu --chip H100-SXM\n"
        "  efficient estimate --params 175e9 --tokens 300e9 --chip V100-SXM2 --mfu 0.2\n"
        "  efficient estimate --cases"
    )
    text = "FLOPs, hours, memory, energy, carbon and money before training"
    made = command(groups, "estimate", "estimate:estimate", text, example, overridable=True)
    add_config(made)
    add_folders(made, "folder with the runs that the config needs (teacher, start)")
    made.add_argument("--params", type=positive, metavar="N", help="instead of a config")
    made.add_argument("--tokens", type=positive, metavar="N", help="seen in training")
    for name, text in (
        ("layers", "blocks"),
        ("heads", "of the attention"),
        ("head-dim", "width of a head"),
        ("context", "tokens attended to"),
    ):
        made.add_argument(f"--{name}", type=count, metavar="N", help=f"{text}: counts attention")
    made.add_argument("--chips", type=count, metavar="N", help="devices that share the work (1)")
    made.add_argument("--mfu", type=positive, metavar="F", help="of the peak, 0 to 1 (a range)")
    made.add_argument("--goodput", type=positive, metavar="F", help="hours not lost, 0 to 1 (1.0)")
    made.add_argument("--cases", action="store_true", help="replay published training runs")
    add_site(made)
    add_json(made)


def _measure(groups: Any) -> None:
    example = "example:\n  efficient measure --region FRA -- python train.py --epochs 3"
    text = "the bill of any command: seconds, energy, carbon, money"
    made = command(groups, "measure", "measure:measure", text, example)
    made.add_argument("words", metavar="COMMAND", nargs=argparse.REMAINDER, help="after --")
    made.add_argument("--out", metavar="FILE", help="also write the bill there, as JSON")
    add_site(made)
    add_json(made)


def _machine(groups: Any) -> None:
    example = "example:\n  efficient machine --calibrate"
    text = "what can be metered here, at which grade, and how fast this machine is"
    made = command(groups, "machine", "machine:machine", text, example)
    made.add_argument("--calibrate", action="store_true", help="measure anew (20 seconds)")
    made.add_argument("--chips", action="store_true", help="the known chips instead")
    add_site(made)
    add_json(made)


def _statement(groups: Any) -> None:
    example = "example:\n  efficient statement runs/quickstart --format latex"
    text = "what a paper or model card says of the compute of these runs"
    made = command(groups, "statement", "statement:statement", text, example)
    made.add_argument("directory", metavar="DIR", help="folder with runs at any depth")
    forms = ("markdown", "latex", "card", "json")
    made.add_argument("--format", choices=forms, default="markdown", help="(markdown)")
    made.add_argument("--out", metavar="FILE", help="write there instead of stdout")
    add_site(made)
    add_json(made)


COMMANDS = (_flops, _estimate, _measure, _machine, _statement)
