"""Config -> what a run would take, from shapes alone: no weight is allocated, nothing compiled.

The same network, objective and optimizer as in `run.build`, which trains; here every array is a
`jax.ShapeDtypeStruct`. A GPT of 175 billion parameters takes seconds and a few hundred MB.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
from flax import nnx

from efficient.config import Config, Duration
from efficient.cost.flops import Count, TrainingCount
from efficient.cost.place import UPDATE
from efficient.data import Dataset
from efficient.models.outline import outline as network
from efficient.models.outline import parameters
from efficient.models.signature import Signature
from efficient.models.tree import flatten
from efficient.predict.memory import Memory, recomputed_by_segments
from efficient.run.counting import Counting, assemble, teacher_flops
from efficient.run.lesson import Teachers
from efficient.run.parent import SLOTS, initial_spec
from efficient.variants import Phase, VariantError, compose
from efficient.variants.variant import Plan, steps_of


@dataclass(frozen=True)
class Outline:
    """One run on paper.

    model: a step by the forward rule, padding counted; executed: a step as it runs on `platform`;
    counting: of more than these.
    """

    steps: int
    batch_size: int
    platform: str
    params_total: int
    model: TrainingCount
    executed: Count
    counting: Counting
    memory: Memory

    @property
    def teacher_step(self) -> int | None:
        """FLOPs of the teachers' forward in a step, which `executed` holds."""
        return teacher_flops(self.executed)

    @property
    def update_step(self) -> int | None:
        """FLOPs of the optimizer's own products in a step; 0 but for such as muon."""
        return None if self.executed.unpriced else self.executed.by_phase[UPDATE]

    @property
    def flops_step(self) -> int | None:
        """What a step is there to compute: the model's mathematics, teachers, and the update."""
        parts = (self.model.total, self.teacher_step, self.update_step)
        known = [part for part in parts if part is not None]
        return sum(known) if len(known) == len(parts) else None

    @property
    def reason(self) -> str:
        """Why `flops_step` is unknown; "" where it is known."""
        return self.model.reason or self.executed.reason or ""


def outline(config: Config, dataset: Dataset, out: Path, platform: str) -> Outline:
    """Compose and count, without allocating.

    platform: whose branches run, as in `cost.flops.count`.

    Raises:
        SpecError, VariantError, OptimizerError, WorkloadError, ConfigError, StoreError: settings
        that do not fit each other, or a parent that does not exist.
    """
    workload = config.workload
    workload.check(dataset)
    shape, classes = workload.signature(dataset)
    signature = Signature(shape, classes, dataset.kind)
    model = nnx.merge(*network(initial_spec(config, out), signature))
    teachers = Teachers(out, signature, workload, dataset)
    made = compose(config.variants, model, config.label_smoothing, teachers)
    data = jax.tree.map(_shape, workload.arrays(dataset, "train"))
    counting = Counting(config, made, data, workload.examples(dataset, "train"), platform)
    steps = Duration.parse(config.train_for).steps(counting)
    if steps < 1 and not config.start:
        raise VariantError(
            f"train_for {config.train_for!r} is less than one step; ask for more, or begin "
            "with the weights of another run (start)"
        )
    plan = made.plan((Phase("train", steps),))
    return Outline(
        steps=steps_of(plan),
        batch_size=config.batch_size,
        platform=platform,
        params_total=parameters(_network_only(made.params)),
        model=counting.model(),
        executed=counting.executed(steps),
        counting=counting,
        memory=_memory(counting, plan),
    )


def _memory(counting: Counting, plan: Plan) -> Memory:
    """Of one micro-batch: bytes of arrays, exact, and activations as differentiation keeps them."""
    config, made = counting.config, counting.composition
    examples = config.batch_size // config.accumulate
    each = -(-counting.residual_bytes(examples) // examples)
    optimizer = assemble(config, made, plan).optimizer
    return Memory(
        weights_bytes=_bytes((made.params, made.rest, made.frozen)),
        gradients_bytes=_bytes(made.params),
        optimizer_bytes=_bytes(jax.eval_shape(optimizer.init, made.params)),
        activation_bytes=each,
        recomputed_bytes=recomputed_by_segments(each, len(made.weights)),
        examples=examples,
        activation_bits=32,
        model="what differentiating the traced loss keeps; a compiler may keep less",
        data_bytes=_bytes(counting.data),
    )


def _network_only(params: Any) -> dict[str, Any]:
    """Without the slots of wrapped layers, which belong to variants and do not ship."""
    return {name: leaf for name, leaf in flatten(params).items() if SLOTS not in name}


def _shape(array: Any) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(array.shape, array.dtype)


def _bytes(tree: Any) -> int:
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))
