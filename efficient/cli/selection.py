"""CONFIG|RECORD, overrides and variants of a command line: the config that they select."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path

from efficient.cli.failure import UsageError, usage
from efficient.cli.output import console, facts, heading
from efficient.cli.override import fields, option, override, variant
from efficient.config import Config, ConfigError, from_json, load_preset, nearest, presets
from efficient.ledger.store import RECORD, find_run, read_record


def select(arguments: argparse.Namespace) -> Config:
    """The config to run.

    Raises:
        UsageError: a name, a field or a value is wrong; nothing was started.
    """
    if arguments.config is None:
        raise UsageError("CONFIG is missing: a preset, a file or a run; see `efficient list`")
    options = [name for name in arguments.parser._option_string_actions if name[:2] == "--"]
    with usage():
        config = override(load(arguments.config, Path(arguments.out)), arguments.overrides, options)
        if arguments.variants is None:
            return config
        made = tuple(variant(text) for text in arguments.variants)
        return dataclasses.replace(config, variants=made, arm="")


def load(name: str, out: Path) -> Config:
    """A preset, a Python file, a config or record as JSON, or a run below `out`.

    Raises:
        ConfigError: none of them; the nearest is named. RecordError: a record is damaged.
    """
    path = Path(name)
    if name in presets() or path.suffix == ".py":
        return load_preset(name)
    if path.suffix == ".json" and path.name != RECORD:
        return _from_file(path)
    if path.is_dir() or path.name == RECORD:
        return _of_run(path)
    runs = [folder.name for folder in out.iterdir() if folder.is_dir()] if out.is_dir() else []
    if any(run.startswith(name) for run in runs):
        return _of_run(find_run(out, name))
    raise ConfigError(f"config {name!r} does not exist; {nearest(name, [*presets(), *runs])}")


def _of_run(path: Path) -> Config:
    record = read_record(path)
    if record.is_control:
        raise ConfigError(
            f"run {record.run_id} is of a control and not of a network; "
            f"`efficient control {record.run_id}` repeats it"
        )
    return from_json(record.config)


def explain(arguments: argparse.Namespace) -> int:
    """The command's help and, where CONFIG is given, its fields with their values."""
    arguments.parser.print_help()
    if arguments.config is not None:
        out = console()
        heading(out, f"fields of {arguments.config}")
        config = select(arguments)
        facts(out, ((option(path), _words(value)) for path, value in fields(config)))
    return 0


def _from_file(path: Path) -> Config:
    if not path.is_file():
        raise ConfigError(f"config {str(path)!r} does not exist")
    try:
        plain = json.loads(path.read_bytes())
    except ValueError as error:
        raise ConfigError(f"config {str(path)!r} is not JSON: {error}") from None
    return from_json(plain)


def _words(value: object) -> str:
    """A value as it is typed."""
    if isinstance(value, tuple):
        return " ".join(",".join(map(str, v)) if isinstance(v, tuple) else str(v) for v in value)
    return str(value).lower() if isinstance(value, bool) else str(value)
