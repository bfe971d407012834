"""Dominance is claimed where every axis shows it, and what is open is named."""

from __future__ import annotations

import dataclasses

import pytest
from fabrication import arm
from hypothesis import given
from hypothesis import strategies as st

from efficient.compare.contrast import AXES
from efficient.compare.decision import BETTER, WORSE, decide
from efficient.compare.dominance import DOMINATED, DOMINATES, EVEN, NEITHER, dominance

GOOD, POOR = {0: 0.90, 1: 0.91, 2: 0.92}, {0: 0.80, 1: 0.812, 2: 0.82}
FAST, SLOW = (1.0, 1.1, 1.2), (2.0, 2.1, 2.3)


def made(values, label="other", *, seconds=FAST, stored=10, **more):
    costs = {"train_s": seconds, "flops_executed": 5, "stored_bytes": stored} | more
    return arm(label, values, **costs)


def judged(row, base, **options):
    base = dataclasses.replace(base, arm="baseline", label="baseline")
    (decision,) = decide([base, row])
    return dominance(row, base, decision, **options)


def test_better_in_all_that_is_known_dominates():
    found = judged(made(GOOD), made(POOR, seconds=SLOW))
    assert (found.word, found.quality) == (DOMINATES, BETTER)
    assert found.better == ("quality", "train_s") and found.even == (
        "flops_executed",
        "stored_bytes",
    )
    assert set(found.unknown) == set(AXES) - {"train_s", "flops_executed", "stored_bytes"}
    assert [one.key for one in found.contrasts] == list(AXES)


def test_worse_in_all_that_is_known_is_dominated():
    found = judged(made(POOR, seconds=SLOW), made(GOOD))
    assert (found.word, found.quality) == (DOMINATED, WORSE)


def test_one_axis_the_other_way_is_enough_against_it():
    found = judged(made(GOOD, stored=11), made(POOR, seconds=SLOW))
    assert found.word == NEITHER and found.worse == ("stored_bytes",)


def test_means_alone_dominate_nothing():
    noisy = {0: 0.7, 1: 0.99, 2: 0.95}
    found = judged(made(noisy), made(POOR, seconds=SLOW))
    assert sum(noisy.values()) > sum(POOR.values())
    assert found.word == NEITHER and found.undecided == ("quality",)


def test_the_very_same_scores_are_even():
    found = judged(made(GOOD, stored=9), made(GOOD))
    assert (found.word, found.quality, found.undecided) == (DOMINATES, EVEN, ())
    alone = {0: 0.9}
    assert judged(made(alone, seconds=1.0), made(alone, seconds=1.0)).quality != EVEN


def test_the_same_in_everything_is_neither():
    found = judged(made(GOOD), made(GOOD))
    assert found.word == NEITHER and not found.better and not found.worse


def test_quality_alone_dominates_nobody():
    without = [dataclasses.replace(made(values), costs={}) for values in (GOOD, POOR)]
    assert judged(*without).word == NEITHER


def test_a_teacher_is_not_free():
    taught = made(GOOD, flops_parents=1)
    assert judged(taught, made(POOR, seconds=SLOW)).worse == ("flops_executed",)


SIDES = st.tuples(
    st.lists(st.integers(80, 99), min_size=3, max_size=3),
    st.lists(st.integers(1, 9), min_size=3, max_size=3),
    st.integers(1, 3),
)


@given(SIDES, SIDES)
def test_exchanged_arms_exchange_the_words(one, other):
    def row(side):
        accuracies, seconds, stored = side
        values = {seed: value / 100 for seed, value in enumerate(accuracies)}
        return made(values, seconds=tuple(map(float, seconds)), stored=stored)

    there, back = judged(row(one), row(other)), judged(row(other), row(one))
    swapped = {DOMINATES: DOMINATED, DOMINATED: DOMINATES, NEITHER: NEITHER}
    assert back.word == swapped[there.word]
    assert (there.better, there.worse, there.even) == (back.worse, back.better, back.even)
    axes = (*there.better, *there.worse, *there.even, *there.undecided, *there.unknown)
    assert sorted(axes) == sorted(("quality", *AXES)), "every axis has one word"


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_the_order_of_the_seeds_does_not_matter(order):
    found = judged(
        made({seed: GOOD[seed] for seed in order}, seconds=tuple(FAST[seed] for seed in order)),
        made(POOR, seconds=SLOW),
    )
    assert found.word == DOMINATES
