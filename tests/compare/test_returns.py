"""What the last half of a cost bought, along a front and along a curve."""

from __future__ import annotations

import dataclasses

import pytest
from fabrication import arm, record

from efficient.compare.decision import estimate
from efficient.compare.front import front
from efficient.compare.returns import along_curve, along_front
from efficient.ledger.record import Point, Score


def line(*points, noise=0.0):
    """Arms of two seeds at (percent, seconds)."""
    return [
        arm(f"{seconds} s", {0: (q - noise) / 100, 1: (q + 2 * noise) / 100}, train_s=seconds)
        for q, seconds in points
    ]


def asked(rows):
    return along_front(rows, front(rows, "train_s"))


def test_the_last_part_is_cut_where_half_of_the_cost_was_spent():
    found = asked(line((90, 1), (97, 3), (98, 4), (98.5, 10)))
    assert (found.source, found.to) == ("4 s", "10 s")
    assert found.gain == pytest.approx(0.5) and found.share == pytest.approx(0.6)
    assert (found.cost, found.tests, found.seeds) == ("train_s", 3, 2)


def test_a_line_that_gains_as_much_at_the_end_has_no_diminishing_returns():
    assert asked(line((90, 1), (91, 4), (98.5, 10))) is None


def test_two_places_of_a_front_are_no_line():
    assert asked(line((90, 1), (98.5, 10))) is None
    assert asked(line((90, 6), (95, 7), (98.5, 10))) is None, "none at half of the cost"


def test_a_gain_within_the_noise_is_not_shown():
    points = ((90, 1), (98, 4), (98.5, 10))
    assert not asked(line(*points, noise=1.0)).shown
    firm = [
        dataclasses.replace(row, quality=dataclasses.replace(row.quality, values=values))
        for row, values in zip(
            line(*points), ((0.9, 0.9), (0.98, 0.9801), (0.985, 0.98512)), strict=True
        )
    ]
    assert asked(firm).shown


def test_the_best_of_many_must_show_among_many():
    """A gain with p = 2.9 % alone has 8.6 % as the best of four arms."""
    steady = [
        arm(str(seconds), dict.fromkeys(range(3), quality), train_s=seconds)
        for quality, seconds in ((0.9, 1), (0.98, 4), (0.5, 2))
    ]
    last = arm("last", {0: 0.985, 1: 0.9865, 2: 0.9835}, train_s=10)
    alone = estimate(last, steady[1])
    assert alone.p == pytest.approx(0.029, abs=1e-3)
    found = asked([*steady, last])
    assert found.tests == 3 and not found.shown


def runs(*curves, cost="train_s"):
    made = []
    for seed, scores in enumerate(curves):
        points = tuple(
            Point(
                step=100 * (i + 1),
                phase="train",
                train_loss=0.1,
                validation=Score(0.3, score, 180),
                train_s=10.0 * (i + 1),
                total_s=12.0 * (i + 1),
                flops_executed=7,
                energy_j=5.0 * (i + 1) if cost == "energy_j" else None,
            )
            for i, score in enumerate(scores)
        )
        made.append(dataclasses.replace(record(seed=seed), points=points))
    return made


CURVE = (0.80, 0.95, 0.96, 0.97)


def test_a_curve_is_cut_at_the_steps_of_all_seeds():
    second = tuple(score + 0.001 * i for i, score in enumerate(CURVE))
    found = along_curve(runs(CURVE, second), ("energy_j", "train_s"))
    assert found.cost == "train_s" and found.share == pytest.approx(0.5)
    assert (found.start, found.end) == pytest.approx((0.9505, 0.9715))
    assert found.shown and found.seeds == 2
    joules = along_curve(runs(CURVE, cost="energy_j"), ("energy_j", "train_s"))
    assert joules.cost == "energy_j" and not joules.shown, "one seed shows nothing"


def test_curves_that_say_nothing():
    assert along_curve([], ("train_s",)) is None
    assert along_curve(runs(CURVE[:1]), ("train_s",)) is None
    assert along_curve(runs(CURVE), ("energy_j",)) is None, "no joules on the curve"
    assert along_curve(runs((0.9, 0.95, 0.96, 0.94)), ("train_s",)) is None, "it fell at the end"
    assert along_curve(runs((0.9, 0.8, 0.7, 0.69)), ("train_s",)) is None, "it only fell"
    assert along_curve(runs((0.9, 0.9, 0.9, 0.9)), ("train_s",)) is None
    assert along_curve(runs(()), ("train_s",)) is None
