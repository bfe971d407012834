"""Structured removal: whole channels, neurons, heads or layers go, and a smaller dense model stays.

The arrays themselves get smaller, so that every machine gains and no kernel for zeros is needed.
Parameters, running statistics and the optimizer's state are cut alike, and training goes on.

Criteria: `l1`, the magnitudes of a unit's incoming weights (Li et al. 2016, arXiv 1608.08710, for
filters); `taylor`, the size of the sum of gradient times weight over its outgoing weights, which is
the derivative of the loss by a gate on the unit, as Michel et al. (2019, arXiv 1905.10650) score
heads and Molchanov et al. (2016, arXiv 1611.06440) channels; `random`, the control; `last`, for
layers, removes those nearest to the output (Sajjad et al. 2020, arXiv 2004.03844).
"""

from __future__ import annotations

import fnmatch
import re
import zlib
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import optax

from efficient.models.cut import LAYER, WIDTHS, Group, cut
from efficient.models.tree import flatten
from efficient.variants.prune.state import count_kept
from efficient.variants.variant import (
    Phase,
    Plan,
    Probe,
    Variant,
    VariantError,
    Work,
    begin,
    divide,
    steps_of,
)

CRITERIA = ("l1", "taylor", "random", "last")
#: How the paths of layers that can go begin.
BLOCK = "block"


@dataclass(frozen=True)
class Remove(Variant):
    """Remove a share of the units of every group, and train the smaller model on.

    share: fraction of the units of each group that go; one always stays. units: shell pattern over
    the groups' names; kind: channel, neuron, head, layer, or empty for all that narrow layers;
    criterion: l1, taylor, random (drawn from `seed`) or last; begin: fraction of the run after
    which they go, 0 for before the first step; batches: of the training split that taylor reads.
    """

    rank: ClassVar[int] = 40
    family: ClassVar[str] = "size"

    share: float = 0.5
    units: str = "*"
    kind: str = ""
    criterion: str = "l1"
    begin: float = 0.3
    batches: int = 8
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.share < 1:
            raise VariantError(f"remove share {self.share} is not a fraction in [0, 1)")
        for name, value, known in (
            ("kind", self.kind, ("", *WIDTHS, LAYER)),
            ("criterion", self.criterion, CRITERIA),
        ):
            if value not in known:
                choices = ", ".join(filter(None, known))
                raise VariantError(f"remove {name} {value!r} is unknown; choose one of {choices}")
        if self.criterion == "last" and self.kind != LAYER:
            raise VariantError("remove criterion 'last' is for layers; set kind=layer")
        if not 0 <= self.begin < 1:
            raise VariantError(f"remove begin {self.begin} is not a fraction in [0, 1)")
        if self.batches < 1:
            raise VariantError(f"remove batches {self.batches} must be at least 1")

    def beside(self, other: Variant) -> None:
        super().beside(other)
        if self.share and self.kind == LAYER and (pattern := numbered(other)):
            name = type(other).__name__.lower()
            raise VariantError(
                f"remove kind=layer gives the layers new numbers, and {name} names one: "
                f"{pattern!r}; write block_* there, or give {name} a run of its own with --start"
            )

    def phases(self, plan: Plan) -> Plan:
        if not self.share:
            return plan
        if not self.begin:
            return begin((Phase("removal", 0, self._check, True), *plan), self._remove)
        step = round(self.begin * steps_of(plan))
        plan = divide(plan, step, "whole", "smaller", self._remove, resizes=True)
        return begin(plan, self._check)

    def groups(self, work: Work) -> tuple[Group, ...]:
        """The groups that lose units.

        Raises:
            VariantError: the network has none, none matches, or none is large enough.
        """
        if not hasattr(work.spec, "groups"):
            name = type(work.spec).__name__
            raise VariantError(
                f"remove: {name} does not say what can go; give it groups and shrink"
            )
        kinds = (self.kind,) if self.kind else WIDTHS
        able = [g for g in work.spec.groups(work.signature) if g.kind in kinds]
        if not able:
            raise VariantError(f"remove: the network has no {' or '.join(kinds)} that can go")
        found = [g for g in able if fnmatch.fnmatchcase(g.name, self.units)]
        if not found:
            names = ", ".join(g.name for g in able[:6]) + (", ..." if len(able) > 6 else "")
            raise VariantError(f"remove units {self.units!r} match no group; there are: {names}")
        losing = tuple(g for g in found if self.kept(g.size) < g.size)
        if not losing:
            largest = max(g.size for g in found)
            raise VariantError(
                f"remove share {self.share} takes nothing from groups of at most {largest} units; "
                "ask for more"
            )
        return losing

    def kept(self, size: int) -> int:
        """Number of units that stay in a group of `size`."""
        return max(1, round((1 - self.share) * size))

    def _check(self, work: Work, probe: Probe) -> Work:
        """Before the first step, so that no training is lost to what does not fit afterwards."""
        del probe
        keep = {g.name: range(self.kept(g.size)) for g in self.groups(work)}
        work.rehearse(work.spec.shrink(keep))
        return work

    def _remove(self, work: Work, probe: Probe) -> Work:
        """Score the units, and cut everything that knows their number."""
        losing = self.groups(work)
        scores = self._scores(losing, work, probe)
        keep = {g.name: survivors(scores[g.name], self.kept(g.size)) for g in losing}
        every = work.spec.groups(work.signature)
        params, rest, opt_state, kept = (
            cut(tree, every, keep) for tree in (work.params, work.rest, work.opt_state, work.kept)
        )
        masks = optax.tree.get(opt_state, "masks", default={})
        if masks:
            opt_state = optax.tree.set(opt_state, kept=count_kept(masks))
        spec = work.spec.shrink(keep)
        return replace(work, spec=spec, params=params, rest=rest, opt_state=opt_state, kept=kept)

    def _scores(self, groups: tuple[Group, ...], work: Work, probe: Probe) -> dict[str, np.ndarray]:
        """(size,) of every group: units of the highest scores stay."""
        if self.criterion == "taylor":
            return taylor(groups, work.params, probe, self.batches)
        if self.criterion == "random":
            seeds = {g.name: [self.seed, zlib.crc32(g.name.encode())] for g in groups}
            return {g.name: np.random.default_rng(seeds[g.name]).random(g.size) for g in groups}
        if self.criterion == "last":
            return {g.name: -np.arange(g.size) for g in groups}
        return magnitudes(groups, work.params)


def numbered(variant: Variant) -> str:
    """The first of a variant's patterns over layers that has the number of one; empty for none."""
    patterns = [getattr(variant, "weights", ""), *getattr(variant, "keep", ())]
    patterns += [pair.student for pair in getattr(variant, "pairs", ())]
    return next((p for p in patterns if re.search(rf"{BLOCK}_(\d|\[)", p)), "")


def magnitudes(groups: tuple[Group, ...], params: dict[str, Any]) -> dict[str, np.ndarray]:
    """(size,) of every group: sum of the magnitudes of the kernels' entries that lead to a unit."""
    kernels = {n: np.asarray(w) for n, w in flatten(params).items() if n.endswith("/kernel")}
    sizes = {name: np.abs(kernel) for name, kernel in kernels.items()}
    return {g.name: np.asarray(g.sums(sizes, g.incoming)) for g in groups}


def taylor(
    groups: tuple[Group, ...], params: dict[str, Any], probe: Probe, batches: int
) -> dict[str, np.ndarray]:
    """(size,) of every group: |change of the loss if a unit went|, to first order.

    The mean over batches of the magnitude of the derivative by a gate on each unit.
    """

    def gates(params, rest, batch):
        gradient = jax.grad(probe.loss_of)(params, rest, batch)
        flat, slopes = flatten(params), flatten(gradient)
        products = {name: flat[name] * slopes[name] for name in flat}
        return {g.name: jnp.abs(g.sums(products, g.outgoing)) for g in groups}

    found = probe.measure(gates, params, batches)
    return {g.name: np.mean([np.asarray(scores[g.name]) for scores in found], 0) for g in groups}


def survivors(scores: np.ndarray, count: int) -> list[int]:
    """Rising positions of the `count` highest scores; of equal ones the first."""
    return sorted(np.argsort(-scores, kind="stable")[:count].tolist())
