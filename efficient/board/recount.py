"""FLOPs counted again from the config, by tracing alone: no array of an entry is read.

Where every phase has known sizes the count is exact. A network that is cut on the way has unknown
sizes in between; then the claim must lie between the counts of its smallest and its largest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np
from flax import nnx

from efficient.board.configuration import FAULTS, Decoded
from efficient.board.error import BoardError
from efficient.config import Duration
from efficient.models.layers import tap
from efficient.models.outline import outline, parameters
from efficient.models.tree import flatten
from efficient.run.counting import Counting, teacher_flops
from efficient.run.parent import NOBODY, SLOTS
from efficient.variants import Phase, VariantError, compose

FIELDS = ("flops_model", "flops_executed", "flops_teacher")
#: Of a run; of ours the longest lottery has some thirty.
MOST_PHASES = 1000


@dataclass(frozen=True)
class Counted:
    """Least and most of each of `FIELDS`; None where the tracing has no price for something."""

    steps: int
    params_total: int
    least: dict[str, int | None]
    most: dict[str, int | None]


def check(decoded: Mapping[str, Decoded]) -> dict[str, Counted]:
    """Count every run of an entry again.

    Raises:
        BoardError: a claim is not what is counted, in steps, parameters or FLOPs.
    """
    found = {}
    for run_id, one in decoded.items():
        try:
            found[run_id] = recount(one, decoded)
        except (*FAULTS, RecursionError, MemoryError) as error:
            raise BoardError(f"run {run_id}: it cannot be built: {error}") from None
        _compare(one, found[run_id])
    return found


def recount(one: Decoded, others: Mapping[str, Decoded]) -> Counted:
    """Phase by phase, with the sizes of its beginning and of its end where they differ.

    Raises:
        SpecError, VariantError, OptimizerError, ConfigError: settings that do not fit each other.
        BoardError: more phases than any run of ours has.
    """
    ends = [_count(one, others, spec) for spec in dict.fromkeys((_first(one, others), one.spec))]
    steps, params_total, _ = ends[-1]
    least: dict[str, int | None] = {}
    most: dict[str, int | None] = {}
    for name in FIELDS:
        known = [count for _, _, found in ends if (count := found[name]) is not None]
        whole = len(known) == len(ends)
        least[name], most[name] = (min(known), max(known)) if whole else (None, None)
    return Counted(steps, params_total, least, most)


def _count(
    one: Decoded, others: Mapping[str, Decoded], spec: Any
) -> tuple[int, int, dict[str, int | None]]:
    """Steps, parameters and FLOPs of a run whose network has these sizes throughout."""
    config, dataset = one.config, one.dataset
    load = _Paper(one, others)

    def composed(reached: frozenset[str]) -> Any:
        model = nnx.merge(*outline(spec, one.signature))
        return compose(config.variants, model, config.label_smoothing, load, reached)

    made = composed(frozenset())
    data = jax.tree.map(_shape, config.workload.arrays(dataset, "train"))
    examples = config.workload.examples(dataset, "train")
    counting = Counting(config, made, data, examples, one.record.machine.platform)
    steps = _steps(one, counting)
    plan = made.plan((Phase("train", steps),))
    if len(plan) > MOST_PHASES:
        raise BoardError(
            f"run {one.record.run_id}: {len(plan):,} phases; at most {MOST_PHASES:,} are counted"
        )
    total: dict[str, int | None] = dict.fromkeys(FIELDS, 0)
    counts: dict[frozenset[str], dict[str, int | None]] = {}
    reached: set[str] = set()
    for number, phase in enumerate(plan):
        if number:
            reached.add(phase.name)
        if phase.steps:
            waiting = frozenset(v.since for v in made.variants if v.since and v.since in reached)
            if waiting not in counts:
                now = replace(counting, composition=composed(waiting) if waiting else made)
                executed = now.executed(steps)
                values = (now.model().total, executed.total, teacher_flops(executed))
                counts[waiting] = dict(zip(FIELDS, values, strict=True))
            for name, each in counts[waiting].items():
                before = total[name]
                total[name] = None if None in (before, each) else before + each * phase.steps
    names = {n: leaf for n, leaf in flatten(made.params).items() if SLOTS not in n}
    return sum(phase.steps for phase in plan), parameters(names), total


def _steps(one: Decoded, counting: Counting) -> int:
    """Steps that the config asks for; of a duration in seconds, what the record says."""
    duration = Duration.parse(one.config.train_for)
    if not duration.needs_calibration:
        return duration.steps(counting)
    if len(one.config.variants):
        raise VariantError(f"train_for {one.config.train_for!r} with variants has no known steps")
    return one.record.steps


def _first(one: Decoded, others: Mapping[str, Decoded]) -> Any:
    """The sizes before the first step: the config's, or what the run that it starts from left."""
    start = others.get(one.config.start)
    if start is None or start.config.model != one.config.model:
        return one.config.model
    return start.spec


def _compare(one: Decoded, counted: Counted) -> None:
    record, cost = one.record, one.record.cost
    where = f"run {record.run_id}"
    if record.steps != counted.steps:
        raise BoardError(f"{where}: {record.steps} steps, its config asks for {counted.steps}")
    if cost.params_total != counted.params_total:
        raise BoardError(
            f"{where}: params_total {cost.params_total:,}, its config has {counted.params_total:,}"
        )
    done = sum(process.steps for process in cost.processes)
    for name in FIELDS:
        claimed, least, most = getattr(cost, name), counted.least[name], counted.most[name]
        if least is None or most is None:
            continue
        if claimed is None:
            raise BoardError(f"{where}: {name} is left out, {most:,} are counted")
        repeated = done if name != "flops_model" and counted.steps else counted.steps
        most = most if repeated == counted.steps else most * repeated // counted.steps
        if not least <= claimed <= most:
            said = f"{least:,}" if least == most else f"{least:,} to {most:,}"
            raise BoardError(f"{where}: {name} {claimed:,} is claimed, {said} are counted")


@dataclass(frozen=True)
class _Paper:
    """Other runs' models without their weights: enough to count what a step of this one costs."""

    one: Decoded
    others: Mapping[str, Decoded]

    def __call__(self, run: str) -> tuple[Any, Any]:
        apply, weights = self.tapped(run, ())
        return lambda weights, inputs: apply(weights, inputs).logits, weights

    def tapped(self, run: str, layers: tuple[str, ...]) -> tuple[Any, Any]:
        other = self.others.get(run)
        if other is None:
            raise VariantError(f"the record of {run!r} is missing: an entry brings its parents'")
        model = nnx.merge(*outline(other.spec, self.one.signature))
        tap(model, layers, f"teacher {run}")
        variants = tuple(v for v in other.config.variants if not v.parents())
        made = compose(variants, model, 0.0, NOBODY)
        return lambda weights, inputs: made.observe(*weights, inputs), (made.params, made.rest)

    def stored(self, run: str) -> Any:
        examples = self.one.config.workload.examples(self.one.dataset, "train")
        return jax.ShapeDtypeStruct((examples, self.one.signature.classes), np.float32)

    def sampled(self, run: str, temperature: float, amount: int) -> Any:
        tokens = self.one.dataset.splits["train"]["tokens"]
        return jax.ShapeDtypeStruct((amount,), tokens.dtype)


def _shape(array: Any) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(array.shape, array.dtype)
