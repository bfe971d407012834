"""What an experiment is: a question and its arms, written as Python."""

from __future__ import annotations

import dataclasses
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path

from efficient.config import Config, definition, nearest
from efficient.controls import Control
from efficient.experiment.space import Space


class ExperimentError(ValueError):
    """An experiment that cannot be run: one line with the remedy."""


@dataclass(frozen=True)
class Arm:
    """One way to train, or a control to fit, over seeds.

    label: of its rows; teacher, start and reference: labels of other arms of the same workload,
    whose run of the same seed is taken, or seed 0 where that arm has only one; as_long_as: (column,
    label): its steps are planned before the run so that the cost, one of `compare.outlay.AXES`, is
    predicted to be that of seed 0 of another arm; lineage: whether that is of both runs alone
    ("marginal") or with all that they needed ("full"); seeds: fewer than the experiment's;
    first_seed: what its seeds count from, so that an arm can have other ones than the rest;
    minutes: expected for one run on two CPU cores; space: settings to search beside those of the
    experiment; chosen_from: labels of the trials before it, the best of which gives its config.
    A control needs no other arm.
    """

    label: str
    config: Config | Control
    _: KW_ONLY
    teacher: str = ""
    start: str = ""
    reference: str = ""
    as_long_as: tuple[str, str] | None = None
    seeds: int | None = None
    first_seed: int = 0
    minutes: float = 1.0
    lineage: str = ""
    space: Space = field(default_factory=dict)
    chosen_from: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        needs = self.teacher or self.start or self.reference or self.as_long_as
        if isinstance(self.config, Control) and needs:
            raise ExperimentError(f"arm {self.label!r} is a control, which needs no other arm")


@dataclass(frozen=True)
class Experiment:
    """A question and its arms; `seeds` is how often each arm is trained unless it says fewer.

    scales: the same question on larger machines, by name: other arms, as (scale, arms) pairs;
    space: settings that `--trials` searches for every arm.
    """

    title: str
    arms: tuple[Arm, ...]
    seeds: int = 3
    name: str = ""
    scales: tuple[tuple[str, tuple[Arm, ...]], ...] = ()
    space: Space = field(default_factory=dict)

    def at(self, scale: str) -> Experiment:
        """The same question with the arms of a scale; itself for "".

        Raises:
            ExperimentError: it has no such scale.
        """
        if not scale:
            return self
        arms = dict(self.scales)
        if scale not in arms:
            raise ExperimentError(
                f"experiment {self.name!r} has no scale {scale!r}; "
                + (nearest(scale, arms) if arms else "leave --scale out")
            )
        name = f"{self.name}-{scale}"
        return dataclasses.replace(self, arms=arms[scale], name=name, scales=())


def load(path: Path | str) -> Experiment:
    """The `experiment` of a Python file, or of `experiment.py` in a folder.

    Raises:
        ExperimentError: there is none. ConfigError: it does not load.
    """
    path = Path(path)
    file = path / "experiment.py" if path.is_dir() else path
    if not file.is_file():
        near = [p.parent.name for p in Path("experiments").glob("*/experiment.py")]
        raise ExperimentError(
            f"experiment {str(path)!r} does not exist; {nearest(path.name, near)}"
        )
    experiment = definition(file, "experiment", Experiment)
    return dataclasses.replace(experiment, name=file.resolve().parent.name)
