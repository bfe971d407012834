"""The defaults of a run, as frozen dataclasses: a preset is a `Config`, and a record holds one.

JSON of a config names the type of its workload, network and variants from a literal table; a
user's own is `module:attribute`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import importlib.util
import json
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from efficient.ledger.codec import from_dict, to_dict
from efficient.ledger.remedy import nearest
from efficient.models.network import NETWORKS
from efficient.train.optimizer import Optimizer
from efficient.variants import VARIANTS, Variant
from efficient.workloads import WORKLOADS


class ConfigError(ValueError):
    """A config that cannot be run: one line with the name, the value and the remedy."""


@dataclass(frozen=True)
class Config:
    """Everything that decides what a run computes, and its two labels.

    workload, model, variants: what is learned, by which network, made cheaper by what.
    train_for: "20 epochs", "2000 steps", "3e15 FLOP" (executed, teacher included), "600 s" of
    training or "0.05 kWh"; the last two become steps before compiling, by this machine's
    calibration, so that the schedule ends there.
    batch_size: examples (images or windows) per update, split into `accumulate` micro-batches.
    evaluations: how often the validation split is scored, the end included.
    select: `final` weights, or the `best` on validation. The test split never selects.
    chunk_steps: steps per compiled chunk; 0 chooses about two seconds' worth.
    checkpoint_s: seconds of training between checkpoints; 0 means after every chunk.
    start: a run whose weights begin this one. reference: a run whose outputs on the test split
    this one's are compared with.
    preset, arm: labels; they are not part of the request.
    """

    workload: Any
    model: Any
    optimizer: Optimizer = field(default_factory=Optimizer)
    variants: tuple[Variant, ...] = ()
    train_for: str = "10 epochs"
    batch_size: int = 128
    accumulate: int = 1
    label_smoothing: float = 0.0
    evaluations: int = 5
    eval_batch_size: int = 256
    select: str = "final"
    chunk_steps: int = 0
    checkpoint_s: float = 60.0
    seed: int = 0
    start: str = ""
    reference: str = ""
    preset: str = field(default="", compare=False)
    arm: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        for name in ("batch_size", "accumulate", "evaluations", "eval_batch_size"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} {getattr(self, name)} must be at least 1")
        if self.batch_size % self.accumulate:
            raise ConfigError(
                f"accumulate {self.accumulate} does not divide batch_size {self.batch_size}"
            )
        if not 0 <= self.label_smoothing < 1:
            raise ConfigError(f"label_smoothing {self.label_smoothing} is not in [0, 1)")
        if self.select not in ("final", "best"):
            raise ConfigError(f"select {self.select!r} is unknown; choose final or best")
        if self.seed < 0 or self.seed >= 2**32:
            raise ConfigError(f"seed {self.seed} is not in [0, 2^32)")
        if self.chunk_steps < 0 or self.checkpoint_s < 0:
            raise ConfigError("chunk_steps and checkpoint_s must not be negative")
        Duration.parse(self.train_for)

    @property
    def label(self) -> str:
        """The arm's label: given by an experiment, or made of the variants."""
        return self.arm or "+".join(type_name(VARIANTS, v) for v in self.variants) or "baseline"


class Rates(Protocol):
    """What one step is, in each unit of a duration; asked only for the unit that is needed."""

    @property
    def batches(self) -> int:
        """Steps of an epoch."""
        ...

    def step_flops(self) -> int | None:
        """Executed FLOPs of a step; None when they cannot all be counted."""
        ...

    def step_s(self) -> float:
        """Predicted seconds of a step."""
        ...

    def step_kwh(self) -> float:
        """Predicted energy of a step."""
        ...


@dataclass(frozen=True)
class Duration:
    """How long to train: `count` epochs, steps, FLOP, seconds or kWh."""

    count: float
    unit: str

    @classmethod
    def parse(cls, text: str) -> Duration:
        match = re.fullmatch(r"\s*([0-9.eE+-]+)\s*(epochs?|steps?|FLOPs?|s|min|h|kWh)\s*", text)
        try:
            count = float(match.group(1)) if match else -1.0
        except ValueError:
            count = -1.0
        least = 0 if text.split()[-1:] == ["steps"] else sys.float_info.min
        if match is None or not least <= count < float("inf"):
            raise ConfigError(
                f"train_for {text!r} is not understood; "
                'write "20 epochs", "2000 steps", "3e15 FLOP", "600 s", "10 min" or "0.05 kWh"'
            )
        unit = match.group(2)
        seconds = {"s": 1, "min": 60, "h": 3600}
        if unit in seconds:
            return cls(count * seconds[unit], "s")
        return cls(count, unit.rstrip("s"))

    @property
    def needs_calibration(self) -> bool:
        """Whether the steps in it depend on the speed of the machine."""
        return self.unit in ("s", "kWh")

    def steps(self, rates: Rates) -> int:
        """Updates in it: the nearest number for epochs, else as many as fit."""
        if self.unit == "step":
            return round(self.count)
        if self.unit == "epoch":
            return round(self.count * rates.batches)
        if self.unit == "s":
            return int(self.count // rates.step_s())
        if self.unit == "kWh":
            return int(self.count // rates.step_kwh())
        per_step = rates.step_flops()
        if not per_step:
            raise ConfigError("train_for in FLOP needs a step whose FLOPs can all be counted")
        return int(self.count // per_step)


#: What a file of a user's may raise while it is loaded.
LOADING = (SyntaxError, ImportError, NameError, TypeError, AttributeError, ValueError)
T = TypeVar("T")
TABLES = {"workload": WORKLOADS, "model": NETWORKS, "variants": VARIANTS}


def type_name(table: dict[str, type], value: Any) -> str:
    """The name under which a type stands in its table, or `module:attribute`."""
    kind = type(value)
    known = [name for name, entry in table.items() if entry is kind]
    return known[0] if known else f"{kind.__module__}:{kind.__qualname__}"


def find_type(table: dict[str, type], name: str, own: bool = True) -> Any:
    """A type from its table, or a user's own `module:attribute`.

    own: False where a stranger wrote the name, for which nothing may be imported.

    Raises:
        ConfigError: neither; the nearest name is suggested.
    """
    if name in table:
        return table[name]
    if not own:
        raise ConfigError(f"{name!r} is none of the suite's; {nearest(name, table)}")
    if ":" in name:
        module, _, attribute = name.partition(":")
        try:
            search_here()
            found = getattr(importlib.import_module(module), attribute)
        except LOADING as error:
            raise ConfigError(f"{name!r} cannot be loaded: {error}") from None
        if not isinstance(found, type):
            raise ConfigError(f"{name!r} is no class; give the name of a frozen dataclass")
        return found
    raise ConfigError(f"{name!r} is unknown; {nearest(name, table)} Your own is module:attribute")


def search_here() -> None:
    """Let a user's own modules be imported from the current folder, however we were started."""
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))


def to_json(config: Config) -> dict[str, Any]:
    """Plain JSON types; `from_json` reads them back."""
    plain = to_dict(config)
    for name in ("workload", "model"):
        plain[name] = untyped(TABLES[name], getattr(config, name))
    plain["variants"] = [untyped(VARIANTS, variant) for variant in config.variants]
    return plain


def untyped(table: dict[str, type], value: Any) -> dict[str, Any]:
    """A workload, network or variant as plain JSON types; `typed` reads them back."""
    return {"type": type_name(table, value), **to_dict(value)}


def from_json(plain: dict[str, Any], own: bool = True) -> Config:
    """The config of a record or of an experiment. own: as in `find_type`.

    Raises:
        ConfigError, RecordError: a name is unknown or a value of the wrong type.
    """
    if not isinstance(plain, dict):
        raise ConfigError("a config must be a JSON object")
    values = dict(plain)
    if missing := {"workload", "model"} - set(values):
        raise ConfigError(f"config lacks {sorted(missing)[0]!r}")
    for name in ("workload", "model"):
        values[name] = typed(TABLES[name], values[name], f"config.{name}", own)
    listed = values.pop("variants", [])
    if not isinstance(listed, list):
        raise ConfigError("config.variants must be a list")
    places = ((f"config.variants[{i}]", plain) for i, plain in enumerate(listed))
    variants = tuple(typed(VARIANTS, plain, where, own) for where, plain in places)
    config = from_dict(Config, values | {"variants": []}, "config")
    return dataclasses.replace(config, variants=variants)


def typed(table: dict[str, type], plain: Any, where: str, own: bool = True) -> Any:
    """A workload, network or variant from plain JSON types with its `type`; own: as above."""
    if not isinstance(plain, dict) or not isinstance(plain.get("type"), str):
        raise ConfigError(f"{where} must be an object with a type")
    kind = find_type(table, plain["type"], own)
    return from_dict(kind, {k: v for k, v in plain.items() if k != "type"}, where)


def digest(config: Config, *others: str) -> str:
    """The request: what would be computed, whatever it is called."""
    plain = to_json(config)
    for label in ("preset", "arm"):
        plain.pop(label)
    own = own_sources(config.workload, config.model, *config.variants)
    text = json.dumps([plain, own, *others], sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def own_sources(*parts: Any) -> list[str]:
    """Digests of the files in which a user's own types stand; the package's are hashed whole."""
    modules = {type(part).__module__ for part in parts}
    files = [getattr(sys.modules.get(name), "__file__", None) for name in sorted(modules)]
    own = [Path(f) for f in files if f and not Path(f).is_relative_to(Path(__file__).parent)]
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in own]


def preset_folder() -> Path:
    """Where the presets are: in the wheel, or beside the package in a checkout."""
    inside = Path(__file__).parent / "presets"
    return inside if inside.is_dir() else Path(__file__).parents[1] / "configs"


def presets() -> dict[str, Path]:
    """Preset files by name."""
    return {p.stem: p for p in sorted(preset_folder().glob("*.py")) if p.stem[0] != "_"}


def load_preset(name: str) -> Config:
    """A preset by name or path: a Python file with a `config`.

    Raises:
        ConfigError: no such preset; the nearest is named.
    """
    known = presets()
    path = Path(name) if name.endswith(".py") else known.get(name)
    if path is None or not path.is_file():
        raise ConfigError(f"config {name!r} does not exist; {nearest(name, known)}")
    return dataclasses.replace(definition(path, "config", Config), preset=path.stem)


def definition(path: Path, name: str, kind: type[T]) -> T:
    """What a user's Python file assigns to `name`.

    Raises:
        ConfigError: the file does not load, or defines no such thing.
    """
    spec = importlib.util.spec_from_file_location(f"efficient_{name}_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    search_here()
    try:
        spec.loader.exec_module(module)
    except LOADING as error:
        raise ConfigError(f"{path} cannot be read: {error}") from None
    found = getattr(module, name, None)
    if not isinstance(found, kind):
        raise ConfigError(f"{path} defines no `{name}`: assign {kind.__name__}(...) to it")
    return found
