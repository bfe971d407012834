"""Config -> everything that a run trains with: data, network, program, and what they cost."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import nnx

from efficient.config import Config, Duration
from efficient.cost.flops import Count, TrainingCount
from efficient.data import Dataset
from efficient.models.outline import outline as network
from efficient.models.signature import Signature
from efficient.run.counting import Counting, assemble, begin, teacher_flops
from efficient.run.lesson import Teachers
from efficient.run.pace import Pace
from efficient.run.parent import initial_spec, initial_weights
from efficient.train import step as stepping
from efficient.train.loop import Evaluation, Loop
from efficient.train.step import Program, TrainState
from efficient.variants import Composition, Phase, Variant, VariantError, compose, pruned
from efficient.variants.variant import Load, Plan, steps_of
from efficient.workloads import score

#: Speed assumed to size a chunk: about two seconds on a slow machine of the platform. FLOP/s.
ASSUMED = {"cpu": 2e10, "gpu": 5e12, "tpu": 5e12}
CHUNK_S, CHUNK_MOST = 2.0, 2000


@dataclass
class Built:
    """One run in one of its phases, ready to be compiled.

    spec: the sizes of the network; phase: index of the phase; load: other runs' models;
    model_count: the forward rule of one step without variants' objectives; executed: one step as
    it runs; teacher: the part of it that is the teachers' forward; counting: of more than these;
    batch: shapes of one; start: `(params, rest)` before the first step.
    """

    config: Config
    dataset: Dataset
    signature: Signature
    load: Teachers
    spec: Any
    phase: int
    composition: Composition
    plan: Plan
    program: Program
    names: tuple[str, ...]
    data: Any
    frozen: Any
    platform: str
    model_count: TrainingCount
    executed: Count
    counting: Counting
    batch: Any
    start: tuple[Any, Any]

    @property
    def steps(self) -> int:
        return steps_of(self.plan)

    @property
    def key(self) -> jax.Array:
        """The seed as data: (2,) uint32."""
        return jax.random.key_data(jax.random.key(self.config.seed, impl="threefry2x32"))

    @functools.cached_property
    def chunk(self) -> Any:
        """The traced program of `counting.TRACED` steps, from which seconds are predicted."""
        return self.counting.chunk(self.steps)

    @property
    def examples(self) -> int:
        return self.config.workload.examples(self.dataset, "train")

    @property
    def teacher(self) -> int | None:
        return teacher_flops(self.executed)

    @property
    def unknown(self) -> dict[str, str]:
        """Columns that have no number, and why."""
        columns = {"flops_model": self.model_count.reason, "flops_executed": self.executed.reason}
        columns["flops_effective"] = columns["flops_model"]
        columns["flops_teacher"] = columns["flops_executed"]
        return {name: reason for name, reason in columns.items() if reason}

    def at(self, phase: int, spec: Any) -> Built:
        """The same run in another phase, or with a network of other sizes; itself if all is equal.

        The weights of what is made anew are fresh ones of the seed.
        """
        if spec == self.spec and self._waiting(phase) == self._waiting(self.phase):
            return dataclasses.replace(self, phase=phase)
        made = _compose(self.config, self.signature, spec, self.load, _reached(self.plan, phase))
        counting = dataclasses.replace(self.counting, composition=made)
        program = assemble(self.config, made, self.plan)
        return dataclasses.replace(
            self,
            spec=spec,
            phase=phase,
            composition=made,
            program=program,
            names=pruned(program.optimizer, made.params),
            model_count=counting.model(),
            executed=counting.executed(self.steps),
            counting=counting,
            start=(made.params, made.rest),
        )

    def _waiting(self, phase: int) -> list[bool]:
        """Of every variant, whether its rewrite does not hold yet."""
        reached = _reached(self.plan, phase)
        return [bool(v.since) and v.since not in reached for v in self.composition.variants]

    def examples_unique(self, steps: int) -> int:
        """Training examples met by then; an epoch leaves its last incomplete batch out."""
        size, key = self.config.batch_size, self.key
        batches, met = self.examples // size, np.zeros(self.examples, bool)
        for epoch in range(-(-steps // batches)):
            order = stepping.epoch_order(key, jax.numpy.int32(epoch), self.examples)
            met[order[: min(batches, steps - epoch * batches) * size]] = True
            if met.all():
                break
        return int(met.sum())

    def initial(self) -> TrainState:
        """The state before the first step."""
        return begin(self.program, self.key, *jax.tree.map(jax.numpy.array, self.start))

    def loop(self) -> Loop:
        config = self.config
        length = config.chunk_steps or self._chunk_steps()
        return Loop(self.program, self.data, self.examples, config.batch_size, length, self.frozen)

    def evaluation(self, split: str, measure: Callable[[Any, Any], Any] | None = None):
        """Scores of the training weights `(params, rest)` on a split, or another measure."""
        predict = self.composition.predict

        def scores(weights, batch):
            return score(predict(*weights, batch.inputs), batch)

        return split_evaluation(self.config, self.dataset, split, measure or scores)

    def _chunk_steps(self) -> int:
        per_step = max(1, self.executed.priced)
        steps = int(CHUNK_S * ASSUMED.get(self.platform, 5e12) / per_step)
        return max(1, min(steps, CHUNK_MOST, -(-self.steps // self.config.evaluations)))


def build(
    config: Config,
    dataset: Dataset,
    out: Path,
    pace: Pace | None = None,
    steps: int | None = None,
) -> Built:
    """Compose and count; nothing is compiled.

    steps: those that an earlier process of the attempt planned; else they follow from `train_for`,
    for which a duration in seconds or kWh needs a `pace`.

    Raises:
        SpecError, VariantError, OptimizerError, WorkloadError, ConfigError, StoreError: settings
        that do not fit each other, or a parent that does not exist.
    """
    workload = config.workload
    workload.check(dataset)
    shape, classes = workload.signature(dataset)
    signature = Signature(shape, classes, dataset.kind)
    loading = Teachers(out, signature, workload, dataset)
    examples = workload.examples(dataset, "train")
    if config.batch_size > examples:
        raise VariantError(
            f"batch_size {config.batch_size} is more than the {examples} training examples of "
            f"{dataset.name!r}; choose a smaller one"
        )
    spec = initial_spec(config, out)
    composition = _compose(config, signature, spec, loading, frozenset())
    if any(variant.since for variant in composition.variants):
        _rehearse(composition.variants, signature, spec)
    start = initial_weights(config, out, composition)
    data = jax.device_put(workload.arrays(dataset, "train"))
    platform = jax.devices()[0].platform
    counting = Counting(config, composition, data, examples, platform, pace)
    steps = steps or Duration.parse(config.train_for).steps(counting)
    if steps < 1 and not config.start:
        raise VariantError(
            f"train_for {config.train_for!r} is less than one step; ask for more, or begin "
            "with the weights of another run (start)"
        )
    plan = composition.plan((Phase("train", steps),))
    program = assemble(config, composition, plan)
    return Built(
        config=config,
        dataset=dataset,
        signature=signature,
        load=loading,
        spec=spec,
        phase=0,
        composition=composition,
        plan=plan,
        program=program,
        names=pruned(program.optimizer, composition.params),
        data=data,
        frozen=composition.frozen,
        platform=platform,
        model_count=counting.model(),
        executed=counting.executed(steps),
        counting=counting,
        batch=counting.batch(config.batch_size),
        start=start,
    )


def _compose(
    config: Config, signature: Signature, spec: Any, loading: Load, reached: frozenset[str]
) -> Composition:
    """A fresh network of the seed, as the variants make it."""
    model = spec.build(signature, nnx.Rngs(config.seed))
    return compose(config.variants, model, config.label_smoothing, loading, reached)


def _rehearse(variants: tuple[Variant, ...], signature: Signature, spec: Any) -> None:
    """Refuse before training what the rewrite of a later phase would refuse; shapes are enough."""
    model = nnx.merge(*network(spec, signature))
    for variant in variants:
        model = variant.rewrite(model)


def _reached(plan: Plan, phase: int) -> frozenset[str]:
    """Names of the phases that have begun after the first."""
    return frozenset(p.name for p in plan[1 : phase + 1])


def split_evaluation(
    config: Config, dataset: Dataset, split: str, measure: Callable[[Any, Any], Any]
) -> Evaluation:
    """A measure of every example of a split."""
    workload = config.workload
    examples = workload.examples(dataset, split)
    return Evaluation(
        measure,
        workload.window,
        jax.device_put(workload.arrays(dataset, split)),
        examples,
        min(config.eval_batch_size, examples),
    )
