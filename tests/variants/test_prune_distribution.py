"""Counts to keep: exact totals and the densities of the papers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from efficient.variants.prune.distribution import allot
from efficient.variants.prune.schedule import falling

SHAPES = st.lists(
    st.tuples(st.integers(1, 40), st.integers(1, 40))
    | st.tuples(st.just(3), st.just(3), st.integers(1, 12), st.integers(1, 12)),
    min_size=1,
    max_size=6,
).map(lambda shapes: {f"layer_{i}": shape for i, shape in enumerate(shapes)})
SPARSITY = st.floats(0, 0.999)
LENET = {"head": (100, 10), "hidden_0": (784, 300), "hidden_1": (300, 100)}


def sizes(shapes) -> np.ndarray:
    return np.array([np.prod(shapes[name]) for name in sorted(shapes)])


@given(SHAPES, SPARSITY)
def test_erk_is_exact_in_the_total_and_never_more_than_there_is(shapes, sparsity):
    kept = allot("erk", shapes, sparsity)
    assert kept.sum() == round((1 - sparsity) * int(sizes(shapes).sum()))
    assert (kept >= 0).all() and (kept <= sizes(shapes)).all()


@given(SHAPES, SPARSITY)
def test_global_and_uniform_are_rounded(shapes, sparsity):
    each = [round((1 - sparsity) * int(size)) for size in sizes(shapes)]
    assert allot("uniform", shapes, sparsity).tolist() == each
    total = round((1 - sparsity) * int(sizes(shapes).sum()))
    assert allot("global", shapes, sparsity).tolist() == [total]


@given(SHAPES, SPARSITY)
def test_erk_densities_follow_the_sizes_where_nothing_is_full(shapes, sparsity):
    """Density times size over the sum of the axes is one number, but for rounding."""
    kept, full = allot("erk", shapes, sparsity), sizes(shapes)
    sums = np.array([sum(shapes[name]) for name in sorted(shapes)])
    free = kept < full
    low, high = (kept[free] - 1) / sums[free], (kept[free] + 1) / sums[free]
    assert not free.any() or low.max() <= high.min()


def test_erk_of_lenet_300_100():
    """By hand: 26,620 weights, 100 x 10 stays dense, the rest by the sums 1084 and 400."""
    factor = (26_620 - 1_000) / (1_084 + 400)
    kept = allot("erk", LENET, 0.9)
    assert kept.tolist() == [1_000, round(1_084 * factor), round(400 * factor)]


@given(SHAPES, st.lists(SPARSITY, min_size=1, max_size=6))
def test_counts_of_a_ramp_never_rise_and_end_as_asked(shapes, sparsities):
    counts = [allot("erk", shapes, sparsity) for sparsity in sorted(sparsities)]
    ramp = falling(counts)
    assert (np.diff(ramp, axis=0) <= 0).all()
    np.testing.assert_array_equal(ramp[-1], counts[-1])


@pytest.mark.parametrize("scope, kept", [("uniform", [3, 6]), ("erk", [4, 5]), ("global", [9])])
def test_units_are_counted_instead_of_weights(scope, kept):
    """12 blocks of 16 in one layer, 24 in the other; a quarter stays."""
    shapes = {"a": (12, 16), "b": (24, 16)}
    assert allot(scope, shapes, 0.75, {"a": 12, "b": 24}).tolist() == kept
