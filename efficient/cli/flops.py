"""`efficient flops`: what a network, a config or a function costs, by tracing alone."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from efficient.cli.output import console, document, facts, heading, table
from efficient.cli.selection import explain
from efficient.report import number

if TYPE_CHECKING:
    from efficient.cli.subject import Subject
    from efficient.cost.flops import Count, TrainingCount

#: Why a function has no cost of training: nobody said what is trained.
FORWARD_ONLY = (
    "a function is counted as it stands; for training count its gradient, "
    "efficient.flops(jax.value_and_grad(loss), params, batch)"
)


def flops(arguments: argparse.Namespace) -> int:
    """Count forward and training of a network, and a config's whole run; nothing is compiled."""
    from efficient.cli.subject import is_config, subject

    if arguments.help:
        if arguments.config is not None and not is_config(arguments.config):
            arguments.config = None
        return explain(arguments)
    made = subject(arguments)
    found = _function(made) if made.params is None else _network(made)
    if made.config is not None:
        run = _run(made, Path(arguments.out))
        found |= run | {"unknown": found["unknown"] | run["unknown"]}
    if arguments.json:
        document(found)
    else:
        _print(found, arguments.by_layer)
    return 0


def _network(made: Subject) -> dict[str, Any]:
    """Exact integers, null with a reason where something could not be counted.

    FLOPs follow the forward rule; they are of `batch` examples, as are the activations.
    """
    from efficient.models.outline import parameters

    padded, exact = _trained(made, padded=True), _trained(made, padded=False)
    columns = {
        "flops_forward": (padded, padded.by_phase["forward"]),
        "flops_train": (padded, padded.total),
        "flops_forward_unpadded": (exact, exact.by_phase["forward"]),
        "flops_train_unpadded": (exact, exact.total),
    }
    return {
        **_head(made),
        "params_total": parameters(made.params),
        **{name: None if count.unpriced else value for name, (count, value) in columns.items()},
        **_memory(made),
        "by_phase": padded.by_phase,
        "by_dtype": padded.by_dtype,
        "by_layer": {
            path or "outside of layers": {**vars(layer), "total": layer.total}
            for path, layer in padded.layers.items()
        },
        "flops_priced": padded.priced,
        "unpriced": sorted({*padded.unpriced, *exact.unpriced}),
        "unknown": {name: count.reason for name, (count, _) in columns.items() if count.unpriced},
    }


def _trained(made: Subject, padded: bool) -> TrainingCount:
    """The sum of the outputs and its gradient by the parameters, by the forward rule."""
    import jax

    from efficient.cost.flops import count_training

    trees = made.params, made.rest, made.inputs
    leaves = [len(jax.tree.leaves(tree)) for tree in trees]
    trained = [True] * leaves[0] + [False] * sum(leaves[1:])
    data = [False] * sum(leaves[:2]) + [True] * leaves[2]
    jaxpr = jax.make_jaxpr(made.loss)(made.params, made.rest, *made.inputs)
    return count_training(jaxpr, trained, batch=data, padded=padded)


def _memory(made: Subject) -> dict[str, int]:
    """Bytes of what training holds, at the dtypes of the weights."""
    import jax

    from efficient.predict.residual import residual_bytes

    weights_bytes = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(made.params))
    return {
        "weights_bytes": weights_bytes,
        "gradients_bytes": weights_bytes,
        "adam_bytes": 2 * weights_bytes,
        "activation_bytes": residual_bytes(made.loss, made.params, made.rest, *made.inputs),
    }


def _function(made: Subject) -> dict[str, Any]:
    """The same keys for a function of which nobody said what is trained."""
    import jax

    from efficient.cost.flops import count

    jaxpr = jax.make_jaxpr(lambda *inputs: made.apply(None, None, *inputs))(*made.inputs)
    padded, exact = (count(jaxpr, padded=rule, platform="default") for rule in (True, False))
    counts = {"flops_forward": padded, "flops_forward_unpadded": exact}
    train = ("flops_train", "flops_train_unpadded")
    memory = ("weights_bytes", "gradients_bytes", "adam_bytes", "activation_bytes")
    absent = dict.fromkeys(("params_total", *train, *memory), FORWARD_ONLY)
    return {
        **_head(made),
        "params_total": None,
        **{name: count.total for name, count in counts.items()},
        **dict.fromkeys((*train, *memory)),
        "by_phase": padded.by_phase,
        "by_dtype": padded.by_dtype,
        "by_layer": {
            path or "outside of layers": {"forward": part, "total": part}
            for path, part in padded.by_scope.items()
        },
        "flops_priced": padded.priced,
        "unpriced": sorted({*padded.unpriced, *exact.unpriced}),
        "unknown": absent | {name: c.reason for name, c in counts.items() if c.unpriced},
    }


def _head(made: Subject) -> dict[str, Any]:
    inputs = [{"shape": list(value.shape), "dtype": value.dtype.name} for value in made.inputs]
    shape = list(made.input_shape)
    return {"model": made.name, "input_shape": shape, "batch": made.batch, "inputs": inputs}


def _run(made: Subject, out: Path) -> dict[str, Any]:
    """The config's run: the model's steps by the forward rule, and the ones that run here."""
    import jax

    from efficient.cli.output import quiet_stdout
    from efficient.run.outline import outline

    config, platform = made.config, jax.devices()[0].platform
    assert config is not None
    with quiet_stdout():
        run = outline(config, made.dataset, out, platform)
    step: dict[str, tuple[Count, int | None]] = {
        "flops_model": (run.model, run.model.total),
        "flops_executed": (run.executed, run.executed.total),
        "flops_teacher": (run.executed, run.teacher_step),
    }
    found: dict[str, Any] = {
        "workload": config.workload.name,
        "arm": config.label,
        "train_for": config.train_for,
        "batch_size": config.batch_size,
        "steps": run.steps,
        "platform": platform,
    }
    for name, (_, cost) in step.items():
        found |= {f"{name}_step": cost, name: None if cost is None else cost * run.steps}
    found["executed_by_phase"] = run.executed.by_phase
    found["unknown"] = {name: count.reason for name, (count, _) in step.items() if count.unpriced}
    return found


def _print(found: dict[str, Any], by_layer: bool) -> None:
    out = console()
    heading(out, f"{found['model']}: {_inputs(found)}")
    facts(out, _facts(found))
    heading(out, "FLOPs, a multiply-add counted as 2")
    counted = {"forward": "flops_forward", "forward and backward": "flops_train"}
    if found["params_total"] is None:
        counted = {"as it stands": "flops_forward"}
    rows = [
        (name, _exact(found[key]), _short(found[key]), _exact(found[f"{key}_unpadded"]))
        for name, key in counted.items()
    ]
    table(out, ("", ">padding counted", ">", ">padding not counted"), rows)
    if by_layer:
        _print_layers(out, found["by_layer"])
    if "steps" in found:
        _print_run(out, found)
    for reason in dict.fromkeys(found["unknown"].values()):
        out.print(f"\n{reason}", markup=False)


def _inputs(found: dict[str, Any]) -> str:
    sizes = (f"{' x '.join(map(str, i['shape']))} {i['dtype']}" for i in found["inputs"])
    return ", ".join(sizes)


def _facts(found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if found["params_total"] is not None:
        yield "parameters", f"{found['params_total']:,}"
        for name, key in (
            ("weights", "weights_bytes"),
            ("gradients", "gradients_bytes"),
            ("Adam's two moments", "adam_bytes"),
            ("kept for backward", "activation_bytes"),
        ):
            yield name, number.scaled(found[key], "B")
    for phase, part in found["by_phase"].items():
        if part:
            yield phase, number.scaled(part, "FLOP")
    for dtype, part in found["by_dtype"].items():
        yield f"products of {dtype}", number.scaled(part, "FLOP")


def _print_layers(out: Any, layers: dict[str, dict[str, int]]) -> None:
    names = {
        "forward": ">forward",
        "gradient_inputs": ">by inputs",
        "gradient_weights": ">by weights",
        "total": ">total",
    }
    parts = [name for name in names if any(name in layer for layer in layers.values())]
    rows = [(path, *(f"{layer[part]:,}" for part in parts)) for path, layer in layers.items()]
    heading(out, "by layer, padding counted")
    table(out, ("layer", *(names[part] for part in parts)), rows)


def _print_run(out: Any, run: dict[str, Any]) -> None:
    heading(out, f"the run: {run['workload']} {run['arm']}, {run['train_for']}")
    rows = [
        (name, _exact(run[f"{key}_step"]), _exact(run[key]), _short(run[key]))
        for name, key in (
            ("by the forward rule", "flops_model"),
            (f"executed on {run['platform']}", "flops_executed"),
            ("of which the teacher's forward", "flops_teacher"),
        )
    ]
    steps = f">{run['steps']:,} steps"
    table(out, ("", f">a step of {run['batch_size']}", steps, ">"), rows)


def _exact(count: int | None) -> str:
    return "unknown" if count is None else f"{count:,}"


def _short(count: int | None) -> str:
    return "" if count is None else number.scaled(count, "FLOP")
