"""`efficient control`: a model without a network, as a run in the same ledger."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from efficient.cli.failure import UsageError, usage
from efficient.cli.output import document, quiet_stdout
from efficient.ledger.store import RECORD, find_run, read_record

if TYPE_CHECKING:
    from efficient.controls import Control


def control(arguments: argparse.Namespace) -> int:
    """Fit it, then print a line or, with --json, the summary of the record."""
    from efficient.cli.train import line, summary
    from efficient.controls.run import run
    from efficient.cost.site import Site

    with usage():
        asked, site = select(arguments), Site.from_arguments(arguments)
    out = Path(arguments.out)
    with quiet_stdout():
        record = run(asked, out, arguments.data_dir, site)
    directory = out / record.run_id
    if arguments.json:
        document(summary(record, directory))
    else:
        print(line(record, directory))
    return 0


def select(arguments: argparse.Namespace) -> Control:
    """The control to run.

    Raises:
        UsageError: CONTROL is missing. ConfigError: a name, a field or a value is wrong.
    """
    from efficient.cli.override import control as model
    from efficient.controls import Control

    name = arguments.workload
    if arguments.model is None:
        made = _again(name, Path(arguments.out))
    else:
        workload, preset = _workload(name, arguments.data_dir)
        made = Control(workload, model(arguments.model), preset=preset)
    return made if arguments.seed is None else dataclasses.replace(made, seed=arguments.seed)


def _workload(name: str, data_dir: str | None) -> tuple[Any, str]:
    """A preset's, or the default one of a dataset; with the preset's name."""
    from efficient.config import load_preset, presets
    from efficient.data import load
    from efficient.workloads import ImageClassification, LanguageModel

    if name in presets() or name.endswith(".py"):
        config = load_preset(name)
        return config.workload, config.preset
    kinds = {"image": ImageClassification, "text": LanguageModel}
    return kinds[load(name, data_dir).kind](name), ""


def _again(name: str, out: Path) -> Control:
    """A control from its JSON or from its record."""
    from efficient.controls import CONTROLS, from_json

    path = Path(name)
    if path.suffix == ".json" and path.name != RECORD:
        if not path.is_file():
            raise UsageError(f"control {name!r} does not exist")
        try:
            plain = json.loads(path.read_bytes())
        except ValueError as error:
            raise UsageError(f"control {name!r} is not JSON: {error}") from None
        return from_json(plain)
    runs = [folder.name for folder in out.iterdir()] if out.is_dir() else []
    if path.is_dir() or path.name == RECORD or any(run.startswith(name) for run in runs):
        return from_json(read_record(find_run(out, name)).config)
    raise UsageError(f"CONTROL is missing behind {name!r}: one of {', '.join(CONTROLS)}")
