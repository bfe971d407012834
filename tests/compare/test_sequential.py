"""Looking after every seed: the factor is the integral it stands for, and errors stay rare."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from efficient.compare.sequential import FIRST, REACH, critical, factor, sequential
from efficient.compare.significance import paired

SEEDS, LEVEL = 20, 0.05


@pytest.mark.parametrize("t, pairs", [(0.0, 3), (1.5, 3), (-4.0, 5), (6.0, 20)])
def test_the_factor_is_the_ratio_of_likelihoods_under_the_prior(t, pairs):
    def weighed(effect):
        likelihood = stats.nct.pdf(t, pairs - 1, effect * math.sqrt(pairs))
        return likelihood * stats.norm.pdf(effect, 0, REACH)

    under, _ = integrate.quad(weighed, -12, 12, limit=400)
    assert factor(t, pairs) == pytest.approx(under / stats.t.pdf(t, pairs - 1), rel=1e-4)


@given(st.integers(2, 60), st.floats(0.001, 0.5))
def test_the_critical_value_is_where_the_factor_is_one_over_the_level(pairs, level):
    edge = critical(pairs, level)
    if math.isinf(edge):
        assert factor(1e9, pairs) < 1 / level
    else:
        assert factor(edge, pairs) == pytest.approx(1 / level, rel=1e-6)


@settings(max_examples=30)
@given(st.lists(st.integers(-99, 99).map(float), min_size=3, max_size=12))
def test_evidence_never_shrinks_and_asks_more_than_one_planned_test(differences):
    found = sequential(differences)
    before = sequential(differences[:-1]) if len(differences) > FIRST else None
    if before:
        assert found.p <= before.p and found.low >= before.low and found.high <= before.high
    planned = paired(differences)
    if before is None and not math.isnan(planned.p):
        assert found.low <= planned.low and found.high >= planned.high


def test_errors_over_all_looks_stay_below_the_level_where_students_do_not():
    draws = np.random.default_rng(0).normal(size=(2000, SEEDS))
    counts = np.arange(1, SEEDS + 1)
    means = draws.cumsum(1) / counts
    squares = (draws**2).cumsum(1)
    with np.errstate(divide="ignore", invalid="ignore"):
        sd = np.sqrt((squares - counts * means**2) / (counts - 1))
    t = (means / (sd / np.sqrt(counts)))[:, FIRST - 1 :]
    pairs = range(FIRST, SEEDS + 1)
    ours = np.array([critical(n, LEVEL) for n in pairs])
    students = np.array([stats.t.ppf(1 - LEVEL / 2, n - 1) for n in pairs])
    assert np.mean((abs(t) > ours).any(1)) <= LEVEL
    assert np.mean((abs(t) > students).any(1)) > 3 * LEVEL


def test_a_crippled_arm_is_told_apart_early():
    gaps = np.random.default_rng(1).normal(5.0, 1.0, SEEDS)
    looks = [n for n in range(FIRST, SEEDS + 1) if sequential(gaps[:n]).p < LEVEL]
    assert looks[0] <= 6


def test_pairs_that_do_not_vary_say_nothing():
    found = sequential([1.0, 1.0, 1.0])
    assert found.p == 0.5 and math.isinf(found.low) and math.isinf(found.high)
