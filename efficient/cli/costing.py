"""Options of the commands that say what something costs: before, after, and elsewhere."""

from __future__ import annotations

import argparse
from typing import Any

from efficient.cli.option import (
    OVERRIDES,
    PLACE,
    add_config,
    add_folders,
    add_json,
    add_site,
    command,
    count,
    positive,
)


def _flops(groups: Any) -> None:
    example = (
        f"{OVERRIDES}\nexample:\n  efficient flops resnet50 --by-layer\n"
        "  efficient flops resnet20_cifar --shortcut projection --json\n"
        "  efficient flops digits_mlp --model.hidden 1000 1000\n"
        "  efficient flops mine:attention --input-shape 64 8 --input-shape 64 8"
    )
    text = "parameters, FLOPs and memory of a network, a config or your function; nothing is run"
    made = command(groups, "flops", "flops:flops", text, example, overridable=True)
    text = "network (resnet50, gpt2, ...), config, run, or your own module:function"
    made.add_argument("config", metavar="MODEL", nargs="?", help=text)
    made.add_argument("-h", "--help", action="store_true", help="this, and a config's fields")
    text = "sizes of one example, as 32 32 3; again for each further input of a function"
    sizes: dict[str, Any] = {"type": count, "nargs": "+", "action": "append", "metavar": "N"}
    made.add_argument("--input-shape", **sizes, help=text)
    made.add_argument("--batch", type=count, metavar="N", help="examples that are counted (1)")
    made.add_argument("--classes", type=count, metavar="N", help="in place of the network's own")
    text = "of a function's inputs, once or for each (float32)"
    made.add_argument("--dtype", action="append", metavar="NAME", help=text)
    text = "identity (the default) or projection: of resnet20_cifar and its family"
    made.add_argument("--shortcut", metavar="KIND", help=text)
    made.add_argument("--by-layer", action="store_true", help="also a line for each layer")
    made.add_argument("--variants", nargs="*", metavar="VARIANT", help="of a config: rewrites")
    add_folders(made, "folder with the runs that the config needs (teacher, start)")
    add_json(made)


def _estimate(groups: Any) -> None:
    example = (
        f"{OVERRIDES}\nexample:\n  efficient estimate shakespeare_gpt_gpu --chip H100-SXM\n"
        "  efficient estimate --params 175e9 --tokens 300e9 --chip V100-SXM2 --mfu 0.2\n"
        "  efficient estimate --cases"
    )
    text = "FLOPs, hours, memory, energy, carbon and money before training, from shapes alone"
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
    made.add_argument("--chips", type=count, metavar="N", help="that share the work (1)")
    made.add_argument("--mfu", type=positive, metavar="F", help="of the peak, 0 to 1 (a range)")
    made.add_argument("--goodput", type=positive, metavar="F", help="hours not lost, 0 to 1 (1.0)")
    made.add_argument("--cases", action="store_true", help="replay published training runs")
    add_site(made)
    add_json(made)


def _measure(groups: Any) -> None:
    example = "example:\n  efficient measure --region FRA -- python train.py --epochs 3"
    text = "the bill of any command: seconds, energy, carbon, money"
    made = command(groups, "measure", "measure:measure", text, example)
    made.usage = "efficient measure [options] -- COMMAND ..."
    made.add_argument("words", metavar="COMMAND", nargs=argparse.REMAINDER, help="behind --")
    made.add_argument("--out", metavar="FILE", help="also write the bill there, as JSON")
    text = "wait so long first, and measure what the machine takes at rest"
    made.add_argument("--idle", type=positive, metavar="SECONDS", help=text)
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
    example = (
        "example:\n  efficient statement runs/quickstart --format latex\n"
        "  efficient statement runs --final runs/quickstart --region FRA --pue 1.2"
    )
    text = "what a paper or model card says of the compute of these runs"
    made = command(groups, "statement", "statement:statement", text, example)
    made.add_argument("directory", metavar="DIR", help=PLACE)
    forms = ("markdown", "latex", "card", "json")
    made.add_argument("--format", choices=forms, default="markdown", help="(markdown)")
    text = "folder in DIR with the runs that are reported; the others are development (DIR)"
    made.add_argument("--final", metavar="DIR", help=text)
    text = "what your own meter at the plug read over all of it"
    made.add_argument("--metered-kwh", type=positive, metavar="KWH", help=text)
    made.add_argument("--out", metavar="FILE", help="write there instead of stdout")
    add_site(made)
    add_json(made)


COMMANDS = (_flops, _estimate, _measure, _machine, _statement)
