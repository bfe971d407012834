"""What makes a lottery ticket: its mask or its weights? Controls that start from a found ticket.

The run that begins this one (`--start`) has found the mask: what it left at zero is absent. Here
that mask, or one with the same counts at random places, is trained from fresh weights (Frankle and
Carbin 2019, arXiv 1803.03635, figure 4; Frankle et al. 2021, arXiv 2009.08576).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import jax
import optax
from flax import nnx

from efficient.models.tree import flatten, nest
from efficient.variants.prune.dynamic import seed_key
from efficient.variants.prune.state import Masks, mask_state, masked, with_masks
from efficient.variants.variant import (
    Plan,
    Probe,
    Variant,
    VariantError,
    Weight,
    Work,
    begin,
    matching,
)

KINDS = ("linear", "convolution")
CONTROLS = ("reinit", "shuffle")


@dataclass(frozen=True)
class Ticket(Variant):
    """Train a ticket's mask from other weights.

    control: reinit, the mask as it was found, or shuffle, as many weights of each layer at random
    places, either with fresh weights; empty for neither: the run goes on with what it starts from.
    seed: of the chance, beside the run's; weights: shell pattern over layer paths.
    """

    rank: ClassVar[int] = 30
    family: ClassVar[str] = "masks"

    control: str = "reinit"
    seed: int = 0
    weights: str = "*"

    def __post_init__(self) -> None:
        if self.control and self.control not in CONTROLS:
            raise VariantError(
                f"ticket control {self.control!r} is unknown; choose {' or '.join(CONTROLS)}"
            )

    def phases(self, plan: Plan) -> Plan:
        return begin(plan, self._draw) if self.control else plan

    def extend(
        self, tx: optax.GradientTransformation, weights: tuple[Weight, ...], plan: Plan
    ) -> optax.GradientTransformation:
        if not self.control:
            return tx
        return masked(tx, {w.kernel: w.size for w in matching(weights, self.weights, KINDS)})

    def _draw(self, work: Work, probe: Probe) -> Work:
        flat = flatten(work.params)
        masks = {name: flat[name] != 0 for name in mask_state(work.opt_state).masks}
        if all(bool(mask.all()) for mask in masks.values()):
            raise VariantError(
                "ticket finds no weight that is absent; begin with a pruned run: --start RUN"
            )
        if self.control == "shuffle":
            masks = shuffled(masks, seed_key(work.params, self.seed))
        return with_masks(replace(work, params=fresh(work, self.seed)), masks)


def fresh(work: Work, seed: int) -> Any:
    """Initial weights that another run could have had."""
    model = work.spec.build(work.signature, nnx.Rngs(seed_key(work.params, seed)))
    drawn = flatten(nnx.to_pure_dict(nnx.state(model, nnx.Param)))
    flat = flatten(work.params)
    return nest(flat | {name: leaf for name, leaf in drawn.items() if name in flat})


def shuffled(masks: Masks, key: jax.Array) -> Masks:
    """The same counts at random places."""
    keys = jax.random.split(key, len(masks))
    return {
        name: jax.random.permutation(keys[i], masks[name].ravel()).reshape(masks[name].shape)
        for i, name in enumerate(sorted(masks))
    }
