"""What one step costs, by tracing alone: FLOPs as they run, by the forward rule, and seconds.

Nothing is compiled or executed, and shapes are enough.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import numpy as np

from efficient.config import Config, ConfigError
from efficient.cost.flops import Count, TrainingCount, count, count_training
from efficient.predict.residual import residual_bytes
from efficient.run.pace import Pace
from efficient.train import step as stepping
from efficient.train.step import Program, TrainState
from efficient.variants import Composition, Phase, kept
from efficient.variants.variant import Plan, steps_of

#: Steps of the plan that is traced to learn what a step costs; the cost does not depend on them.
PROVISIONAL = 1000
#: Steps of the chunk from which the seconds of one are predicted.
TRACED = 8


@dataclass
class Counting:
    """The steps of one run: what `config.Duration` asks, and what the record says.

    data: arrays of the training split or their shapes; pace: predicts seconds, where calibrated.
    """

    config: Config
    composition: Composition
    data: Any
    examples: int
    platform: str
    pace: Pace | None = None

    @property
    def batches(self) -> int:
        """Steps of an epoch."""
        return self.examples // self.config.batch_size

    def step_flops(self) -> int | None:
        """Executed FLOPs of one step."""
        return self.executed(PROVISIONAL).total

    def step_s(self) -> float:
        """Predicted seconds of one step.

        Raises:
            ConfigError: this machine is not calibrated, or the step holds work of unknown time.
        """
        return self._paced.step_s(self.chunk(PROVISIONAL), TRACED)

    def step_kwh(self) -> float:
        """Predicted energy of one step.

        Raises:
            ConfigError: this machine is not calibrated, or its power is unknown.
        """
        return self.step_s() * self._paced.watts() / 3.6e6

    @property
    def _paced(self) -> Pace:
        if self.pace is None:
            raise ConfigError(
                f"train_for {self.config.train_for!r} needs a calibrated machine; "
                "run `efficient machine --calibrate` first"
            )
        return self.pace

    def executed(self, steps: int) -> Count:
        """One step of a run of `steps`, as it runs here."""
        made = self.composition
        step = partial(stepping.train_step, self._program(steps))
        batch = self.batch(self.config.batch_size)
        jaxpr = jax.make_jaxpr(step)(self._state(steps), batch, made.frozen)
        return count(jaxpr, platform=self.platform)

    def chunk(self, steps: int) -> Any:
        """The traced program of `TRACED` steps of a run of `steps`, with their sampling."""
        number = jax.ShapeDtypeStruct((), "int32")
        epochs = (TRACED + self.batches - 2) // self.batches + 1
        orders = (jax.ShapeDtypeStruct((self.examples,), "int32"),) * epochs
        chunk = partial(stepping.chunk, self._program(steps), TRACED, self.config.batch_size)
        frozen = self.composition.frozen
        return jax.make_jaxpr(chunk)(self._state(steps), self.data, orders, number, frozen)

    def _program(self, steps: int) -> Program:
        made = self.composition
        return assemble(self.config, made, made.plan((Phase("train", steps),)))

    def _state(self, steps: int) -> TrainState:
        key = jax.ShapeDtypeStruct((2,), "uint32")
        made = self.composition
        return jax.eval_shape(partial(begin, self._program(steps)), key, made.params, made.rest)

    def model(self) -> TrainingCount:
        """One step by the forward rule, with the baseline's objective."""
        made = self.composition

        def loss(params, rest, batch):
            return made.base(made.apply(params, rest, batch.inputs)[0], batch, None)

        arguments = (made.params, made.rest, self.batch(self.config.batch_size))
        jaxpr = jax.make_jaxpr(loss)(*arguments)
        trained = _marks(arguments, (True, False, False))
        return count_training(jaxpr, trained, batch=_marks(arguments, (False, False, True)))

    def residual_bytes(self, examples: int) -> int:
        """What the backward pass reads of the forward of so many examples."""
        made = self.composition

        def loss(params, rest, batch, frozen):
            outputs, _ = made.apply(params, rest, batch.inputs)
            return made.objective(outputs, batch, frozen)

        return residual_bytes(loss, made.params, made.rest, self.batch(examples), made.frozen)

    def batch(self, examples: int) -> Any:
        """Shapes of so many examples."""
        index = jax.ShapeDtypeStruct((examples,), "int32")
        return jax.eval_shape(self.config.workload.window, self.data, index)


def teacher_flops(step: Count) -> int | None:
    """The part of a step that is the teachers' forward; None where the step has no total."""
    scopes = step.by_scope.items()
    spent = sum(flops for scope, flops in scopes if scope.split("/")[0] == "teacher")
    return None if step.unpriced else spent


def assemble(config: Config, made: Composition, plan: Plan) -> Program:
    """The static half of training; it reads no array, so shapes are enough."""
    return Program(
        apply=made.apply,
        predict=made.predict,
        objective=made.objective,
        sample=config.workload.sample,
        optimizer=made.extend(config.optimizer.build(made.horizon(steps_of(plan))), plan),
        kept=kept,
        accumulate=config.accumulate,
    )


def begin(program: Program, key: Any, params: Any, rest: Any) -> TrainState:
    """The state before the first step."""
    return TrainState(jax.numpy.int32(0), key, params, rest, program.optimizer.init(params))


def _marks(trees: tuple[Any, ...], marks: tuple[bool, ...]) -> list[bool]:
    """One mark for each leaf."""
    counted = [
        np.full(len(jax.tree.leaves(tree)), mark) for tree, mark in zip(trees, marks, strict=True)
    ]
    return np.concatenate(counted).tolist()
