"""A target is reached by the mean of all seeds at a step that all share, and never by luck."""

from __future__ import annotations

import dataclasses
import math

import pytest
from fabrication import record

from efficient.compare.error import CompareError
from efficient.compare.significance import sooner
from efficient.compare.target import arms, cheaper, reach
from efficient.ledger.notation import trial
from efficient.ledger.record import Point, Score


def run(seed, accuracies, arm="baseline", pace=1.0, every=100, **changes):
    """One run that was evaluated every so many steps, `pace` seconds a step."""
    points = tuple(
        Point(
            step=every * (i + 1),
            phase="train",
            train_loss=0.1,
            validation=Score(0.3, accuracy, 180),
            train_s=pace * every * (i + 1) + seed,
            total_s=2 * pace * every * (i + 1) + seed,
            flops_executed=10 * every * (i + 1),
        )
        for i, accuracy in enumerate(accuracies)
    )
    return dataclasses.replace(record(arm=arm, seed=seed), points=points, **changes)


LUCKY = (0.91, 0.80, 0.95, 0.96)
STEADY = (0.80, 0.85, 0.89, 0.94)


def test_the_mean_reaches_it_and_not_the_first_run():
    found = reach([run(0, LUCKY), run(1, STEADY)], 0.9)
    assert (found.step, found.looked) == (300, 4), "0.91 at step 100 is one run's luck"
    assert found.quality == pytest.approx(0.92)
    assert found.costs["train_s"].values == (300, 301)
    assert found.costs["total_s"].mean == pytest.approx(600.5)
    assert found.costs["flops_executed"].values == (3000, 3000)
    assert found.unknown == {"energy_j": "not on the curve"}
    assert found.short == (run(1, STEADY).run_id,)
    assert str(found) == (
        "baseline: 0.9 reached at step 300 by the mean of 2 seeds, 1 of them short of it"
    )


def test_a_mean_that_falls_back_has_reached_it():
    """The rule asks for the first step, and one look a step is all that it takes."""
    assert reach([run(0, LUCKY)], 0.9).step == 100


def test_a_dense_network_that_is_pruned_later_has_reached_nothing():
    made = run(0, LUCKY)
    phases = zip(made.points, ("dense", "dense", "sparse", "sparse"), strict=True)
    points = tuple(dataclasses.replace(point, phase=phase) for point, phase in phases)
    found = reach([dataclasses.replace(made, points=points)], 0.9)
    assert (found.step, found.looked) == (300, 2)
    assert found.costs["train_s"].mean == 300, "what the dense one cost is paid all the same"


def test_a_miss_is_censored_and_says_how_near_it_came():
    found = reach([run(0, LUCKY), run(1, STEADY)], 0.99)
    assert found.step is None and not found.costs and len(found.short) == 2
    assert found.quality == pytest.approx(0.95)
    assert str(found) == (
        "baseline: 0.99 not reached; the best mean of 2 seeds at 4 shared steps is 0.95"
    )


def test_a_run_that_broke_off_ends_the_steps_that_are_shared():
    broken = run(1, STEADY[:2], status="nonfinite")
    found = reach([run(0, LUCKY), broken], 0.9)
    assert (found.step, found.looked) == (None, 2)


def test_seeds_that_were_never_evaluated_together_say_so():
    found = reach([run(0, LUCKY), run(1, STEADY, every=70)], 0.9)
    assert found.step is None and found.looked == 0 and found.quality is None
    assert str(found) == (
        "baseline: unknown whether 0.9 was reached, its 2 seeds share no evaluation step"
    )
    assert str(reach([run(0, ())], 0.9)).endswith("its 1 seed has no evaluation step")


def test_less_is_better_in_bits():
    losses = (2.0, 1.6, 1.4)
    text = record("shakespeare", seed=0)
    points = [
        dataclasses.replace(p, validation=Score(loss * math.log(2), 0.5, 9))
        for p, loss in zip(run(0, losses).points, losses, strict=True)
    ]
    found = reach([dataclasses.replace(text, points=tuple(points))], 1.6)
    assert (found.step, found.short) == (200, ())


def test_parents_are_paid_for_before_the_first_step():
    teacher, student = record(arm="teacher"), run(0, LUCKY, arm="distilled")
    found = reach([student], 0.9, {teacher.run_id: teacher})
    assert found.costs["train_s"].mean == pytest.approx(100 + teacher.cost.train_s)
    orphan = reach([student], 0.9)
    assert orphan.unknown["train_s"] == "a parent is not among these records"
    with pytest.raises(CompareError, match="distilled: train_s at step 100 is unknown: a parent"):
        cheaper(orphan, found, "train_s")


def test_who_is_sooner_is_asked_of_the_costs_at_the_step():
    slow = reach([run(seed, STEADY) for seed in range(4)], 0.85)
    fast = reach([run(seed, STEADY, pace=0.5) for seed in range(4)], 0.85)
    never = reach([run(seed, STEADY) for seed in range(4)], 0.99)
    expected = sooner([100, 101, 102, 103], [200, 201, 202, 203])
    assert cheaper(fast, slow, "train_s") == expected
    assert cheaper(slow, never, "train_s").effect == 1, "a miss is later than any arrival"
    with pytest.raises(CompareError, match="give one of flops_executed, train_s"):
        cheaper(slow, fast, "params_total")


def test_what_is_no_arm_is_refused():
    with pytest.raises(CompareError, match="no run"):
        reach([], 0.9)
    with pytest.raises(CompareError, match="two runs of one seed"):
        reach([run(0, LUCKY), run(0, LUCKY)], 0.9)
    with pytest.raises(CompareError, match="of two arms"):
        reach([run(0, LUCKY), run(1, LUCKY, arm="pruned")], 0.9)


def test_arms_are_the_latest_of_each_seed_without_the_interrupted():
    old, new = run(0, LUCKY), run(0, STEADY)
    new = dataclasses.replace(new, run_id="z", started_utc="2026-01-01T00:00:00Z")
    stopped = run(1, LUCKY, status="interrupted")
    broken = run(2, LUCKY, status="nonfinite")
    tried = dataclasses.replace(run(3, LUCKY), arm=trial("baseline", 1))
    assert list(arms([new, old, stopped, broken, tried]).values()) == [[new, broken]]
