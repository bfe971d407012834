"""Lottery tickets: prune what was trained, put what is left back to an early weight, train again.

Iterative magnitude pruning of Frankle and Carbin (2019, arXiv 1803.03635): after every round the
smallest survivors of each layer go, and the others return to the weights of the beginning. For
deeper networks they return to those of a step a little later (Frankle et al. 2020, arXiv
1912.05671). Two controls ask what made the ticket: its mask or its weights.

All rounds are one run: its steps are divided among them and none is added. The weights, the rest
of the network's state and the optimizer's go back as they were; the order of the examples goes on.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import optax

from efficient.models.tree import flatten
from efficient.variants.prune.schedule import require_uncut
from efficient.variants.prune.state import (
    chance_of,
    keep_highest,
    mask_state,
    maskable,
    masked,
    with_masks,
)
from efficient.variants.prune.ticket import fresh, shuffled
from efficient.variants.variant import (
    Phase,
    Plan,
    Probe,
    Variant,
    VariantError,
    Weight,
    Work,
    begin,
    steps_of,
)

OUTPUT = "head/kernel"
KEPT = "lottery"


@dataclass(frozen=True)
class Lottery(Variant):
    """Find a ticket of 1 - `sparsity` of the weights in `rounds` rounds.

    A run has `rounds` + 1 trainings, phases `round_0` (dense) to the ticket's own. Each pruning
    removes the same share of the survivors.

    sparsity: fraction removed at the end, of all weights together; scope: uniform removes the same
    share of every layer, global the smallest wherever they are; rewind: fraction of a training
    after which the weights stand to which they return, 0 for the initial ones; output_share: of
    the share, what the output layer (`head`) loses, under uniform; control: what the last round
    trains instead of the ticket: "reinit" its mask with fresh initial weights, "shuffle" its
    weights under its mask shuffled within each layer; seed: of the control's chance, beside the
    run's; weights: shell pattern over layer paths.
    """

    rank: ClassVar[int] = 30
    family: ClassVar[str] = "masks"

    sparsity: float = 0.8
    rounds: int = 3
    scope: str = "uniform"
    rewind: float = 0.0
    output_share: float = 0.5
    control: str = ""
    seed: int = 0
    weights: str = "*"

    def __post_init__(self) -> None:
        if not 0 <= self.sparsity < 1:
            raise VariantError(f"lottery sparsity {self.sparsity} is not a fraction in [0, 1)")
        if self.rounds < 1:
            raise VariantError(f"lottery rounds {self.rounds} must be at least 1")
        if self.scope not in ("uniform", "global"):
            raise VariantError(f"lottery scope {self.scope!r} is unknown; choose uniform or global")
        if not 0 <= self.rewind < 1:
            raise VariantError(f"lottery rewind {self.rewind} is not a fraction in [0, 1)")
        if not 0 < self.output_share <= 1:
            raise VariantError(
                f"lottery output_share {self.output_share} is not a fraction in (0, 1]"
            )
        if self.control not in ("", "reinit", "shuffle"):
            raise VariantError(
                f"lottery control {self.control!r} is unknown; choose reinit, shuffle or none"
            )
        if self.control == "reinit" and self.rewind:
            raise VariantError(
                f"lottery control reinit draws initial weights, which rewind {self.rewind} would "
                "train for less than a whole training; choose rewind 0"
            )

    @property
    def neutral(self) -> bool:
        return self.sparsity == 0

    def phases(self, plan: Plan) -> Plan:
        """The one phase that trains, divided into the rounds.

        Raises:
            VariantError: the run is divided already, or has too few steps.
        """
        if self.neutral:
            return plan
        training = [i for i, phase in enumerate(plan) if phase.steps]
        if len(training) > 1:
            names = ", ".join(plan[i].name for i in training)
            raise VariantError(
                f"lottery divides a run that is one training, and this one has {names}; train the "
                "other technique from the ticket with --start"
            )
        first, lengths = self._lengths(steps_of(plan))
        (place,) = training
        opening = replace(
            plan[place], name="start" if first else "round_0", steps=first or lengths[0]
        )
        rounds = tuple(
            Phase(f"round_{i}", length, functools.partial(self._prune, i))
            for i, length in enumerate(lengths)
        )
        if first:
            rounds = (opening, Phase("round_0", lengths[0], _keep), *rounds[1:])
        else:
            rounds = begin((opening, *rounds[1:]), _keep)
        return (*plan[:place], *rounds, *plan[place + 1 :])

    def horizon(self, steps: int) -> int:
        """Steps of one training of a run of so many, over which the learning rate decays."""
        if self.neutral:
            return steps
        first, lengths = self._lengths(steps)
        return first + max(lengths)

    def extend(
        self, tx: optax.GradientTransformation, weights: tuple[Weight, ...], plan: Plan
    ) -> optax.GradientTransformation:
        if self.neutral:
            return tx
        require_uncut(plan, 0, "lottery")
        return masked(tx, self._sizes(weights))

    def claims(self, weights: tuple[Weight, ...]) -> dict[str, int]:
        if self.neutral:
            return {}
        sizes = self._sizes(weights)
        asked = int(self.kept(sizes, self.rounds).sum())
        return {"weights_prunable": sum(sizes.values()), "weights_asked": asked}

    def kept(self, sizes: dict[str, int], number: int) -> np.ndarray:
        """Entries to keep in round `number`: of each weight by sorted name, or (1,) of all.

        Raises:
            VariantError: the output layer alone holds more than may be left.
        """
        names = sorted(sizes)
        if self.scope == "global":
            left = (1 - self.sparsity) ** (number / self.rounds)
            return np.array([round(left * sum(sizes.values()))], np.int32)
        share = self._share(sizes)
        return np.array([round(self._left(n, share, number) * sizes[n]) for n in names], np.int32)

    def _share(self, sizes: dict[str, int]) -> float:
        """Share of its survivors that a layer loses in a round, found by bisection."""
        asked = (1 - self.sparsity) * sum(sizes.values())

        def total(share: float) -> float:
            return sum(self._left(n, share, self.rounds) * size for n, size in sizes.items())

        if total(1.0) > asked:
            raise VariantError(
                f"lottery sparsity {self.sparsity} is out of reach in {self.rounds} rounds at "
                f"output_share {self.output_share}; give more rounds or output_share 1"
            )
        low, high = 0.0, 1.0
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if total(middle) > asked else (low, middle)
        return high

    def _left(self, name: str, share: float, rounds: int) -> float:
        """Fraction of a weight that is present after so many prunings."""
        return (1 - share * (self.output_share if name == OUTPUT else 1)) ** rounds

    def _lengths(self, steps: int) -> tuple[int, list[int]]:
        """Steps before the weights are kept, and of each round; where they differ, by one."""
        trainings = self.rounds + 1
        first = round(self.rewind * steps / (self.rewind + trainings * (1 - self.rewind)))
        each, over = divmod(steps - first, trainings)
        if each < 1:
            raise VariantError(
                f"lottery divides {steps} steps among {trainings} trainings; train for longer"
            )
        return first, [each + (i < over) for i in range(trainings)]

    def _sizes(self, weights: tuple[Weight, ...]) -> dict[str, int]:
        return {w.kernel: w.size for w in maskable(weights, self.weights)}

    def _prune(self, number: int, work: Work, probe: Probe) -> Work:
        """Before a round: choose among the survivors by magnitude, and go back."""
        masks = mask_state(work.opt_state).masks
        counts = jnp.asarray(self.kept({n: mask.size for n, mask in masks.items()}, number))
        flat = flatten(work.params)
        scores = {name: jnp.where(mask, jnp.abs(flat[name]), -1) for name, mask in masks.items()}
        masks = keep_highest(scores, counts, self.scope)
        work = _rewound(work)
        if number == self.rounds and self.control == "reinit":
            work = fresh(work, self.seed)
        if number == self.rounds and self.control == "shuffle":
            masks = shuffled(masks, chance_of(work, self.seed))
        return with_masks(work, masks)


def _keep(work: Work, probe: Probe) -> Work:
    """Keep all that training has changed so far or will change, leaf by leaf."""
    leaves = jax.tree.leaves((work.params, work.rest, work.opt_state))
    numbered = {str(i): leaf for i, leaf in enumerate(leaves)}
    return replace(work, kept=work.kept | {KEPT: numbered})


def _rewound(work: Work) -> Work:
    """The work as it was kept.

    Raises:
        VariantError: it has other shapes by now.
    """
    leaves, structure = jax.tree.flatten((work.params, work.rest, work.opt_state))
    numbered = work.kept[KEPT]
    shapes = [leaf.shape for leaf in leaves]
    if [numbered[str(i)].shape for i in range(len(numbered))] != shapes:
        raise VariantError(
            "lottery cannot go back to a network of another shape; change its sizes in a run that "
            "starts from the ticket, with --start"
        )
    params, rest, opt_state = structure.unflatten(numbered[str(i)] for i in range(len(leaves)))
    return replace(work, params=params, rest=rest, opt_state=opt_state)
