"""Pruning by masks: weights are scored, and the lowest are held at zero.

Three choices, each in a file of its own: which weights matter (criterion), how many each layer
keeps (distribution) and what goes as one (pattern). `gradual` removes while training goes on,
along the cubic ramp of Zhu and Gupta (2017, arXiv 1710.01878); `one_shot` removes everything at
`begin` and trains on (Han et al. 2015, arXiv 1506.02626); `static` does so before the first step.
A removed weight is exactly zero after every step, and the numbers kept are exact integers.

The contraction stays dense, so executed FLOPs do not fall.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
import optax

from efficient.variants.prune.criterion import (
    CRITERIA,
    IN_STEP,
    score,
    score_weights,
)
from efficient.variants.prune.distribution import SCOPES, allot
from efficient.variants.prune.pattern import Pattern, parse
from efficient.variants.prune.schedule import Ramp, cubic, falling, require_uncut
from efficient.variants.prune.state import (
    Arrays,
    Masks,
    Refresh,
    chance_now,
    count_kept,
    mask_state,
    maskable,
    masked,
    with_chance,
    with_masks,
)
from efficient.variants.prune.synflow import flow_masks
from efficient.variants.variant import (
    Phase,
    Plan,
    Probe,
    Variant,
    VariantError,
    Weight,
    Work,
    begin,
    conclude,
    divide,
    steps_of,
)

SCHEDULES = ("gradual", "one_shot", "static")
Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Prune(Variant):
    """Remove the weights of lowest score until `sparsity` of them are gone.

    sparsity: fraction removed, which an N:M pattern sets itself; scope: how layers share it:
    uniform, erk or global; weights: shell pattern over layer paths; criterion: magnitude, random,
    l1, saliency, snip, grasp or synflow; pattern: unstructured, N:M, a block such as 4x4, or
    filter; schedule: gradual, one_shot or static; begin and end: fractions of the run between
    which gradual removes, in `updates` equal intervals; batches: of the training split, read by a
    criterion that needs the loss; iterations: removals of synflow.
    """

    rank: ClassVar[int] = 30
    family: ClassVar[str] = "masks"

    sparsity: float = 0.9
    scope: str = "uniform"
    weights: str = "*"
    schedule: str = "gradual"
    begin: float = 0.1
    end: float = 0.7
    updates: int = 32
    criterion: str = "magnitude"
    pattern: str = "unstructured"
    batches: int = 1
    iterations: int = 100

    def __post_init__(self) -> None:
        if not 0 <= self.sparsity < 1:
            raise VariantError(f"prune sparsity {self.sparsity} is not a fraction in [0, 1)")
        for name, known in (("scope", SCOPES), ("schedule", SCHEDULES), ("criterion", CRITERIA)):
            if getattr(self, name) not in known:
                choices = f"{', '.join(known[:-1])} or {known[-1]}"
                raise VariantError(
                    f"prune {name} {getattr(self, name)!r} is unknown; choose {choices}"
                )
        if not 0 <= self.begin <= self.end <= 1:
            raise VariantError(f"prune begin {self.begin} and end {self.end} must rise in [0, 1]")
        for name in ("updates", "batches", "iterations"):
            if getattr(self, name) < 1:
                raise VariantError(f"prune {name} {getattr(self, name)} must be at least 1")
        self._fit(parse(self.pattern))

    def _fit(self, pattern: Pattern) -> None:
        """Refuse choices that exclude each other."""
        if self.schedule == "gradual" and self.criterion not in IN_STEP:
            raise VariantError(
                f"prune criterion {self.criterion} is not computed within a step; choose schedule "
                "one_shot or static"
            )
        if self.criterion == "l1" and not pattern.whole:
            raise VariantError(
                f"prune criterion l1 scores whole filters, not {self.pattern}; choose pattern "
                "filter, or criterion magnitude"
            )
        if self.scope != "uniform" and (pattern.whole or pattern.grouped):
            raise VariantError(
                f"prune scope {self.scope} counts weights or equal blocks, not {self.pattern}; "
                "choose scope uniform"
            )
        default = next(f.default for f in fields(self) if f.name == "sparsity")
        if pattern.grouped and self.sparsity not in (0, default, self.target):
            raise VariantError(
                f"prune pattern {self.pattern} removes {self.target:g}, not {self.sparsity:g}; "
                "leave sparsity out"
            )

    @property
    def neutral(self) -> bool:
        return self.sparsity == 0

    @property
    def target(self) -> float:
        """The fraction that is removed in the end."""
        keep, group = parse(self.pattern).ratio
        return 1 - keep / group if group > 1 else self.sparsity

    def phases(self, plan: Plan) -> Plan:
        if self.neutral:
            return plan
        if self.schedule == "gradual":
            return begin(plan, self._seed) if self.criterion == "random" else plan
        if self.schedule == "static" or self.begin == 0:
            return begin(plan, self._cut)
        if self.begin == 1:
            return conclude(plan, Phase("cut", 0, self._cut))
        return divide(plan, round(self.begin * steps_of(plan)), "dense", "finetune", self._cut)

    def extend(
        self, tx: optax.GradientTransformation, weights: tuple[Weight, ...], plan: Plan
    ) -> optax.GradientTransformation:
        if self.neutral:
            return tx
        shapes = self._shapes(weights)
        sizes = {name: int(np.prod(shape)) for name, shape in shapes.items()}
        if self.schedule != "gradual":
            chosen = round(self.begin * steps_of(plan)) if self.schedule == "one_shot" else 0
            require_uncut(plan, max(0, chosen - 1), f"prune schedule {self.schedule}")
            return masked(tx, sizes)
        ramp, pattern = self.ramp(steps_of(plan)), parse(self.pattern)
        cuttable = pattern.whole or (pattern.single and not pattern.grouped)
        require_uncut(plan, ramp.last if cuttable else ramp.begin, f"prune pattern {self.pattern}")
        return masked(tx, sizes, self._refresh(shapes, ramp), ramp.due)

    def claims(self, weights: tuple[Weight, ...]) -> dict[str, int]:
        if self.neutral:
            return {}
        shapes, pattern = self._shapes(weights), parse(self.pattern)
        sizes = {name: int(np.prod(shape)) for name, shape in shapes.items()}
        if pattern.grouped:
            keep, group = pattern.ratio
            asked = sum(size * keep // group for size in sizes.values())
        else:
            unit = [pattern.unit_size(shapes[name]) for name in sorted(shapes)]
            counts = self.counts(shapes, self.target)
            asked = int((counts * np.array(unit[: len(counts)])).sum())
        return {"weights_prunable": sum(sizes.values()), "weights_asked": asked}

    def ramp(self, steps: int) -> Ramp:
        """When gradual removes, in a run of so many steps: the last time by its last step.

        Raises:
            VariantError: no step is left for it.
        """
        first, last = round(self.begin * steps), min(round(self.end * steps), steps - 1)
        if first > last:
            raise VariantError(
                f"prune schedule gradual finds no step from begin {self.begin:g} on in a run of "
                f"{steps} steps; begin earlier, train for longer, or choose schedule static"
            )
        return cubic(first, last, self.updates)

    def counts(self, shapes: Shapes, sparsity: float) -> np.ndarray:
        """What to keep at a sparsity: of the units of each weight by sorted name, (weights,); of
        all together when global, (1,); of the M weights of a group when N:M, (1,)."""
        pattern = parse(self.pattern)
        if pattern.grouped:
            return np.array([round((1 - sparsity) * pattern.ratio[1])], np.int32)
        units = {n: int(np.prod(shape)) // pattern.unit_size(shape) for n, shape in shapes.items()}
        return allot(self.scope, shapes, sparsity, units)

    def _shapes(self, weights: tuple[Weight, ...]) -> Shapes:
        """Of the weights that it masks, by name; refuses those that the pattern does not divide."""
        pattern = parse(self.pattern)
        found = maskable(weights, self.weights)
        for weight in found:
            pattern.check(weight)
        return {weight.kernel: weight.shape for weight in found}

    def _refresh(self, shapes: Shapes, ramp: Ramp) -> Refresh:
        """New masks within a step of `gradual`; what was removed stays so."""
        pattern = parse(self.pattern)
        counts = falling([self.counts(shapes, self.target * share) for share in ramp.shares])

        def refresh(state, gradient, before, after):
            weights = before if self.criterion == "saliency" else after
            scores = score_weights(self.criterion, pattern, weights, gradient, chance_now(state))
            scores = pattern.hide(scores, state.masks)
            now = jnp.asarray(counts)[ramp.number(state.count)]
            masks = pattern.select(scores, now, self.scope, shapes)
            return masks, count_kept(masks)

        return refresh

    def _seed(self, work: Work, probe: Probe) -> Work:
        """Before the first step: what gradual removal draws from."""
        del probe
        return with_chance(work, 0)

    def _cut(self, work: Work, probe: Probe) -> Work:
        """Before a phase of one_shot or static: score, choose, and zero what goes."""
        pattern = parse(self.pattern)
        shapes = {name: mask.shape for name, mask in mask_state(work.opt_state).masks.items()}
        names = sorted(shapes)
        if self.criterion == "synflow":
            return with_masks(work, self._flow(work, probe, shapes))
        scores = score(self.criterion, pattern, work, names, probe, self.batches)
        self._require_finite(scores)
        self._require_choice(scores)
        counts = jnp.asarray(self.counts(shapes, self.target))
        return with_masks(work, pattern.select(scores, counts, self.scope, shapes))

    def _flow(self, work: Work, probe: Probe, shapes: Shapes) -> Masks:
        """SynFlow's masks: the density falls by the same factor at each of its iterations."""
        shares = [(i + 1) / self.iterations for i in range(self.iterations - 1)]
        sparsities = [1 - (1 - self.target) ** share for share in shares] + [self.target]
        counts = falling([self.counts(shapes, sparsity) for sparsity in sparsities])
        masks, flow = flow_masks(
            parse(self.pattern), work, sorted(shapes), probe, counts, self.scope
        )
        self._require_finite({"flow": flow})
        return masks

    def _require_finite(self, scores: Arrays) -> None:
        if not all(np.isfinite(score).all() for score in scores.values()):
            raise VariantError(
                f"prune criterion {self.criterion} gave scores that are not finite; choose an "
                "earlier begin or another criterion"
            )

    def _require_choice(self, scores: Arrays) -> None:
        values = np.concatenate([np.ravel(score) for score in scores.values()])
        if len(values) > 1 and (values == values[0]).all():
            raise VariantError(
                f"prune criterion {self.criterion} gave every unit the same score, "
                f"{values[0] + 0:g}; leave rounding (precision, quantize) out of this run, or "
                "choose another criterion"
            )
