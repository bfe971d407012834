"""Which weights count where a run selects them, and which masks are theirs."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
import optax
import tiny

from efficient.cost.clock import Clock
from efficient.data import load
from efficient.run.build import build
from efficient.run.standing import Standing
from efficient.variants import Dynamic, Prune, Quantize

BEST = dataclasses.replace(tiny.DIGITS, select="best")


def standing(out, *variants):
    """In its first phase, with the weights of the beginning selected."""
    config = dataclasses.replace(BEST, variants=variants)
    made = Standing.begin(build(config, load("digits"), out))
    for index, phase in enumerate(made.built.plan):
        made.move(index)
        if phase.enter is not None:
            made.enter(phase, made.probe(Clock()))
        if phase.steps:
            break
    made.offer(0, 1.0)
    return made


def nonzero(params):
    return sum(int(np.count_nonzero(w)) for w in jax.tree.leaves(params) if w.ndim > 1)


def test_what_a_phase_changes_is_no_longer_the_selected_weights_of_before(tmp_path):
    made = standing(tmp_path, Prune(0.9, schedule="one_shot", begin=1.0, end=1.0))
    dense = nonzero(made.selected[0])
    last = len(made.built.plan) - 1
    made.move(last)
    made.enter(made.built.plan[last], made.probe(Clock()))
    assert nonzero(made.selected[0]) == nonzero(made.state.params) < 0.2 * dense


def test_selected_weights_keep_the_masks_that_they_were_trained_with(tmp_path):
    made = standing(tmp_path, Dynamic(0.8), Quantize(method="ptq"))
    chosen = jax.tree.map(np.asarray, made.masks)
    moved = {name: np.roll(mask, 1) for name, mask in chosen.items()}
    opt_state = optax.tree.set(made.state.opt_state, masks=jax.tree.map(jax.numpy.asarray, moved))
    made.state = made.state._replace(opt_state=opt_state)
    jax.tree.map(np.testing.assert_array_equal, made.masks, chosen)
    made.move(len(made.built.plan) - 1)
    jax.tree.map(np.testing.assert_array_equal, made.masks, chosen)
    for name, mask in chosen.items():
        layer, kernel = name.rsplit("/", 1)
        weights = made.state.params[layer][kernel]
        assert not np.asarray(weights)[~mask].any()
