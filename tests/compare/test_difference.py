"""Differences are paired by seed and set beside the spread, and never called more than that."""

from __future__ import annotations

import dataclasses
import math

import pytest
from fabrication import record, records
from hypothesis import given
from hypothesis import strategies as st

from efficient.compare.difference import (
    ONE_SEED,
    OUTSIDE,
    WITHIN,
    baseline_of,
    difference,
    gains,
    pareto,
    times,
)
from efficient.compare.error import CompareError
from efficient.compare.summary import Row, rows, spread

TEMPLATE = rows([record()])[0]


def arm(label: str, values: dict[int, float], **costs: float) -> Row:
    """A row with these accuracies by seed and these costs, the same for every seed."""
    return dataclasses.replace(
        TEMPLATE,
        arm=label,
        label=label,
        seeds=tuple(values),
        quality=spread(values.values()),
        costs={key: spread([value] * len(values)) for key, value in costs.items()},
    )


def test_shared_seeds_are_paired():
    row = arm("pruned", {0: 0.91, 1: 0.81})
    gap = difference(row, arm("baseline", {0: 0.90, 1: 0.80, 2: 0.1}))
    assert gap.quality.mean == pytest.approx(0.01)
    assert gap.quality.sd == pytest.approx(0, abs=1e-12)
    assert gap.quality.paired == 2
    assert gap.better


def test_seeds_that_are_not_shared_are_compared_by_their_means():
    gap = difference(arm("pruned", {0: 0.9, 5: 0.8}), arm("baseline", {0: 0.7, 1: 0.6}))
    assert gap.quality.paired == 0 and gap.quality.sd is None
    assert gap.quality.mean == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("shift", "verdict"), [(0.0, WITHIN), (0.019, WITHIN), (0.021, OUTSIDE), (-0.021, OUTSIDE)]
)
def test_spread_is_twice_the_pooled_deviation(shift, verdict):
    sd = 0.01 / math.sqrt(2)
    near = {0: 0.9 - sd, 1: 0.9 + sd}
    gap = difference(arm("x", {s: v + shift for s, v in near.items()}), arm("baseline", near))
    assert gap.quality.pooled_sd == pytest.approx(0.01)
    assert gap.quality.verdict == verdict


@pytest.mark.parametrize("seeds", [(1, 1), (1, 3), (3, 1)])
def test_one_seed_says_nothing_of_the_spread(seeds):
    mine, theirs = ({s: 0.1 * i + 0.01 * s for s in range(n)} for i, n in enumerate(seeds))
    change = difference(arm("x", mine), arm("baseline", theirs)).quality
    assert change.verdict == ONE_SEED and change.pooled_sd is None


def test_less_is_better_in_bits():
    found = {row.label: row for row in rows(records()) if row.workload == "shakespeare"}
    gap = difference(found["distilled"], found["baseline"])
    assert gap.quality.mean < 0 and gap.better


def test_gains_are_of_the_seeds_that_both_have():
    row, other = arm("a", {0: 0.91, 1: 0.81, 3: 0.5}), arm("b", {1: 0.80, 0: 0.90, 2: 0.7})
    assert gains(row, other) == pytest.approx((1.0, 1.0))
    text = [dataclasses.replace(one, quality_name="bits/byte") for one in (row, other)]
    assert gains(*text) == pytest.approx((-0.01, -0.01))


def test_ratios_are_of_known_costs_only():
    row = arm("x", {0: 0.9}, flops_executed=2.0, train_s=0.0, stored_bytes=5.0)
    gap = difference(row, arm("baseline", {0: 0.9}, flops_executed=4.0, train_s=2.0, total_s=1.0))
    assert gap.ratios == {"flops_executed": 0.5, "train_s": 0.0}
    assert difference(row, arm("b", {0: 0.9}, stored_bytes=0.0)).ratios == {}


def test_other_data_is_refused():
    other = dataclasses.replace(TEMPLATE, fingerprint="other")
    with pytest.raises(CompareError, match="saw different data"):
        difference(TEMPLATE, other)


def test_baseline_is_of_the_same_model_or_the_only_one():
    base = arm("baseline", {0: 0.9})
    row, wide = arm("pruned", {0: 0.9}), dataclasses.replace(arm("teacher", {0: 1.0}), model="wide")
    other = dataclasses.replace(base, model="deep", label="baseline deep")
    everything = [base, other, row, wide]
    assert baseline_of(row, everything) is base
    assert baseline_of(wide, [base, wide]) is base
    assert baseline_of(wide, everything) is None, "two baselines, neither of this model"
    assert baseline_of(base, everything) is None


def test_front_holds_what_nothing_beats():
    found = [
        arm("baseline", {0: 0.9}, train_s=10),
        arm("cheap", {0: 0.8}, train_s=5),
        arm("beaten", {0: 0.7}, train_s=6),
        arm("tied", {0: 0.9}, train_s=12),
        arm("unknown", {0: 0.99}),
    ]
    assert pareto(found, "train_s") == {"baseline", "cheap"}
    bits = [dataclasses.replace(row, quality_name="bits/token") for row in found]
    assert pareto(bits, "train_s") == {"cheap", "beaten"}
    assert pareto([], "train_s") == set()


def test_front_of_two_workloads_is_refused():
    with pytest.raises(CompareError, match="digits, shakespeare"):
        pareto(rows(records()), "train_s")


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 5)), min_size=1, max_size=8))
def test_every_arm_is_on_the_front_or_beaten_by_one_that_is(points):
    found = [arm(str(i), {0: q / 10}, train_s=c) for i, (q, c) in enumerate(points)]
    front = pareto(found, "train_s")
    for i, (q, c) in enumerate(points):
        beaten = any(
            points[int(j)] != (q, c) and points[int(j)][0] >= q and points[int(j)][1] <= c
            for j in front
        )
        assert (str(i) in front) != beaten


def test_ratio_in_words():
    assert [times(x) for x in (0.0312, 0.5, 1, 9.994, 12.34, 123.4)] == [
        "\N{MULTIPLICATION SIGN}" + x for x in ("0.0312", "0.50", "1.00", "9.99", "12.3", "123")
    ]
