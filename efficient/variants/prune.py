"""Magnitude pruning: weights of small magnitude are removed while training goes on.

`gradual` follows the cubic schedule of Zhu and Gupta (2017, arXiv 1710.01878): the sparsity rises
from 0 to its target between two fractions of the run. `one_shot` removes everything at once at
`begin` and trains on with the mask fixed (Han et al. 2015, arXiv 1506.02626). Either way a removed
weight is exactly zero after every step, and the numbers kept are exact integers.

The masks are unstructured: the contraction stays dense, so executed FLOPs do not fall.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

from efficient.models.tree import flatten, nest
from efficient.variants.variant import (
    Plan,
    Probe,
    Variant,
    VariantError,
    Weight,
    Work,
    divide,
    matching,
    steps_of,
)

KINDS = ("linear", "convolution")


class PruneState(NamedTuple):
    """masks: weight's name -> bool array; kept: (masks,) int32, entries present, by sorted name."""

    count: jax.Array
    masks: dict[str, jax.Array]
    kept: jax.Array
    inner: Any


class Ramp(NamedTuple):
    """When gradual pruning removes: at `begin` + i * `interval`, down to `counts[i]` entries."""

    begin: int
    interval: int
    counts: np.ndarray


@dataclass(frozen=True)
class Prune(Variant):
    """Remove the smallest weights until `sparsity` of them are gone.

    sparsity: fraction removed, of each layer (`scope` uniform) or of all together (global);
    weights: shell pattern over layer paths; schedule: gradual or one_shot; begin and end: fractions
    of the run between which gradual removes, in `updates` equal intervals.
    """

    rank: ClassVar[int] = 30

    sparsity: float = 0.9
    scope: str = "uniform"
    weights: str = "*"
    schedule: str = "gradual"
    begin: float = 0.1
    end: float = 0.7
    updates: int = 32

    def __post_init__(self) -> None:
        if not 0 <= self.sparsity < 1:
            raise VariantError(f"prune sparsity {self.sparsity} is not a fraction in [0, 1)")
        if self.scope not in ("uniform", "global"):
            raise VariantError(f"prune scope {self.scope!r} is unknown; choose uniform or global")
        if self.schedule not in ("gradual", "one_shot"):
            raise VariantError(
                f"prune schedule {self.schedule!r} is unknown; choose gradual or one_shot"
            )
        if not 0 <= self.begin <= self.end <= 1:
            raise VariantError(f"prune begin {self.begin} and end {self.end} must rise in [0, 1]")
        if self.updates < 1:
            raise VariantError(f"prune updates {self.updates} must be at least 1")

    @property
    def neutral(self) -> bool:
        return self.sparsity == 0

    def phases(self, plan: Plan) -> Plan:
        if self.neutral or self.schedule == "gradual":
            return plan
        return divide(plan, round(self.begin * steps_of(plan)), "dense", "finetune", self._cut)

    def extend(
        self, tx: optax.GradientTransformation, weights: tuple[Weight, ...], plan: Plan
    ) -> optax.GradientTransformation:
        if self.neutral:
            return tx
        sizes = {w.kernel: w.size for w in matching(weights, self.weights, KINDS)}
        ramp = self._ramp(sizes, steps_of(plan)) if self.schedule == "gradual" else None
        return _masked(tx, sizes, self.scope, ramp)

    def kept(self, sizes: dict[str, int], sparsity: float) -> np.ndarray:
        """Entries to keep: of each weight by sorted name, or (1,) of all together when global."""
        groups = [sizes[name] for name in sorted(sizes)]
        groups = groups if self.scope == "uniform" else [sum(groups)]
        return np.array([round((1 - sparsity) * size) for size in groups], np.int32)

    def claims(self, weights: tuple[Weight, ...]) -> dict[str, int]:
        if self.neutral:
            return {}
        sizes = {w.kernel: w.size for w in matching(weights, self.weights, KINDS)}
        kept = int(self.kept(sizes, self.sparsity).sum())
        return {"weights_prunable": sum(sizes.values()), "weights_asked": kept}

    def _ramp(self, sizes: dict[str, int], steps: int) -> Ramp:
        begin, end = round(self.begin * steps), round(self.end * steps)
        interval = max(1, (end - begin) // self.updates)
        last = (end - begin) // interval
        shares = [1 - (1 - i / last) ** 3 for i in range(last + 1)] if last else [1.0]
        return Ramp(
            begin, interval, np.stack([self.kept(sizes, self.sparsity * s) for s in shares])
        )

    def _cut(self, work: Work, probe: Probe) -> Work:
        """Between the phases of one_shot: choose by magnitude, and zero what goes."""
        state = next(s for s in _states(work.opt_state))
        flat = flatten(work.params)
        sizes = {name: mask.size for name, mask in state.masks.items()}
        counts = jnp.asarray(self.kept(sizes, self.sparsity))
        masks, kept = select({name: flat[name] for name in state.masks}, counts, self.scope)
        flat |= {name: jnp.where(mask, flat[name], 0) for name, mask in masks.items()}
        opt_state = optax.tree.set(work.opt_state, masks=masks, kept=kept)
        return replace(work, params=nest(flat), opt_state=opt_state)


def select(
    weights: dict[str, jax.Array], counts: jax.Array, scope: str
) -> tuple[dict[str, jax.Array], jax.Array]:
    """Masks of the largest magnitudes, and how many entries each keeps.

    counts: (weights,) by sorted name when uniform, (1,) when global.
    """
    names = sorted(weights)
    if scope == "uniform":
        masks = {n: largest(weights[n], counts[i]) for i, n in enumerate(names)}
    else:
        mask = largest(jnp.concatenate([weights[n].ravel() for n in names]), counts[0])
        edges = np.cumsum([weights[n].size for n in names])[:-1]
        parts = jnp.split(mask, edges)
        masks = {n: part.reshape(weights[n].shape) for n, part in zip(names, parts, strict=True)}
    kept = jnp.stack([masks[n].sum(dtype=jnp.int32) for n in names])
    return masks, kept


def largest(values: jax.Array, count: jax.Array) -> jax.Array:
    """Mask of exactly `count` entries of largest magnitude; of equal ones the first.

    Bisects the bits of the magnitudes, which order like the floats: 31 passes, far cheaper than a
    sort on a CPU.
    """
    bits = lax.bitcast_convert_type(jnp.abs(values).ravel().astype(jnp.float32), jnp.int32)

    def refine(i, threshold):
        trial = threshold | (jnp.int32(1) << (30 - i))
        return jnp.where((bits >= trial).sum(dtype=jnp.int32) >= count, trial, threshold)

    threshold = lax.fori_loop(0, 31, refine, jnp.int32(0))
    above = bits > threshold
    level = bits == threshold
    left = count - above.sum(dtype=jnp.int32)
    mask = above | (level & (jnp.cumsum(level, dtype=jnp.int32) <= left))
    return mask.reshape(values.shape)


def _masked(
    inner: optax.GradientTransformation, sizes: dict[str, int], scope: str, ramp: Ramp | None
) -> optax.GradientTransformation:
    """Hide removed weights from `inner`'s gradient and hold them at zero after its update."""
    names = sorted(sizes)

    def init(params):
        flat = flatten(params)
        masks = {name: jnp.ones(flat[name].shape, bool) for name in names}
        kept = jnp.array([sizes[name] for name in names], jnp.int32)
        return PruneState(jnp.int32(0), masks, kept, inner.init(params))

    def update(updates, state, params=None):
        if params is None:
            raise VariantError("pruning needs the parameters: call update(grads, state, params)")
        updates = _at(names, lambda name, g: jnp.where(state.masks[name], g, 0), updates)
        updates, inner_state = inner.update(updates, state.inner, params)
        masks, kept = state.masks, state.kept
        if ramp is not None:
            weights = flatten(optax.apply_updates(params, updates))
            masks, kept = _refresh(state, {name: weights[name] for name in names}, scope, ramp)
        flat = flatten(params)
        updates = _at(names, lambda name, u: jnp.where(masks[name], u, -flat[name]), updates)
        return updates, PruneState(state.count + 1, masks, kept, inner_state)

    return optax.GradientTransformation(init, update)


def _refresh(state: PruneState, weights: dict[str, jax.Array], scope: str, ramp: Ramp):
    """New masks at the steps of the ramp; the cond returns masks only, never parameters."""
    number = (state.count - ramp.begin) // ramp.interval
    due = (state.count - ramp.begin) % ramp.interval == 0
    due &= (number >= 0) & (number < len(ramp.counts))
    counts = jnp.asarray(ramp.counts)[jnp.clip(number, 0, len(ramp.counts) - 1)]
    alive = {name: jnp.where(state.masks[name], w, 0) for name, w in weights.items()}
    return lax.cond(due, lambda: select(alive, counts, scope), lambda: (state.masks, state.kept))


def _at(names: list[str], change: Callable[[str, jax.Array], jax.Array], tree: Any) -> Any:
    """`change(name, leaf)` at the named leaves of nested dicts."""
    flat = flatten(tree)
    flat |= {name: change(name, flat[name]) for name in names}
    return nest(flat)


def _states(tree: Any) -> list[PruneState]:
    found = jax.tree.leaves(tree, is_leaf=lambda x: isinstance(x, PruneState))
    return [x for x in found if isinstance(x, PruneState)]
