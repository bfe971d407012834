"""What makes a lottery ticket: its mask or its weights? Runs that start from a found ticket.

The run that begins this one (`--start`) has found the mask: what it left at zero is absent. Here
the ticket is trained on; or, as a control, its mask or one with the same counts at random places
is trained from fresh weights (Frankle and Carbin 2019, arXiv 1803.03635, figure 4; Frankle et al.
2021, arXiv 2009.08576).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import jax
import optax
from flax import nnx

from efficient.models.tree import flatten, nest
from efficient.variants.prune.state import (
    Masks,
    chance_of,
    mask_state,
    maskable,
    masked,
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
)

CONTROLS = ("reinit", "shuffle")


@dataclass(frozen=True)
class Ticket(Variant):
    """Train a ticket that another run has found, or a control of it.

    control: reinit, the mask as it was found, or shuffle, as many weights of each layer at random
    places, either with fresh weights; empty for the ticket: its mask and the weights under it.
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
                f"ticket control {self.control!r} is unknown; choose {', '.join(CONTROLS)} or none"
            )

    def phases(self, plan: Plan) -> Plan:
        return begin(plan, self._take)

    def extend(
        self, tx: optax.GradientTransformation, weights: tuple[Weight, ...], plan: Plan
    ) -> optax.GradientTransformation:
        return masked(tx, {w.kernel: w.size for w in maskable(weights, self.weights)})

    def _take(self, work: Work, probe: Probe) -> Work:
        flat = flatten(work.params)
        masks = {name: flat[name] != 0 for name in mask_state(work.opt_state).masks}
        if all(bool(mask.all()) for mask in masks.values()):
            raise VariantError(
                "ticket finds no weight that is absent; begin with a pruned run: --start RUN"
            )
        if self.control == "shuffle":
            masks = shuffled(masks, chance_of(work, self.seed))
        return with_masks(fresh(work, self.seed) if self.control else work, masks)


def fresh(work: Work, seed: int) -> Work:
    """The work of a network as another run could have begun: weights, statistics, streams."""
    model = work.spec.build(work.signature, nnx.Rngs(chance_of(work, seed)))
    _, *drawn = nnx.split(model, nnx.Param, ...)
    trees = zip((work.params, work.rest), map(nnx.to_pure_dict, drawn), strict=True)
    params, rest = (_replaced(*pair) for pair in trees)
    return replace(work, params=params, rest=rest)


def _replaced(tree: Any, drawn: Any) -> dict[str, Any]:
    """The tree with those of the drawn leaves that it has."""
    flat = flatten(tree)
    return nest(flat | {name: leaf for name, leaf in flatten(drawn).items() if name in flat})


def shuffled(masks: Masks, key: jax.Array) -> Masks:
    """The same counts at random places."""
    keys = jax.random.split(key, len(masks))
    return {
        name: jax.random.permutation(keys[i], masks[name].ravel()).reshape(masks[name].shape)
        for i, name in enumerate(sorted(masks))
    }
