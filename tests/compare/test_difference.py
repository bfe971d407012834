"""Differences are of the same seeds where arms share them, and ratios of what both know."""

from __future__ import annotations

import dataclasses

import pytest
from fabrication import arm, record, records

from efficient.compare.difference import baseline_of, difference, gains, times
from efficient.compare.error import CompareError
from efficient.compare.summary import rows

TEMPLATE = rows([record()])[0]


def test_shared_seeds_are_paired():
    row = arm("pruned", {0: 0.91, 1: 0.81})
    gap = difference(row, arm("baseline", {0: 0.90, 1: 0.80, 2: 0.1}))
    assert gap.quality == pytest.approx(0.01)


def test_seeds_that_are_not_shared_are_compared_by_their_means():
    gap = difference(arm("pruned", {0: 0.9, 5: 0.8}), arm("baseline", {0: 0.7, 1: 0.6}))
    assert gap.quality == pytest.approx(0.2)


def test_less_is_better_in_bits():
    found = {row.label: row for row in rows(records()) if row.workload == "shakespeare"}
    assert difference(found["distilled"], found["baseline"]).quality < 0
    assert min(gains(found["distilled"], found["baseline"])) > 0


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


def test_ratio_in_words():
    assert [times(x) for x in (0.0312, 0.5, 1, 9.994, 12.34, 123.4)] == [
        "\N{MULTIPLICATION SIGN}" + x for x in ("0.0312", "0.50", "1.00", "9.99", "12.3", "123")
    ]
