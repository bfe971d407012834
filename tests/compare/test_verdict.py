"""Verdicts on published claims, against scipy's own tests and against their meaning."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from efficient.compare.error import CompareError
from efficient.compare.significance import LEVEL, Estimate
from efficient.compare.verdict import (
    DIRECTION_ONLY,
    INCONCLUSIVE,
    NOT_REPRODUCED,
    REPRODUCED,
    judge_direction,
    judge_same,
)

#: Thousandths, so that no difference is lost in rounding.
some = st.lists(st.integers(-5000, 5000).map(lambda n: n / 1000), min_size=2, max_size=9)


@given(some)
def test_the_test_of_direction_is_the_one_sided_t_test(differences):
    assume(len(set(differences)) > 1)
    found = judge_direction(differences, 1.0)
    theirs = stats.ttest_1samp(differences, 0, alternative="greater")
    assert found.p == pytest.approx(theirs.pvalue)
    both = stats.ttest_1samp(differences, 0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((both.low, both.high))


@given(some, st.integers(1, 5000).map(lambda n: n / 1000))
def test_the_test_of_sameness_is_the_worse_of_two(differences, margin):
    assume(len(set(differences)) > 1)
    low = stats.ttest_1samp(differences, -margin, alternative="greater").pvalue
    high = stats.ttest_1samp(differences, margin, alternative="less").pvalue
    assert judge_same(differences, margin).p == pytest.approx(max(low, high))


@pytest.mark.parametrize(
    "differences, word",
    [
        ((0.9, 1.0, 1.1), REPRODUCED),
        ((0.30, 0.31, 0.32), DIRECTION_ONLY),
        ((2.9, 3.0, 3.1), DIRECTION_ONLY),
        ((-0.1, 0.0, 0.1), NOT_REPRODUCED),
        ((-1.0, 0.5, 2.0), INCONCLUSIVE),
    ],
)
def test_an_effect_of_one_is_judged(differences, word):
    assert judge_direction(differences, 1.0).word == word


@pytest.mark.parametrize(
    "differences, word",
    [
        ((-0.1, 0.0, 0.1), REPRODUCED),
        ((-2.1, -2.0, -1.9), NOT_REPRODUCED),
        ((1.9, 2.0, 2.1), NOT_REPRODUCED),
        ((-2.0, 0.0, 2.0), INCONCLUSIVE),
    ],
)
def test_sameness_is_judged_by_its_margin_on_both_sides(differences, word):
    assert judge_same(differences, 1.0).word == word


@pytest.mark.parametrize("differences", [(0.0, 0.0, 0.0), (1.0, 1.0), (98.1 - 98.0, 0.1)])
@pytest.mark.parametrize("judge", [judge_direction, judge_same])
def test_pairs_that_do_not_vary_have_no_test(judge, differences):
    """Not even where they differ by rounding."""
    found = judge(differences, 1.0)
    assert found.word == INCONCLUSIVE and math.isnan(found.p) and math.isnan(found.low)
    assert str(found).endswith(f"no test, the {len(differences)} pairs do not vary")


def test_what_cannot_be_tested_is_refused():
    with pytest.raises(CompareError, match="1 pairs"):
        judge_direction([0.1], 1.0)
    with pytest.raises(CompareError, match="must be above 0"):
        judge_direction([0.1, 0.2], -1.0)
    with pytest.raises(CompareError, match="margin 0"):
        judge_same([0.1, 0.2], 0)


def test_a_verdict_is_one_line():
    assert str(judge_direction((0.9, 1.0, 1.1), 1.0)) == (
        "REPRODUCED: +1 [0.752, 1.25], p = 0.0017, n = 3"
    )


# -- one result, one word --------------------------------------------------------------------------

numbers = st.floats(-10, 10) | st.just(math.nan)
estimates = st.builds(
    Estimate,
    effect=st.floats(-10, 10),
    p=st.floats(0, 1) | st.just(math.nan),
    low=numbers | st.just(-math.inf),
    high=numbers | st.just(math.inf),
    size=st.integers(2, 9),
)


def conditions(found: Estimate) -> dict[str, bool]:
    """What docs/verdicts.md says of each word, for a published effect of 1, by itself."""
    shown = found.p < LEVEL
    return {
        REPRODUCED: shown and 0.5 <= found.effect <= 2,
        DIRECTION_ONLY: shown,
        NOT_REPRODUCED: found.high < 0.5,
        INCONCLUSIVE: True,
    }


@given(estimates)
def test_any_estimate_has_the_first_word_that_holds_of_it(estimate):
    found = judge_direction((0.1, 0.2), 1.0, test=lambda differences: estimate)
    assert found.word == next(word for word, holds in conditions(estimate).items() if holds)


@given(some, st.randoms())
def test_no_word_depends_on_the_order_of_the_pairs(differences, random):
    shuffled = random.sample(differences, len(differences))
    assert judge_direction(shuffled, 1.0).word == judge_direction(differences, 1.0).word
    assert judge_same(shuffled, 1.0).word == judge_same(differences, 1.0).word


@given(some, st.integers(1, 5000).map(lambda n: n / 1000))
def test_sameness_has_no_direction(differences, margin):
    turned = judge_same([-one for one in differences], margin)
    assert turned.word == judge_same(differences, margin).word


@given(some, st.integers(1, 5000).map(lambda n: n / 1000))
def test_what_is_the_same_is_not_also_something_else(differences, margin):
    found = judge_same(differences, margin)
    inside = -margin < found.low and found.high < margin
    outside = found.high < -margin or found.low > margin
    words = {REPRODUCED: inside, NOT_REPRODUCED: outside, INCONCLUSIVE: not (inside or outside)}
    assume(min(abs(abs(edge) - margin) for edge in (found.low, found.high)) > 1e-9)
    assert [word for word, holds in words.items() if holds] == [found.word]
