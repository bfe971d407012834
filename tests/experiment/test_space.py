"""Spaces of settings: what is drawn, where it is put, and what is refused."""

from __future__ import annotations

import dataclasses
import math

import pytest
import tiny
from hypothesis import given
from hypothesis import strategies as st

from efficient.experiment import Choice, LogUniform, SpaceError, Uniform
from efficient.experiment.space import placed, settings
from efficient.variants import Distill, Prune

SPACE = {
    "optimizer.lr": LogUniform(1e-4, 1e-1),
    "optimizer.weight_decay": Choice((0.0, 1e-2)),
    "label_smoothing": Uniform(0.0, 0.2),
}


def test_more_trials_begin_with_the_same_ones_whatever_the_order_of_the_fields():
    many = settings(SPACE, 8)
    assert settings(dict(reversed(SPACE.items())), 3) == many[:3]
    assert len({tuple(point.values()) for point in many}) == 8


def test_points_fill_the_space():
    points = settings(SPACE, 64)
    decades = [math.floor(math.log10(point["optimizer.lr"])) for point in points]
    assert all(17 <= decades.count(decade) <= 26 for decade in (-4, -3, -2))
    assert 28 <= [point["optimizer.weight_decay"] for point in points].count(0.0) <= 36
    assert all(0 <= point["label_smoothing"] < 0.2 for point in points)


@given(st.floats(0, 1, exclude_max=True), st.floats(1e-9, 1e3), st.floats(1.001, 1e6))
def test_a_value_lies_in_its_range(share, low, factor):
    for kind in (Uniform, LogUniform):
        value = kind(low, low * factor).at(share)
        assert low * (1 - 1e-9) <= value <= low * factor * (1 + 1e-9)
    assert Choice((1, 2, 3)).at(share) == 1 + int(3 * share)


def test_a_setting_is_put_where_its_field_is():
    config = dataclasses.replace(tiny.DIGITS, variants=(Prune(sparsity=0.5), Distill("t")))
    made = placed(
        config,
        {"optimizer.lr": 0.1, "optimizer.schedule.warmup": 0.2, "variants.distill.mix": 0.25},
    )
    assert (made.optimizer.lr, made.optimizer.schedule.warmup) == (0.1, 0.2)
    assert made.variants == (Prune(sparsity=0.5), Distill("t", mix=0.25))
    assert dataclasses.replace(made, optimizer=config.optimizer, variants=config.variants) == config


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("optimizer.lrr", 0.1, "did you mean 'optimizer.lr'"),
        ("optimizer", 0.1, "which no such config has"),
        ("variants.distill.mix", 0.1, "which no such config has"),
        ("train_for", "9 steps", "it is what is asked"),
        ("workload.data", "mnist", "it is what is asked"),
        ("batch_size", 31.5, "31.5 is no whole number; use Choice"),
    ],
)
def test_a_space_that_does_not_fit_is_one_line(field, value, words):
    with pytest.raises(SpaceError, match=words) as caught:
        placed(tiny.DIGITS, {field: value})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Uniform(1, 1),
        lambda: LogUniform(0, 1),
        lambda: LogUniform(1e-2, math.inf),
        lambda: Choice((1,)),
        lambda: Choice([1, 2]),
    ],
)
def test_an_empty_space_is_refused(make):
    with pytest.raises(SpaceError):
        make()
