"""What a run of a control is: a model without a network on a workload, and a seed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from efficient.config import ConfigError, own_sources, typed, untyped
from efficient.controls.linear import Logistic
from efficient.controls.neighbours import Neighbours
from efficient.controls.ngram import NGram
from efficient.controls.tree import Boosting, Forest
from efficient.controls.vector import SVM
from efficient.ledger.codec import from_dict, to_dict
from efficient.ledger.store import digest_json
from efficient.workloads import WORKLOADS

#: The literal table is the registry.
CONTROLS = {
    "knn": Neighbours,
    "logistic": Logistic,
    "svm": SVM,
    "forest": Forest,
    "boosting": Boosting,
    "ngram": NGram,
}


@dataclass(frozen=True)
class Control:
    """Everything that decides what a run of a control computes, and its two labels.

    workload, model: what is learned, by which of `CONTROLS`. preset, arm: labels; they are not part
    of the request.
    """

    workload: Any
    model: Any
    seed: int = 0
    preset: str = field(default="", compare=False)
    arm: str = field(default="", compare=False)

    variants: ClassVar[tuple[()]] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 2**32:
            raise ConfigError(f"seed {self.seed} is not in [0, 2^32)")

    @property
    def label(self) -> str:
        """The arm's label: given by an experiment, or the model's."""
        return self.arm or self.model.title


def to_json(control: Control) -> dict[str, Any]:
    """Plain JSON types; `from_json` reads them back."""
    return to_dict(control) | {
        "workload": untyped(WORKLOADS, control.workload),
        "model": untyped(CONTROLS, control.model),
    }


def from_json(plain: dict[str, Any]) -> Control:
    """The control of a record or of an experiment.

    Raises:
        ConfigError, RecordError: a name is unknown or a value of the wrong type.
    """
    if not isinstance(plain, dict):
        raise ConfigError("a control must be a JSON object")
    if missing := {"workload", "model"} - set(plain):
        raise ConfigError(f"control lacks {sorted(missing)[0]!r}")
    made = {
        "workload": typed(WORKLOADS, plain["workload"], "control.workload"),
        "model": typed(CONTROLS, plain["model"], "control.model"),
    }
    return from_dict(Control, plain | made, "control")


def digest(control: Control, *others: str) -> str:
    """The request: what would be computed, whatever it is called."""
    plain = to_json(control)
    for label in ("preset", "arm"):
        plain.pop(label)
    return digest_json([plain, own_sources(control.workload, control.model), *others])
