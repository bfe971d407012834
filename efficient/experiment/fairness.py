"""The same question asked more fairly: other arms, tuned arms, or arms of one budget.

Each function gives an experiment, which is planned and run like any other.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from efficient.compare.outlay import AXES
from efficient.compare.summary import BASELINE
from efficient.config import Config, Duration, nearest
from efficient.experiment.definition import Arm, Experiment, ExperimentError
from efficient.experiment.space import Space, SpaceError, placed, settings
from efficient.ledger.notation import budget, trial

#: Seed of every trial. The chosen setting is trained on the arm's own seeds, which are others.
TRIAL_SEED = 1_000_000
#: Whose costs a budget is for: the run's alone, or also those of its parents.
MARGINAL, FULL = "marginal", "full"


def with_budgets(experiment: Experiment, factors: Sequence[float]) -> Experiment:
    """With the baselines trained for these multiples of their own length, as arms of their own.

    A schedule spans the run whatever its length is, so that each of them ends fully decayed.

    Raises:
        ExperimentError: there is no baseline, or it has no length or no schedule to scale.
    """
    if not any(arm.label == BASELINE for arm in experiment.arms):
        raise ExperimentError(
            f"experiment {experiment.name!r} has no arm {BASELINE!r} to train for other budgets"
        )
    arms: list[Arm] = []
    for arm in experiment.arms:
        arms.append(arm)
        if arm.label == BASELINE:
            _refuse_unscalable(arm)
            arms += [_scaled(arm, factor) for factor in factors if factor != 1]
    return dataclasses.replace(experiment, arms=tuple(arms))


def with_trials(experiment: Experiment, trials: int) -> Experiment:
    """With so many trials before each arm, whose setting is that of the best of them.

    All arms that search the same space try the same points. A control has none, and stays untuned.

    Raises:
        ExperimentError: an arm has no space, or one that does not fit its config.
    """
    arms: list[Arm] = []
    for arm in experiment.arms:
        if not isinstance(arm.config, Config):
            arms.append(arm)
            continue
        space = {**experiment.space, **arm.space}
        if not space:
            raise ExperimentError(
                f"arm {arm.label!r} of experiment {experiment.name!r} has no space to draw trials "
                'from; give it space={"optimizer.lr": LogUniform(1e-4, 1e-2)}'
            )
        tried = _trials(arm, space, trials)
        chosen_from = tuple(one.label for one in tried)
        arms += [*tried, dataclasses.replace(arm, chosen_from=chosen_from)]
    return dataclasses.replace(experiment, arms=tuple(arms), name=f"{experiment.name}-tuned")


def with_equal(experiment: Experiment, column: str, lineage: str = FULL) -> Experiment:
    """With every arm trained for what the baseline of its workload cost in this column.

    lineage: FULL leaves an arm what its parents have not used up. Arms that others learn or start
    from, and those without a step, stay as they are.

    Raises:
        ExperimentError: an unknown column, a workload without a baseline, or nothing to plan.
    """
    if column not in AXES:
        raise ExperimentError(f"budgets cannot be equal in {column!r}; {nearest(column, AXES)}")
    places = {(arm.config.workload.name, arm.label) for arm in experiment.arms}
    needed = {
        (arm.config.workload.name, label)
        for arm in experiment.arms
        for label in (arm.teacher, arm.start)
        if label
    }
    arms: list[Arm] = []
    for arm in experiment.arms:
        work = arm.config.workload.name
        if (work, BASELINE) not in places:
            raise ExperimentError(f"{work} has no arm {BASELINE!r} whose budget others could have")
        kept = arm.label == BASELINE or (work, arm.label) in needed or not _length(arm)
        length = {} if kept else {"as_long_as": (column, BASELINE), "lineage": lineage}
        arms.append(dataclasses.replace(arm, **length))
    if not any(arm.lineage for arm in arms):
        raise ExperimentError(f"experiment {experiment.name!r} has no arm to give the budget to")
    name = f"{experiment.name}-equal-{column}-{lineage}"
    return dataclasses.replace(experiment, arms=tuple(arms), name=name)


def _scaled(arm: Arm, factor: float) -> Arm:
    assert isinstance(arm.config, Config)
    length = Duration.parse(arm.config.train_for)
    train_for = f"{length.count * factor:.12g} {length.unit}{'s' * (length.unit in _PLURAL)}"
    return dataclasses.replace(
        arm,
        label=budget(arm.label, factor),
        config=dataclasses.replace(arm.config, train_for=train_for),
        minutes=arm.minutes * factor,
    )


#: Units of `train_for` that are written with an s.
_PLURAL = ("epoch", "step")


def _refuse_unscalable(arm: Arm) -> None:
    why = ""
    if arm.as_long_as:
        why = f"is as long as {arm.as_long_as[1]!r}; give it a length of its own"
    elif not isinstance(arm.config, Config) or not _length(arm):
        why = "has no step; give it a length"
    elif arm.config.optimizer.schedule.name == "constant":
        why = "never decays its learning rate; give it another optimizer.schedule"
    if why:
        raise ExperimentError(f"arm {arm.label!r} cannot be trained for other budgets: it {why}")


def _length(arm: Arm) -> float:
    """In its own unit; 0 of a control."""
    return Duration.parse(arm.config.train_for).count if isinstance(arm.config, Config) else 0.0


def _trials(arm: Arm, space: Space, trials: int) -> list[Arm]:
    assert isinstance(arm.config, Config)
    try:
        configs = [placed(arm.config, setting) for setting in settings(space, trials)]
    except SpaceError as error:
        raise ExperimentError(f"arm {arm.label!r}: {error}") from None
    return [
        dataclasses.replace(
            arm,
            label=trial(arm.label, number),
            config=config,
            reference="",
            seeds=1,
            first_seed=TRIAL_SEED,
        )
        for number, config in enumerate(configs, 1)
    ]
