"""Profiles as AlgoPerf defines them, against numbers computed by hand and by integration."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from efficient.compare.error import CompareError
from efficient.compare.profile import MOST, profiles

COST = st.none() | st.floats(0.1, 1000)
COSTS = st.integers(1, 4).flatmap(
    lambda count: st.dictionaries(
        st.text("abc", min_size=1, max_size=3),
        st.fixed_dictionaries({f"w{i}": COST for i in range(count)}),
        min_size=1,
        max_size=4,
    )
)


def test_scores_by_hand():
    """Ratios of `b`: 2 and 1, so the profile is 1/2 from 1 to 2 and 1 from 2 to 4: 2.5 of 3."""
    found = profiles({"a": {"x": 10, "y": 30}, "b": {"x": 20, "y": 10}, "c": {"x": None, "y": 41}})
    assert [one.arm for one in found] == ["b", "a", "c"]
    assert [one.score for one in found] == pytest.approx([5 / 6, (3 + 1) / 6, 0])
    assert found[0].ratios == {"x": 2, "y": 1}
    assert found[2].ratios["x"] == math.inf


@given(COSTS)
def test_a_score_is_the_mean_of_the_profile(costs):
    taus = 1 + (np.arange(20_000) + 0.5) / 20_000 * (MOST - 1)
    for found in profiles(costs):
        assert 0 <= found.score <= 1
        ratios = np.array(list(found.ratios.values()))
        mean = (ratios[:, None] <= taus).mean()
        assert found.score == pytest.approx(mean, abs=1e-4)


@given(COSTS, st.floats(0.01, 100))
def test_the_unit_of_a_cost_does_not_matter(costs, factor):
    scaled = {
        arm: {name: cost and cost * factor for name, cost in of_arm.items()}
        for arm, of_arm in costs.items()
    }
    before, after = ({p.arm: p.score for p in profiles(c)} for c in (costs, scaled))
    assert after == pytest.approx(before)


@given(COSTS)
def test_somebody_is_the_best_where_anybody_arrives(costs):
    for name in next(iter(costs.values())):
        ratios = [one.ratios[name] for one in profiles(costs)]
        arrived = any(of_arm[name] is not None for of_arm in costs.values())
        assert min(ratios) == (1 if arrived else math.inf)


def test_what_cannot_be_scored_is_refused():
    with pytest.raises(CompareError, match="b was not run on y"):
        profiles({"a": {"x": 1, "y": 2}, "b": {"x": 1}})
    with pytest.raises(CompareError, match="b on x cost 0"):
        profiles({"a": {"x": 1}, "b": {"x": 0}})
    with pytest.raises(CompareError, match="nan"):
        profiles({"a": {"x": math.nan}})
    with pytest.raises(CompareError, match="more than 1"):
        profiles({"a": {"x": 1}}, most=1)
    assert profiles({}) == []
