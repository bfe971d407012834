"""Tests of significance against references that others wrote, and against their laws."""

import itertools
import math
from unittest import mock

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower

from efficient.compare.error import CompareError
from efficient.compare.significance import (
    apart,
    detectable,
    discordant,
    equivalent,
    holm,
    paired,
    sooner,
    two_sided,
    welch,
)

thousandths = st.integers(-5000, 5000).map(lambda n: n / 1000)
some = st.lists(thousandths, min_size=2, max_size=9)


@given(some, some)
def test_welch_is_scipys(first, second):
    assume(len(set(first)) > 1 and len(set(second)) > 1)
    found = welch(first, second)
    theirs = stats.ttest_ind(first, second, equal_var=False)
    one_sided = stats.ttest_ind(first, second, equal_var=False, alternative="greater")
    assert found.p == pytest.approx(one_sided.pvalue)
    interval = theirs.confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))


@given(some, some)
def test_two_sided_tests_are_scipys(first, second):
    assume(len(set(first)) > 1 and len(set(second)) > 1)
    theirs = stats.ttest_ind(first, second, equal_var=False).pvalue
    assert apart(first, second).p == pytest.approx(theirs)
    assert two_sided(paired, first).p == pytest.approx(stats.ttest_1samp(first, 0).pvalue)


def test_sides_that_do_not_vary_have_no_test():
    found = welch([1.0, 1.0], [2.0, 2.0, 2.0])
    assert found.effect == -1 and math.isnan(found.p) and found.size == 5


@given(some, st.integers(1, 5000).map(lambda n: n / 1000))
def test_sameness_is_shown_exactly_where_the_interval_is_within_the_margin(differences, margin):
    found = equivalent(differences, margin)
    assume(not math.isnan(found.p) and abs(found.p - 0.05) > 1e-9)
    assert (found.p < 0.05) == (-margin < found.low and found.high < margin)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_mcnemar_is_statsmodels(pairs):
    first, second = zip(*pairs, strict=True)
    gained, lost = sum(a and not b for a, b in pairs), sum(b and not a for a, b in pairs)
    found = discordant(first, second)
    assert found.effect == pytest.approx((gained - lost) / len(pairs))
    assert found.low <= found.effect <= found.high
    two_sided = mcnemar([[0, gained], [lost, 0]], exact=True).pvalue
    one_sided = min(found.p, discordant(second, first).p)
    assert min(1.0, 2 * one_sided) == pytest.approx(two_sided)


def test_predictions_of_other_examples_are_refused():
    with pytest.raises(CompareError, match="2 and 1 predictions"):
        discordant([True, False], [True])


@settings(max_examples=20)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_is_statsmodels(ps):
    with mock.patch("gc.collect"):  # statsmodels collects in each call, for seconds in a long suite
        theirs = multipletests(ps, method="holm")[1]
    np.testing.assert_allclose(holm(ps), theirs, atol=1e-12)


def test_costs_that_were_all_reached_are_ranked_like_mann_and_whitney():
    first, second = [1.0, 2.0, 5.0, 3.5], [4.0, 6.0, 7.0, 9.0]
    theirs = stats.mannwhitneyu(first, second, alternative="less", method="exact")
    assert sooner(first, second).p == pytest.approx(theirs.pvalue)


def test_every_split_is_counted_where_some_never_got_there():
    first, second = [1.0, 2.0, None], [3.0, None, None]
    found = sooner(first, second)
    costs = [math.inf if c is None else c for c in first + second]
    scores = [sum((a < b) - (a > b) for b in costs) for a in costs]
    sums = [sum(split) for split in itertools.combinations(scores, 3)]
    assert found.p == pytest.approx(np.mean([s >= sum(scores[:3]) for s in sums]))
    assert found.effect == pytest.approx((3 + 3 - 1) / 9)
    assert math.isnan(found.low)


def test_who_never_got_there_is_never_sooner():
    assert sooner([None, None], [None, None]).effect == 0
    assert sooner([None, None, None], [1.0, 2.0, 3.0]).p == 1.0
    with pytest.raises(CompareError, match="1 and 2 runs cannot be tested; give two or more"):
        sooner([1.0], [2.0, 3.0])


@given(st.integers(2, 30), st.floats(0.01, 100))
def test_the_least_effect_has_its_power_by_statsmodels(pairs, sd):
    effect = detectable(sd, pairs)
    power = TTestPower().power(effect / sd, pairs, 0.05, alternative="larger")
    assert power == pytest.approx(0.8, abs=1e-6)


def test_three_pairs_see_little():
    assert detectable(1.0, 3) == pytest.approx(2.30, abs=0.01)


@pytest.mark.parametrize("values", [[1.0], [1.0, math.nan], [math.inf, 1.0]])
def test_what_cannot_be_tested_is_refused(values):
    with pytest.raises(CompareError, match="cannot be tested"):
        paired(values)
    with pytest.raises(CompareError, match="cannot be tested"):
        welch(values, [1.0, 2.0])
