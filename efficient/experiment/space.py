"""Settings that are searched: a space by dotted fields of a config, and quasi-random points."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from efficient.config import TABLES, Config, nearest, type_name

#: Of the scrambling: every arm with the same space is given the same points.
SCRAMBLE = 0
#: Fields that say what is asked, or for how long, and are no setting of a method.
ASKED = ("workload", "train_for", "seed", "start", "reference", "preset", "arm")


class SpaceError(ValueError):
    """A space that does not fit a config: one line with the field and the remedy."""


@dataclass(frozen=True)
class Uniform:
    """Any number from low to high."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if not -math.inf < self.low < self.high < math.inf:
            raise SpaceError(f"{self} is empty; give two finite numbers, the lower one first")

    def at(self, share: float) -> float:
        """The value that a share in [0, 1) of all values lies below."""
        return self.low + share * (self.high - self.low)


@dataclass(frozen=True)
class LogUniform:
    """Any positive number from low to high, each power of ten as likely."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if not 0 < self.low < self.high < math.inf:
            raise SpaceError(f"{self} is empty; give two positive numbers, the lower one first")

    def at(self, share: float) -> float:
        """As `Uniform.at`."""
        return self.low * (self.high / self.low) ** share


@dataclass(frozen=True)
class Choice:
    """One of some values, each as likely."""

    values: tuple[Any, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.values, tuple) or len(self.values) < 2:
            raise SpaceError(f"{self} is no choice; give a tuple of two values or more")

    def at(self, share: float) -> Any:
        """As `Uniform.at`, in the order of the values."""
        return self.values[min(int(share * len(self.values)), len(self.values) - 1)]


#: From dotted field of a config, `optimizer.lr` or `variants.distill.temperature`, to its values.
Space = Mapping[str, Uniform | LogUniform | Choice]


def settings(space: Space, count: int) -> list[dict[str, Any]]:
    """The first `count` points of the scrambled Halton sequence (Owen 2017), by field.

    More points begin with the same ones, whatever the order of the fields.

    Raises:
        SpaceError: a field has no range or choice.
    """
    from scipy.stats import qmc

    for field, values in space.items():
        if not isinstance(values, Uniform | LogUniform | Choice):
            raise SpaceError(
                f"space over {field!r} is {values!r}; give Uniform, LogUniform or Choice"
            )
    fields = sorted(space)
    shares = qmc.Halton(len(fields), scramble=True, rng=SCRAMBLE).random(count)
    return [
        {field: space[field].at(float(share)) for field, share in zip(fields, point, strict=True)}
        for point in shares
    ]


def placed(config: Config, setting: Mapping[str, Any]) -> Config:
    """The config with the values of a setting.

    Raises:
        SpaceError: it has no such field (the nearest is named), one that says what is asked, or
        one of another type. ConfigError and the like: the value is refused.
    """
    for field, value in setting.items():
        known = dict(_fields(config))
        if field.split(".")[0] in ASKED:
            raise SpaceError(f"space over {field!r}: it is what is asked, not how; leave it out")
        if field not in known:
            raise SpaceError(
                f"space over {field!r}, which no such config has; " + nearest(field, known)
            )
        if isinstance(known[field], int) and isinstance(value, float):
            raise SpaceError(f"space over {field!r}: {value:g} is no whole number; use Choice")
        config = _replaced(config, field.split("."), value)
    return config


def _fields(value: Any, prefix: str = "") -> list[tuple[str, Any]]:
    """Dotted fields below a dataclass and their values; a variant's by its name."""
    if isinstance(value, tuple) and value and all(map(dataclasses.is_dataclass, value)):
        return [pair for one in value for pair in _fields(one, f"{prefix}{_name(one)}.")]
    if not dataclasses.is_dataclass(value):
        return [(prefix.removesuffix("."), value)]
    names = [field.name for field in dataclasses.fields(value) if field.init]
    return [p for name in names for p in _fields(getattr(value, name), f"{prefix}{name}.")]


def _replaced(value: Any, path: list[str], new: Any) -> Any:
    if not path:
        return new
    first, *rest = path
    if isinstance(value, tuple):
        return tuple(_replaced(v, rest, new) if _name(v) == first else v for v in value)
    return dataclasses.replace(value, **{first: _replaced(getattr(value, first), rest, new)})


def _name(variant: Any) -> str:
    return type_name(TABLES["variants"], variant)
