"""`efficient flops`: what a config costs, by tracing alone."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from efficient.cli.output import console, document, facts, heading, quiet_stdout, table
from efficient.cli.selection import explain, select
from efficient.report import number


def flops(arguments: argparse.Namespace) -> int:
    """Count the forward, a training step by layer, and the whole run; nothing is compiled."""
    if arguments.help:
        return explain(arguments)
    config = select(arguments)
    from efficient.data import load
    from efficient.run.build import build

    with quiet_stdout():
        dataset = load(config.workload.data, arguments.data_dir)
        built = build(config, dataset, Path(arguments.out))
    found = _counts(built)
    if arguments.json:
        document(found)
    else:
        _print(found)
    return 0


def _counts(built: Any) -> dict[str, Any]:
    """Exact integers, null where something could not be counted.

    The model's numbers follow the forward rule, padding counted, and are the same on every
    machine; the executed ones are of the step as it runs on `platform`, without padding.
    """
    model, executed, steps = built.model_count, built.executed, built.steps
    batch = built.config.batch_size
    forward = sum(layer.forward for layer in model.layers.values()) // batch

    def whole(count: int | None) -> int | None:
        return None if count is None else count * steps

    return {
        "workload": built.config.workload.name,
        "arm": built.config.label,
        "train_for": built.config.train_for,
        "batch_size": batch,
        "steps": steps,
        "platform": built.platform,
        "flops_forward_example": None if model.unpriced else forward,
        "flops_model_step": model.total,
        "flops_model": whole(model.total),
        "flops_executed_step": executed.total,
        "flops_executed": whole(executed.total),
        "flops_teacher_step": built.teacher,
        "flops_teacher": whole(built.teacher),
        "unknown": built.unknown,
        "layers": {
            path or "outside of layers": {
                "forward": layer.forward,
                "gradient_inputs": layer.gradient_inputs,
                "gradient_weights": layer.gradient_weights,
                "total": layer.total,
            }
            for path, layer in model.layers.items()
        },
    }


def _print(found: dict[str, Any]) -> None:
    out = console()
    heading(out, f"{found['workload']} {found['arm']}: one step by layer, by the forward rule")
    parts = ("forward", "gradient_inputs", "gradient_weights", "total")
    rows = [(path, *(f"{layer[p]:,}" for p in parts)) for path, layer in found["layers"].items()]
    table(out, ("layer", ">forward", ">by inputs", ">by weights", ">total"), rows)
    steps = f"{found['steps']:,} steps of {found['batch_size']} ({found['train_for']})"
    lines = [
        ("forward of one example, padded", "flops_forward_example"),
        ("a step, by the forward rule", "flops_model_step"),
        (f"{steps}, by the forward rule", "flops_model"),
        (f"a step as executed on {found['platform']}", "flops_executed_step"),
        (f"{steps}, executed", "flops_executed"),
        ("of which the teacher's forward", "flops_teacher"),
    ]
    heading(out, "FLOPs, a multiply-add counted as 2")
    facts(out, ((name, _exact(found[key])) for name, key in lines))
    for reason in dict.fromkeys(found["unknown"].values()):
        out.print(reason, markup=False)


def _exact(count: int | None) -> str:
    return "unknown" if count is None else f"{count:,}  ({number.scaled(count, 'FLOP')})"
