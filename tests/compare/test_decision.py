"""Verdicts for arms against their baselines, from rows."""

import dataclasses
import math

import numpy as np
import pytest
from fabrication import record, records
from hypothesis import given
from hypothesis import strategies as st

from efficient.compare.decision import BETTER, WORSE, decide
from efficient.compare.sequential import critical, sequential, sequential_edge
from efficient.compare.significance import LEVEL, detectable, paired, welch
from efficient.compare.spread import spread
from efficient.compare.summary import rows
from efficient.compare.verdict import INCONCLUSIVE

TEMPLATE = rows([record()])[0]


def arm(label, qualities, first_seed=0, **fields):
    """A row with these accuracies in percent."""
    return dataclasses.replace(
        TEMPLATE,
        arm=label,
        label=label,
        seeds=tuple(range(first_seed, first_seed + len(qualities))),
        quality=spread(q / 100 for q in qualities),
        **fields,
    )


BASELINE = arm("baseline", (90.0, 91.0, 92.0))


def only(*others, **options):
    (found,) = decide([BASELINE, *others], **options)
    return found


def test_pairs_decide_what_means_could_not():
    found = only(arm("wide", (90.5, 91.6, 92.4)))
    expected = paired([0.5, 0.6, 0.4])
    assert found.word == BETTER and found.paired and found.seeds == 3
    assert found.p == pytest.approx(2 * expected.p)
    assert (found.gain, found.low, found.high) == pytest.approx((0.5, expected.low, expected.high))
    assert only(arm("narrow", (89.5, 90.4, 91.6))).word == WORSE


def test_disjoint_seeds_of_one_config_are_inconclusive_and_say_what_they_could_have_seen():
    found = only(arm("again", (90.5, 91.5, 91.0), first_seed=100))
    assert found.word == INCONCLUSIVE and not found.paired
    theirs = welch([90.5, 91.5, 91.0], [90.0, 91.0, 92.0])
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high))
    sd = math.hypot(0.5, 1.0)
    assert found.detectable == pytest.approx(detectable(sd, 3, 0.025))
    assert str(found) == (
        "again against baseline: INCONCLUSIVE, +0 points [-2.08, 2.08], p = 1, 3 seeds; so many "
        "could only have seen 3.6 points or more"
    )


def test_several_arms_share_the_level():
    """A p of 3 % alone is one of 6 % beside another arm."""
    made = arm("one", (90.5, 91.2, 92.9))
    alone = only(made)
    both = decide([BASELINE, made, arm("other", (90.0, 91.5, 91.6))])
    assert [one.arm for one in both] == ["one", "other"]
    assert both[0].p == pytest.approx(2 * alone.p)
    assert both[0].detectable > alone.detectable
    assert " among 2 arms, 3 paired seeds" in str(both[0])


def test_one_seed_is_no_test():
    (found,) = decide([arm("baseline", (90.0,)), arm("wide", (95.0,))])
    assert found.word == INCONCLUSIVE and math.isnan(found.p) and found.gain == pytest.approx(5)
    assert str(found).endswith("+5 points (no test: 1 seed)")


def test_an_arm_without_a_test_takes_nothing_from_the_others():
    made = arm("one", (90.5, 91.2, 92.9))
    teacher = arm("teacher", (95.0,))
    assert decide([BASELINE, made, teacher])[0].p == only(made).p


def test_pairs_that_do_not_vary_have_no_test():
    found = only(arm("shifted", (90.5, 91.5, 92.5)))
    assert found.word == INCONCLUSIVE and math.isnan(found.p)
    assert str(found).endswith("+0.5 points (no test: 3 paired seeds, which do not vary)")


def test_more_bits_are_worse():
    found = {one.arm: one for one in decide(rows(records())) if one.workload == "shakespeare"}
    assert found["distilled"].gain > 0 > found["pruned"].gain
    assert found["pruned"].unit == "bits/byte"


def test_looking_after_every_seed_asks_for_more():
    gains = np.random.default_rng(0).normal(1.0, 0.6, 4)
    made = dataclasses.replace(BASELINE, seeds=(0, 1, 2, 3), quality=spread([0.9] * 4))
    other = arm("wide", tuple(90 + gains))
    planned, looked = (decide([made, other], test)[0] for test in (paired, sequential))
    assert looked.p > planned.p and looked.low < planned.low < planned.gain == looked.gain


def test_what_was_once_shown_and_has_turned_around_is_inconclusive():
    """Four seeds had it better beyond doubt, and after the last ones the mean says the opposite."""
    gains = (1.0, 1.01, 0.99, 1.0, -9.0, -9.0)
    base = arm("baseline", (90.0,) * 6)
    found = decide([base, arm("wide", [90 + gain for gain in gains])], sequential)[0]
    assert found.p < 0.05 and found.gain < 0 < found.low
    assert found.word == INCONCLUSIVE


def test_three_seeds_can_decide_nothing_where_each_is_looked_at():
    (found,) = decide([BASELINE, arm("wide", (99.0, 99.1, 99.9))], sequential)
    assert found.word == INCONCLUSIVE and math.isinf(found.detectable)
    assert str(found).endswith("3 paired seeds; so few can decide nothing where each is looked at")


def test_what_could_have_been_seen_is_of_the_test_that_decides():
    """A gain of `detectable` is found at the last look, alone, in 80 % of comparisons."""
    noise = np.random.default_rng(1).normal(size=(400, 5))
    least = detectable(1.0, 5, LEVEL / 2, edge=sequential_edge)
    assert least > detectable(1.0, 5, LEVEL / 2)
    looks = noise + least
    t = looks.mean(1) / looks.std(1, ddof=1) * math.sqrt(5)
    assert np.mean(t > critical(5, LEVEL)) == pytest.approx(0.8, abs=0.04)


# -- one result, one word --------------------------------------------------------------------------

#: Hundredths of a point, by seed.
QUALITIES = st.lists(st.tuples(*[st.integers(8900, 9300)] * 2), min_size=1, max_size=8)
TURNED = {BETTER: WORSE, WORSE: BETTER, INCONCLUSIVE: INCONCLUSIVE}


def sides(qualities):
    return [tuple(q / 100 for q in side) for side in zip(*qualities, strict=True)]


def word(mine, theirs, test, first_seed=0):
    made = [arm("baseline", theirs), arm("other", mine, first_seed=first_seed)]
    return decide(made, test)[0].word


@pytest.mark.parametrize("first_seed", [0, 100], ids=["same seeds", "other seeds"])
@pytest.mark.parametrize("test", [paired, sequential])
@given(QUALITIES)
def test_exchanged_arms_have_the_opposite_word(first_seed, test, qualities):
    mine, theirs = sides(qualities)
    there = word(mine, theirs, test, first_seed)
    assert there in TURNED
    assert word(theirs, mine, test, first_seed) == TURNED[there]


@given(QUALITIES, st.randoms())
def test_no_word_depends_on_the_order_of_the_seeds(qualities, random):
    order = random.sample(range(len(qualities)), len(qualities))
    mine, theirs = sides(qualities)
    made = [arm("baseline", theirs), arm("other", mine)]
    turned = [
        dataclasses.replace(
            row,
            seeds=tuple(row.seeds[i] for i in order),
            quality=spread(row.quality.values[i] for i in order),
        )
        for row in made
    ]
    before = decide(made)[0].word
    assert decide(turned)[0].word == decide([made[0], turned[1]])[0].word == before


@pytest.mark.parametrize("test", [paired, sequential])
@given(QUALITIES)
def test_what_is_better_has_its_whole_interval_above_nothing(test, qualities):
    """The converse need not hold: beside many arms, an interval alone decides nothing."""
    mine, theirs = sides(qualities)
    found = decide([arm("baseline", theirs), arm("other", mine)], test)[0]
    words = {BETTER: found.low > 0, WORSE: found.high < 0}
    assert found.word == next((one for one, holds in words.items() if holds), INCONCLUSIVE)


def test_the_order_of_the_records_is_not_that_of_the_looks():
    made = [record(arm=a, seed=s) for s in range(5) for a in ("baseline", "pruned")]
    turned = sorted(made, key=lambda one: -one.seed)
    assert decide(rows(made), sequential) == decide(rows(turned), sequential)
