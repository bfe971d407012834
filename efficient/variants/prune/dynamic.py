"""Dynamic sparse training: few weights from the first step on, and the places of some change.

Every `interval` steps each layer drops its smallest weights and grows as many elsewhere: where the
gradient is largest (RigL, Evci et al. 2020, arXiv 1911.11134) or at random (SET, Mocanu et al.
2018, arXiv 1707.04780). The number of weights never changes, and a grown weight starts at zero.

The step that ends an interval is an ordinary step: its update stands for the weights that stay.
The gradient of a hidden weight never reaches the inner optimizer, so a weight that grows begins
with the moments of one whose gradients were zero; those of an earlier life have decayed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import optax

from efficient.variants.prune.distribution import allot
from efficient.variants.prune.schedule import require_uncut
from efficient.variants.prune.state import (
    Arrays,
    Masks,
    MaskState,
    chance_now,
    chance_of,
    count_kept,
    highest,
    keep_highest,
    mask_state,
    maskable,
    masked,
    with_chance,
    with_masks,
)
from efficient.variants.variant import (
    Plan,
    Probe,
    Variant,
    VariantError,
    Weight,
    Work,
    begin,
    steps_of,
)

#: Changes of a run that names no interval.
UPDATES = 32


@dataclass(frozen=True)
class Dynamic(Variant):
    """Train with 1 - `sparsity` of the weights, at places that move.

    sparsity: fraction of all weights that are absent; scope: of every layer the same (uniform), or
    of larger layers more (erk); grow: where the gradient is largest (gradient: RigL) or anywhere
    (random: SET); interval: steps between two changes, 0 for about 32 changes in all; drop:
    fraction of a layer's weights that move at first, which falls along a cosine to none at `end`,
    a fraction of the run (drop 0 for places that never move); seed: of the random choices, beside
    the run's; weights: shell pattern over layer paths.
    """

    rank: ClassVar[int] = 30
    family: ClassVar[str] = "masks"

    sparsity: float = 0.9
    scope: str = "erk"
    grow: str = "gradient"
    interval: int = 0
    drop: float = 0.3
    end: float = 0.75
    seed: int = 0
    weights: str = "*"

    def __post_init__(self) -> None:
        if not 0 <= self.sparsity < 1:
            raise VariantError(f"dynamic sparsity {self.sparsity} is not a fraction in [0, 1)")
        if self.scope not in ("uniform", "erk"):
            raise VariantError(f"dynamic scope {self.scope!r} is unknown; choose uniform or erk")
        if self.grow not in ("gradient", "random"):
            raise VariantError(f"dynamic grow {self.grow!r} is unknown; choose gradient or random")
        if self.interval < 0:
            raise VariantError(f"dynamic interval {self.interval} is not a number of steps, or 0")
        if not 0 <= self.drop < 1:
            raise VariantError(f"dynamic drop {self.drop} is not a fraction in [0, 1)")
        if not 0 <= self.end <= 1:
            raise VariantError(f"dynamic end {self.end} is not a fraction in [0, 1]")

    @property
    def neutral(self) -> bool:
        return self.sparsity == 0

    def phases(self, plan: Plan) -> Plan:
        return plan if self.neutral else begin(plan, self._scatter)

    def extend(
        self, tx: optax.GradientTransformation, weights: tuple[Weight, ...], plan: Plan
    ) -> optax.GradientTransformation:
        if self.neutral:
            return tx
        require_uncut(plan, 0, "dynamic")
        sizes = {w.kernel: w.size for w in maskable(weights, self.weights)}
        if not self.drop:
            return masked(tx, sizes)
        last, interval = self._times(steps_of(plan))

        def due(count):
            return ((count + 1) % interval == 0) & (count + 1 < last)

        def refresh(state, gradient, before, after):
            del before
            passed = (state.count + 1) / max(1, last)
            share = self.drop / 2 * (1 + jnp.cos(jnp.pi * passed))
            return self._move(state, gradient, after, share)

        return masked(tx, sizes, refresh, due)

    def changes(self, steps: int, done: int) -> int:
        """How often the places have changed in the first `done` of a run's `steps`."""
        last, interval = self._times(steps)
        return min(done, max(0, last - 1)) // interval if self.drop and not self.neutral else 0

    def dense_gradient_steps(self, steps: int, done: int) -> int:
        """In how many of the first `done` of a run's `steps` all weights' gradients are read."""
        return self.changes(steps, done) if self.grow == "gradient" else 0

    def claims(self, weights: tuple[Weight, ...]) -> dict[str, int]:
        if self.neutral:
            return {}
        found = maskable(weights, self.weights)
        asked = int(self.kept({w.kernel: w.shape for w in found}).sum())
        return {"weights_prunable": sum(w.size for w in found), "weights_asked": asked}

    def kept(self, shapes: dict[str, tuple[int, ...]]) -> np.ndarray:
        """(weights,) entries that are present at every step, by sorted name."""
        return allot(self.scope, shapes, self.sparsity)

    def _times(self, steps: int) -> tuple[int, int]:
        """The step before which places change, and the steps between two changes."""
        last = round(self.end * steps)
        return last, self.interval or max(1, last // UPDATES)

    def _scatter(self, work: Work, probe: Probe) -> Work:
        """Before the first step: the places that have a weight, at random."""
        masks = mask_state(work.opt_state).masks
        counts = self.kept({name: mask.shape for name, mask in masks.items()})
        drawn = _draw(chance_of(work, self.seed), masks)
        work = with_chance(work, self.seed)
        return with_masks(work, keep_highest(drawn, jnp.asarray(counts), "uniform"))

    def _move(
        self, state: MaskState, gradient: Arrays, weights: Arrays, share: jax.Array
    ) -> tuple[Masks, jax.Array]:
        """Drop the smallest `share` of every layer's weights, and grow as many.

        What was just dropped may grow again, and then keeps its value.
        """
        if self.grow == "random":
            wanted = _draw(chance_now(state), state.masks)
        else:
            wanted = {name: jnp.abs(gradient[name]) for name in weights}
        masks = {}
        for i, name in enumerate(sorted(weights)):
            moving = (share * state.kept[i]).astype(jnp.int32)
            worth = jnp.where(state.masks[name], jnp.abs(weights[name]), -1)
            staying = highest(worth, state.kept[i] - moving)
            masks[name] = staying | highest(jnp.where(staying, -1, wanted[name]), moving)
        return masks, count_kept(masks)


def _draw(key: jax.Array, like: Arrays) -> dict[str, jax.Array]:
    """Uniform numbers in [0, 1) of the same shapes."""
    keys = jax.random.split(key, len(like))
    return {
        n: jax.random.uniform(k, like[n].shape) for n, k in zip(sorted(like), keys, strict=True)
    }
