"""Fronts hold what nothing beats; how firmly, and over which area, the seeds say."""

from __future__ import annotations

import dataclasses
import itertools

import pytest
from fabrication import arm, record, records
from hypothesis import given
from hypothesis import strategies as st

from efficient.compare.contrast import AXES
from efficient.compare.error import CompareError
from efficient.compare.front import DRAWS, front, fronts, pareto
from efficient.compare.summary import rows

POINTS = st.lists(st.tuples(st.integers(0, 5), st.integers(1, 5)), min_size=1, max_size=8)


def test_front_holds_what_nothing_beats():
    found = [
        arm("baseline", {0: 0.9}, train_s=10),
        arm("cheap", {0: 0.8}, train_s=5),
        arm("beaten", {0: 0.7}, train_s=6),
        arm("tied", {0: 0.9}, train_s=12),
        dataclasses.replace(arm("unknown", {0: 0.99}), costs={}),
    ]
    assert pareto(found, "train_s") == {"baseline", "cheap"}
    bits = [dataclasses.replace(row, quality_name="bits/token") for row in found]
    assert pareto(bits, "train_s") == {"cheap", "beaten"}
    assert pareto([], "train_s") == set()
    assert front(found, "train_s").members == ("cheap", "baseline")
    assert front(found, "train_s").absent == ("unknown",)


def test_front_of_two_workloads_is_refused():
    for ask in (pareto, front):
        with pytest.raises(CompareError, match="digits, shakespeare"):
            ask(rows(records()), "train_s")


def placed(points, **others):
    return [arm(str(i), {0: q / 10}, train_s=10.0**c, **others) for i, (q, c) in enumerate(points)]


@given(POINTS)
def test_every_arm_is_on_the_front_or_beaten_by_one_that_is(points):
    found = pareto(placed(points), "train_s")
    for i, (q, c) in enumerate(points):
        beaten = any(
            points[int(j)] != (q, c) and points[int(j)][0] >= q and points[int(j)][1] <= c
            for j in found
        )
        assert (str(i) in found) != beaten


@given(POINTS.filter(lambda points: len(points) > 1))
def test_draws_of_one_seed_are_the_front_itself(points):
    found = front(placed(points), "train_s")
    assert set(found.members) == {label for label, share in found.shares.items() if share == 1}
    assert set(found.shares.values()) <= {0, 1}
    assert found.low == pytest.approx(found.hypervolume) == pytest.approx(found.high)
    assert set(found.single) == set(found.shares) and found.fewest == 1


def covered(points, worst, dearest):
    """The hypervolume by counting unit squares, each of ten points by one factor of ten."""
    squares = itertools.product(range(worst, 6), range(1, dearest + 1))
    return 10 * sum(any(q > at and c <= decade for q, c in points) for at, decade in squares)


@given(POINTS.filter(lambda points: len(points) > 1))
def test_hypervolume_is_the_area_that_the_front_dominates(points):
    worst, dearest = min(q for q, _ in points), max(c for _, c in points)
    found = front(placed(points), "train_s")
    assert found.hypervolume == pytest.approx(covered(points, worst, dearest), abs=1e-6)
    assert found.reference == pytest.approx((worst / 10, 10 ** (dearest + 1)))


@given(POINTS, st.tuples(st.integers(0, 5), st.integers(1, 5)))
def test_another_arm_never_takes_area_away(points, another):
    corner = [(0, 5), *points]  # keeps the reference where it is
    less, more = (front(placed(p), "train_s") for p in (corner, [*corner, another]))
    assert more.hypervolume >= less.hypervolume - 1e-9


def test_bits_turn_the_area_and_not_the_costs():
    found = [
        dataclasses.replace(row, quality_name="bits/byte")
        for row in (arm("a", {0: 2.0}, train_s=1.0), arm("b", {0: 1.5}, train_s=100.0))
    ]
    made = front(found, "train_s")
    assert made.members == ("a", "b") and made.reference == (2.0, 1000.0)
    assert made.hypervolume == pytest.approx(0.5)
    assert made.unit == "bits/byte x factors of ten"


def test_a_share_is_how_often_the_seeds_agree():
    """Of four equal draws of two seeds, three have the first arm above the other."""
    found = front(
        [
            arm("rival", {0: 0.84, 1: 0.84}, train_s=5),
            arm("lucky", {0: 0.9, 1: 0.8}, train_s=5),
            arm("cheap", {0: 0.1, 1: 0.1}, train_s=1),
        ],
        "train_s",
    )
    assert found.shares["lucky"] == pytest.approx(0.75, abs=0.05)
    assert found.shares["rival"] == pytest.approx(1 - found.shares["lucky"])
    assert found.shares["cheap"] == 1 and found.draws == DRAWS
    assert found.low < found.hypervolume < found.high


def test_arms_of_the_same_seeds_are_drawn_together():
    """What a seed gives to both decides nothing, however much it is."""
    values = {0: 0.5, 1: 0.9, 2: 0.1}
    above = {seed: value + 0.01 for seed, value in values.items()}
    shares = front([arm("a", values, train_s=5), arm("b", above, train_s=5)], "train_s").shares
    assert shares == {"a": 0, "b": 1}


def test_parents_are_part_of_the_cost():
    alone = arm("alone", {0: 0.9}, train_s=5)
    taught = arm("taught", {0: 0.9}, train_s=4, train_s_parents=2)
    assert front([alone, taught], "train_s").members == ("alone",)
    assert pareto([alone, taught], "train_s") == {"taught"}, "the column itself"


def test_seconds_of_two_machines_make_no_front():
    one, other = arm("a", {0: 0.9}, train_s=5), arm("b", {0: 0.8}, train_s=4)
    other = dataclasses.replace(other, machines=("another",))
    assert front([one, other], "train_s") is None


def test_free_arms_have_no_place_on_a_logarithmic_axis():
    found = [arm(label, {0: 0.9}, train_s=s) for label, s in (("a", 1), ("b", 2), ("free", 0))]
    assert front(found, "train_s").absent == ("free",)
    assert front(found[1:], "train_s") is None, "one arm alone is no front"


def test_fronts_are_of_the_axes_that_are_known():
    here = [row for row in rows(records()) if row.workload == "digits"]
    found = fronts(here)
    keys = [one.cost for one in found]
    assert keys == [key for key in AXES if key not in ("energy_j", "memory_peak_bytes")]
    assert all(set(one.members) <= set(one.shares) for one in found)
    assert fronts(here) == found, "the same draws each time"


def test_the_seed_of_a_record_is_no_order():
    made = [record(arm=a, seed=s) for s in (2, 0, 1) for a in ("baseline", "pruned")]
    assert fronts(rows(made)) == fronts(rows(sorted(made, key=lambda r: r.seed)))
