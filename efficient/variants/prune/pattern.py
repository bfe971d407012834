"""What is kept or removed as one: single weights, N of M in a row, blocks, whole filters.

The last axis of a kernel is its outputs and the one before it the inputs that are contracted:
(inputs, outputs) of a linear layer, (height, width, inputs, outputs) of a convolution. N:M keeps
N of every M consecutive inputs (Mishra et al. 2021, arXiv 2104.08378); a block is a tile of
inputs x outputs (Gray et al. 2017; Narang et al. 2017, arXiv 1711.02782); a filter is all that
leads to one output (Li et al. 2017, arXiv 1608.08710).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from efficient.variants.prune.state import Arrays, Masks, keep_highest
from efficient.variants.variant import VariantError, Weight

FILTERS = ("filter", "channel")


@dataclass(frozen=True)
class Pattern:
    """tile: inputs and outputs of a unit, no rows for a whole filter; ratio: N of M, or (1, 1)."""

    name: str
    tile: tuple[int, int] = (1, 1)
    ratio: tuple[int, int] = (1, 1)

    @property
    def single(self) -> bool:
        """Whether a unit is one weight."""
        return self.tile == (1, 1)

    @property
    def grouped(self) -> bool:
        """Whether the units compete within groups of M, not within a layer."""
        return self.ratio != (1, 1)

    @property
    def whole(self) -> bool:
        """Whether a unit is a whole filter."""
        return self.tile[0] == 0

    def check(self, weight: Weight) -> None:
        """Raises VariantError where the pattern does not divide the layer."""
        sides = (("inputs", self.tile[0] * self.ratio[1]), ("outputs", self.tile[1]))
        for (side, step), size in zip(sides, weight.shape[-2:], strict=True):
            if step and size % step:
                raise VariantError(
                    f"prune pattern {self.name} does not divide the {size} {side} of "
                    f"{weight.path}; leave that layer out with another `weights` pattern"
                )

    def unit_size(self, shape: tuple[int, ...]) -> int:
        """Entries of a unit."""
        rows, columns = self.tile
        return rows * columns if rows else int(np.prod(shape[:-1]))

    def pool(self, values: jax.Array) -> jax.Array:
        """Sum of the values of each unit: (..., inputs / rows, outputs / columns), (outputs,)."""
        rows, columns = self.tile
        if self.single:
            return values
        if self.whole:
            return values.sum(tuple(range(values.ndim - 1)))
        *outer, inputs, outputs = values.shape
        tiles = values.reshape(*outer, inputs // rows, rows, outputs // columns, columns)
        return tiles.sum((-3, -1))

    def spread(self, units: jax.Array, shape: tuple[int, ...]) -> jax.Array:
        """The mask of entries, of `shape`, from that of units: the reverse of `pool`."""
        if self.single:
            return units
        if self.whole:
            return jnp.broadcast_to(units.reshape((1,) * (len(shape) - 1) + (-1,)), shape)
        return units.repeat(self.tile[0], -2).repeat(self.tile[1], -1)

    def hide(self, scores: Arrays, masks: Arrays) -> dict[str, jax.Array]:
        """Scores of units with those that are removed already below all others."""
        alive = {name: self.pool(mask.astype(jnp.int32)) > 0 for name, mask in masks.items()}
        return {name: jnp.where(alive[name], score, -jnp.inf) for name, score in scores.items()}

    def select(
        self, scores: Arrays, counts: jax.Array, scope: str, shapes: Mapping[str, tuple[int, ...]]
    ) -> Masks:
        """Masks of entries by the scores of units; `counts` as given by `Prune.counts`."""
        if self.grouped:
            units = {n: highest_of(s, counts[0], self.ratio[1]) for n, s in scores.items()}
        else:
            units = keep_highest(scores, counts, scope)
        return {name: self.spread(mask, shapes[name]) for name, mask in units.items()}


def parse(text: str) -> Pattern:
    """`unstructured`, `2:4`, `4x4` or `filter` (also called channel).

    Raises:
        VariantError: anything else, or an N:M that removes nothing or all.
    """
    if text == "unstructured":
        return Pattern(text)
    if text in FILTERS:
        return Pattern(text, tile=(0, 1))
    found = re.fullmatch(r"([1-9]\d*)(:|x)([1-9]\d*)", text)
    if found is None:
        raise VariantError(
            f"prune pattern {text!r} is unknown; choose unstructured, filter, N:M such as 2:4, or "
            "a block of inputs x outputs such as 4x4"
        )
    first, second = int(found[1]), int(found[3])
    if found[2] == "x":
        return Pattern(text, tile=(first, second))
    if first >= second:
        raise VariantError(f"prune pattern {text!r} removes nothing; N of N:M must be less than M")
    return Pattern(text, ratio=(first, second))


def highest_of(values: jax.Array, count: jax.Array, group: int) -> jax.Array:
    """Mask of the `count` highest of every `group` consecutive inputs; of equal ones the first.

    values: (..., inputs, outputs). Ranks by comparing all pairs of a group: nothing is sorted.
    """
    *outer, inputs, outputs = values.shape
    groups = values.reshape(*outer, inputs // group, group, outputs)
    mine, other = groups[..., :, None, :], groups[..., None, :, :]
    place = jnp.arange(group)
    earlier = (place[None, :] < place[:, None]).reshape(*(1,) * (groups.ndim - 2), group, group, 1)
    rank = ((other > mine) | ((other == mine) & earlier)).sum(-2, dtype=jnp.int32)
    return (rank < count).reshape(values.shape)
