"""Effective FLOPs: of steps whose weights are partly absent, in one network or several."""

from __future__ import annotations

import numpy as np

from efficient.cost.effective import Effective
from efficient.cost.flops import Layer, TrainingCount

STEPS, SIZE, KEPT, DENSE = 1000, 100, 10, 31
PARAMS = {"a": {"kernel": np.zeros((10, 10))}}


def counted(scale: int = 1) -> TrainingCount:
    layers = {"a": Layer(100 * scale, 100 * scale, 100 * scale)}
    whole = 300 * scale
    sums = {"a": whole}, {"float32": whole}, {"forward": whole}
    return TrainingCount(whole, (), *sums, 0, True, layers)


def trained(scale: int = 1) -> Effective:
    made = Effective(counted(scale), ("a/kernel",), PARAMS)
    made.add(np.full((STEPS, 1), KEPT, np.int32))
    return made


def test_absent_weights_cost_nothing_but_in_steps_that_read_their_gradient():
    absent = SIZE - KEPT
    assert trained().model == 300 * STEPS
    assert trained().total() == 300 * STEPS * KEPT // SIZE
    assert trained().total(DENSE) == trained().total() + 100 * DENSE * absent // SIZE


def test_a_phase_without_steps_changes_nothing():
    moved = trained()
    moved.move(counted(), ("a/kernel",), PARAMS, DENSE)
    assert moved.total(DENSE) == trained().total(DENSE)
    assert moved.model == trained().model


def test_each_network_pays_for_its_own_steps():
    moved = trained(scale=2)
    moved.move(counted(), ("a/kernel",), PARAMS, 20)
    moved.add(np.full((STEPS, 1), KEPT, np.int32))
    restored = Effective(counted(), ("a/kernel",), PARAMS)
    restored.restore(moved.state())
    first, second = trained(scale=2).total(20), trained().total(DENSE - 20)
    assert first is not None and second is not None
    assert moved.total(DENSE) == restored.total(DENSE) == first + second
