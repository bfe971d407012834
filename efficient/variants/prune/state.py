"""Masks in the optimizer: what every method that removes single weights shares.

The transformation hides removed weights from the gradient that the inner one sees, so that they
enter neither its clipping norm nor its moments, and holds them at exactly zero after its update.
Masks change between phases (`with_masks`) or within a phase (`refresh`, on the steps that are
`due`). The weights are named as in the flat parameters, `path/kernel`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

from efficient.models.tree import flatten, nest
from efficient.variants.variant import VariantError, Weight, Work, matching

#: Of keys, and what tells those of variants from the run's others.
KEY, CHANCE = "threefry2x32", 0x6368616E
Masks = dict[str, jax.Array]
Arrays = Mapping[str, jax.Array]


class MaskState(NamedTuple):
    """count: updates made; masks: weight's name -> bool array; kept: (masks,) int32, entries
    present, by sorted name; chance: (2,) uint32, the raw key of random choices within a step, zero
    where there are none; inner: state of the transformation inside."""

    count: jax.Array
    masks: Masks
    kept: jax.Array
    chance: jax.Array
    inner: Any


#: `due(count) -> () bool`: whether masks change after the update of this number, from 0.
Due = Callable[[jax.Array], jax.Array]
#: `refresh(state, gradient, before, after) -> (masks, kept)`, traced inside a `lax.cond`. The state
#: is that before the step. All dicts are by name: the dense gradient, of removed weights too, the
#: weights that it is of, and those that the inner update would leave, removed ones zero.
Refresh = Callable[[MaskState, Arrays, Arrays, Arrays], tuple[Masks, jax.Array]]


def masked(
    inner: optax.GradientTransformation,
    sizes: Mapping[str, int],
    refresh: Refresh | None = None,
    due: Due | None = None,
) -> optax.GradientTransformation:
    """Trains with masks over the weights named in `sizes`; at first nothing is removed.

    A weight that `refresh` lets back in starts at zero.
    """
    names = sorted(sizes)

    def init(params):
        flat = flatten(params)
        masks = {name: jnp.ones(flat[name].shape, bool) for name in names}
        kept = jnp.array([sizes[name] for name in names], jnp.int32)
        return MaskState(jnp.int32(0), masks, kept, jnp.zeros(2, jnp.uint32), inner.init(params))

    def update(updates, state, params=None):
        if params is None:
            raise VariantError("masks need the parameters: call update(grads, state, params)")
        gradient = flatten(updates)
        updates = _at(names, lambda name, g: jnp.where(state.masks[name], g, 0), updates)
        updates, inner_state = inner.update(updates, state.inner, params)
        masks, kept, stay = state.masks, state.kept, state.masks
        flat = flatten(params)
        if refresh is not None:
            moved = flatten(optax.apply_updates(params, updates))
            after = {name: jnp.where(masks[name], moved[name], 0) for name in names}
            dense, before = ({name: tree[name] for name in names} for tree in (gradient, flat))
            masks, kept = lax.cond(
                due(state.count) if due else True,
                partial(refresh, state, dense, before, after),
                lambda: (state.masks, state.kept),
            )
            stay = {name: masks[name] & state.masks[name] for name in names}
        updates = _at(names, lambda name, u: jnp.where(stay[name], u, -flat[name]), updates)
        return updates, MaskState(state.count + 1, masks, kept, state.chance, inner_state)

    return optax.GradientTransformation(init, update)


def mask_state(opt_state: Any) -> MaskState:
    """The one MaskState of an optimizer's state, for `enter`."""
    found = jax.tree.leaves(opt_state, is_leaf=lambda x: isinstance(x, MaskState))
    (state,) = (x for x in found if isinstance(x, MaskState))
    return state


def with_masks(work: Work, masks: Masks) -> Work:
    """The work with these masks, of all masked weights, and its removed weights at zero."""
    flat = flatten(work.params)
    held, kept = _hold({name: flat[name] for name in masks}, masks)
    opt_state = optax.tree.set(work.opt_state, masks=dict(masks), kept=kept)
    return replace(work, params=nest(flat | held), opt_state=opt_state)


def maskable(weights: tuple[Weight, ...], pattern: str) -> tuple[Weight, ...]:
    """Those that masks can be put on, of the layers that match a shell pattern.

    Raises:
        VariantError: nothing matches.
    """
    return matching(weights, pattern, ("linear", "convolution"))


def chance_of(work: Work, seed: int) -> jax.Array:
    """A key for the random choices of a variant: another for another seed of the run, or of it."""
    key = jax.random.wrap_key_data(work.key, impl=KEY)
    return jax.random.fold_in(jax.random.fold_in(key, CHANCE), seed)


def with_chance(work: Work, seed: int) -> Work:
    """The work whose steps have that key too."""
    data = jax.random.key_data(chance_of(work, seed))
    return replace(work, opt_state=optax.tree.set(work.opt_state, chance=data))


def chance_now(state: MaskState) -> jax.Array:
    """The key of the random choices that come with the update now being made."""
    return jax.random.fold_in(jax.random.wrap_key_data(state.chance, impl=KEY), state.count)


def count_kept(masks: Arrays) -> jax.Array:
    """(masks,) int32 entries present, by sorted name."""
    return jnp.stack([masks[name].sum(dtype=jnp.int32) for name in sorted(masks)])


@partial(jax.jit, static_argnames="scope")
def keep_highest(scores: Arrays, counts: jax.Array, scope: str) -> Masks:
    """Masks of the highest scores.

    counts: (weights,) int32 by sorted name, or (1,) of all together when `scope` is global.
    """
    names = sorted(scores)
    if scope != "global":
        return {name: highest(scores[name], counts[i]) for i, name in enumerate(names)}
    mask = highest(jnp.concatenate([scores[name].ravel() for name in names]), counts[0])
    edges = np.cumsum([scores[name].size for name in names])[:-1]
    parts = jnp.split(mask, edges)
    return {n: part.reshape(scores[n].shape) for n, part in zip(names, parts, strict=True)}


def highest(values: jax.Array, count: jax.Array) -> jax.Array:
    """Mask of exactly `count` entries of highest value; of equal ones the first.

    Bisects the bits of the values, turned so that they order like the floats: 32 passes, far
    cheaper than a sort on a CPU.
    """
    flat = values.ravel().astype(jnp.float32)
    bits, sign = lax.bitcast_convert_type(flat, jnp.uint32), jnp.uint32(1 << 31)
    bits = jnp.where(bits == sign, 0, bits)  # -0; compared as floats, subnormal numbers are 0 too
    keys = jnp.where(bits < sign, bits | sign, ~bits)

    def refine(i, threshold):
        trial = threshold | (jnp.uint32(1) << (31 - i).astype(jnp.uint32))
        return jnp.where((keys >= trial).sum(dtype=jnp.int32) >= count, trial, threshold)

    threshold = lax.fori_loop(0, 32, refine, jnp.uint32(0))
    above = keys > threshold
    level = keys == threshold
    left = count - above.sum(dtype=jnp.int32)
    mask = above | (level & (jnp.cumsum(level, dtype=jnp.int32) <= left))
    return mask.reshape(values.shape)


@jax.jit
def _hold(weights: Arrays, masks: Arrays) -> tuple[Arrays, jax.Array]:
    """Weights with the removed ones at zero, and how many are left."""
    held = {name: jnp.where(mask, weights[name], 0) for name, mask in masks.items()}
    return held, count_kept(masks)


def _at(names: list[str], change: Callable[[str, jax.Array], jax.Array], tree: Any) -> Any:
    """`change(name, leaf)` at the named leaves of nested dicts."""
    flat = flatten(tree)
    flat |= {name: change(name, flat[name]) for name in names}
    return nest(flat)
