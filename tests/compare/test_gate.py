"""The equal-budget gate: an arm against the curve of its baseline, from rows."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from fabrication import record
from scipy import stats

from efficient.compare.comparison import compare
from efficient.compare.curve import EFFICIENT, NOT_EFFICIENT, OUTSIDE, stand, word
from efficient.compare.gate import gates
from efficient.compare.note import notes
from efficient.compare.outlay import AXES, Outlay
from efficient.compare.sequential import sequential
from efficient.compare.significance import LEVEL, detectable
from efficient.compare.spread import spread
from efficient.compare.summary import rows
from efficient.compare.verdict import INCONCLUSIVE

TEMPLATE = rows([record()])[0]
BUDGETS = (0.25, 0.5, 1.0, 2.0)
UNKNOWN = Outlay(None, None, None, None)
NOISE = np.random.default_rng(7).normal(0, 0.05, (9, 5))


def row(label, cost, qualities, parents=0.0, **fields):
    """An arm of these accuracies in percent, that costs so many FLOPs at every seed."""
    n = len(qualities)
    flops = Outlay((cost,) * n, None if parents is None else (parents,) * n, 0, 0)
    return dataclasses.replace(
        TEMPLATE,
        arm=label,
        label=label,
        seeds=tuple(range(n)),
        quality=spread(q / 100 for q in qualities),
        machines=("here",),
        costs={},
        outlays=dict.fromkeys(AXES, UNKNOWN) | {"flops_executed": flops},
        **fields,
    )


def saturating(cost):
    """Points of accuracy: a power law, of which each doubling gains less."""
    return 98 - 2 * cost**-0.5


def curve(truth=saturating, noise=NOISE, budgets=BUDGETS):
    """The baseline at these multiples of its own length."""
    return [
        row("baseline" if b == 1 else f"baseline @ {b:g}x", b, truth(b) + noise[i])
        for i, b in enumerate(budgets)
    ]


def judged(*arms, **options):
    return gates([*curve(), *arms], **options)


def test_who_merely_trains_for_longer_is_not_efficient():
    """Better than the baseline by a point that it has paid for twice over."""
    (found,) = judged(row("longer", 1.9, saturating(1.9) - 0.4 + NOISE[5]))
    assert found.word == NOT_EFFICIENT and found.cost == pytest.approx(1.9)
    assert found.gain == pytest.approx(-0.4, abs=0.1) and found.high < 0
    assert NOISE[5].mean() + saturating(1.9) - 0.4 > curve()[2].quality.mean * 100


def test_who_is_above_the_curve_at_its_own_cost_is_efficient_though_below_the_baseline():
    (found,) = judged(row("cheaper", 0.4, saturating(0.4) + 0.4 + NOISE[5]))
    assert found.word == EFFICIENT and found.low > 0
    assert found.said.startswith("EFFICIENT by executed FLOPs at \N{MULTIPLICATION SIGN}0.40 (+0.")


def test_on_the_curve_nothing_is_shown():
    (found,) = judged(row("same", 0.7, saturating(0.7) + NOISE[5]))
    assert found.word == INCONCLUSIVE and found.p > LEVEL
    gains = NOISE[5] - np.array([0.5, 0.5]) @ NOISE[1:3]  # nearly: the curve has its own shares
    assert found.detectable == pytest.approx(detectable(gains.std(ddof=1), 5, LEVEL / 2), rel=0.1)
    assert f"5 seeds could have seen {found.detectable:.2g})" in found.said


def test_nothing_is_extrapolated():
    dear, cheap = judged(row("dear", 5.0, [99] * 5 + NOISE[5]), row("cheap", 0.1, [80] * 5))
    assert dear.word == cheap.word == OUTSIDE
    span = "the budgets cost \N{MULTIPLICATION SIGN}0.25 to \N{MULTIPLICATION SIGN}2.00"
    assert f"{span}: train the baseline with --budgets 8 as well" in dear.said
    assert f"{span}: train the baseline with --budgets 0.0625 as well" in cheap.said
    assert math.isnan(cheap.p)


def test_worse_than_a_cheaper_budget_needs_no_extrapolation():
    (found,) = judged(row("dear", 50.0, [90] * 5 + NOISE[5]))
    assert found.word == NOT_EFFICIENT


def test_a_baseline_that_overtrains_is_no_excuse():
    """Above the curve where more training harms, and below the cheaper baseline at its best."""
    falling = {0.25: 95.0, 0.5: 97.0, 1.0: 96.0, 2.0: 93.0}
    base = curve(falling.get)
    (found,) = gates([*base, row("late", 2.0, 95 + NOISE[5])])
    assert found.word == NOT_EFFICIENT and found.gain == pytest.approx(-2.0, abs=0.1)
    (found,) = gates([*base, row("late", 2.0, 98 + NOISE[5])])
    assert found.word == EFFICIENT


def test_parents_are_charged_and_the_word_without_them_stands_beside():
    student = row("student", 0.5, saturating(0.5) + 0.5 + NOISE[5], parents=1.4)
    (found,) = judged(student)
    assert (found.word, found.alone) == (NOT_EFFICIENT, EFFICIENT)
    assert found.cost == pytest.approx(1.9)
    assert found.said.endswith("and EFFICIENT without its parents")
    (orphan,) = judged(dataclasses.replace(student, outlays=_missing(student)))
    assert orphan.word == INCONCLUSIVE and orphan.alone == EFFICIENT
    assert "what its parents cost is unknown" in orphan.said


def _missing(student):
    outlay = dataclasses.replace(student.outlays["flops_executed"], parents=None)
    return student.outlays | {"flops_executed": outlay}


def test_several_arms_share_the_level():
    arm = row("one", 0.7, saturating(0.7) + 0.05 + NOISE[5])
    (alone,) = judged(arm)
    both = judged(arm, row("other", 0.7, saturating(0.7) + NOISE[6]))
    assert [one.family for one in both] == [2, 2]
    assert both[0].p == pytest.approx(min(1, 2 * alone.p))
    for gate in judged(row("far", 0.1, [90] * 5), arm):
        assert gate.family == 1  # who is outside has no test, and takes nothing


def test_seconds_of_other_machines_and_unpaired_seeds_are_not_compared():
    seconds = Outlay((1.0,) * 5, (0.0,) * 5, 0, 0)
    timed = [
        dataclasses.replace(one, outlays=one.outlays | {"train_s": seconds})
        for one in [*curve(), row("arm", 0.7, saturating(0.7) + NOISE[5])]
    ]
    arm = dataclasses.replace(timed.pop(), machines=("another",))
    by_axis = {one.axis: one for one in gates([*timed, arm])}
    assert set(by_axis) == {"flops_executed", "train_s"}
    assert by_axis["train_s"].said == "INCONCLUSIVE by train seconds (different machines)"
    strange = dataclasses.replace(arm, seeds=(10, 11, 12, 13, 14))
    (found,) = [one for one in gates([*timed, strange]) if one.axis == "flops_executed"]
    assert found.word == INCONCLUSIVE and found.reason.startswith("0 seeds in common")


def test_one_point_is_no_curve_and_the_notes_say_so():
    arm = row("arm", 0.7, saturating(0.7) + NOISE[5])
    assert gates([curve()[2], arm]) == []
    said = "\n".join(notes([curve()[2], arm]))
    assert (
        "compared with one point of the baseline, not with its curve (--budgets): every arm" in said
    )
    assert "one point" not in "\n".join(notes([*curve(), arm]))
    text = compare([*curve(), arm])[0].sentences
    assert set(text) == {"arm"} and "against the baseline's curve INCONCLUSIVE by" in text["arm"]


def test_what_cannot_be_tested_on_any_axis_is_said_once():
    seconds = Outlay((1.0,), (0.0,), 0, 0)
    every = [
        dataclasses.replace(one, outlays=one.outlays | {"train_s": seconds}, seeds=(0,))
        for one in [*curve(noise=NOISE[:, :1]), row("arm", 0.7, (97.0,))]
    ]
    said = compare(every)[0].sentences["arm"]
    why = "(1 seed in common with the baseline's budgets)"
    assert f"curve INCONCLUSIVE by executed FLOPs, train seconds {why}" in said


def test_bits_are_turned():
    """Of a language model fewer bits are better."""
    bits = [
        dataclasses.replace(
            one, quality_name="bits/byte", quality=spread(3 - v for v in one.quality.values)
        )
        for one in [*curve(), row("cheaper", 0.4, saturating(0.4) + 0.4 + NOISE[5])]
    ]
    (found,) = gates(bits)
    assert found.word == EFFICIENT and found.unit == "bits/byte"


def test_looking_after_every_seed_asks_for_more():
    arm = row("one", 0.7, saturating(0.7) + 0.06 + NOISE[5])
    assert judged(arm, test=sequential)[0].p > judged(arm)[0].p


TRUTHS = {"power law": saturating, "exponential": lambda c: 98 - 3 * math.exp(-2 * c)}


@pytest.mark.parametrize("truth", TRUTHS)
def test_the_baseline_at_another_budget_is_seldom_found_efficient(truth):
    """The level of EFFICIENT is half of a two-sided 5 %; excess is tested at 1 in 1,000.

    The seeds vary so little that chords between the budgets would fail this.
    """
    rng, draws = np.random.default_rng(3), 120
    found = [drawn(rng, TRUTHS[truth]) for _ in range(draws)]
    for words, level in (
        (found.count(EFFICIENT), LEVEL / 2),
        (draws - found.count(INCONCLUSIVE), LEVEL),
    ):
        assert stats.binomtest(words, draws, level, alternative="greater").pvalue > 1e-3


def drawn(rng, truth, deviation=0.04, seeds=5):
    """The word for the baseline at a length between its budgets."""
    cost = math.exp(rng.uniform(math.log(0.3), math.log(1.9)))
    quality = [truth(c) + rng.normal(0, deviation, seeds) for c in (cost, *BUDGETS)]
    mine, *points = (
        {seed: (c, q) for seed, q in enumerate(by_seed)}
        for c, by_seed in zip((cost, *BUDGETS), quality, strict=True)
    )
    found = stand(mine, points)
    return word(found, found.p)
