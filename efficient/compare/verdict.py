"""Does a published claim hold here? Verdicts on differences that are paired by seed.

A claim of direction states a published effect and the band around it that still counts as the
same effect, by default from half to twice of it. A claim of sameness states a margin beforehand,
on both sides: what is better by more is not the same either. A difference that is merely not
significant proves nothing (two one-sided tests, Schuirmann 1987).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from efficient.compare.error import CompareError
from efficient.compare.significance import LEVEL, Estimate, detectable, equivalent, paired
from efficient.compare.spread import spread

REPRODUCED = "REPRODUCED"
DIRECTION_ONLY = "DIRECTION_ONLY"
NOT_REPRODUCED = "NOT_REPRODUCED"
INCONCLUSIVE = "INCONCLUSIVE"


@dataclass(frozen=True)
class Verdict:
    """word: one of the four; effect: mean difference; p: of the test; low and high: its interval.

    The interval holds the mean with 95 %, for a claim of sameness with 90 %, as two tests of 5 %.
    Pairs that do not vary have no test: p and the interval are not numbers, the word INCONCLUSIVE.
    detectable: the effect that one planned test of so many pairs would have found with 80 %.
    """

    word: str
    effect: float
    p: float
    low: float
    high: float
    pairs: int
    detectable: float

    def __str__(self) -> str:
        if math.isnan(self.p):
            return f"{self.word}: {self.effect:+.3g}, no test, the {self.pairs} pairs do not vary"
        interval = f"[{self.low:.3g}, {self.high:.3g}]"
        said = f"{self.word}: {self.effect:+.3g} {interval}, p = {self.p:.2g}, n = {self.pairs}"
        if self.word != INCONCLUSIVE:
            return said
        return f"{said}; {self.pairs} pairs like these could only have seen {self.detectable:.2g}"


def judge_direction(
    differences: Sequence[float],
    published: float,
    band: tuple[float, float] = (0.5, 2.0),
    test: Callable[[Sequence[float]], Estimate] = paired,
) -> Verdict:
    """Is the mean of the differences above 0, and is it the published effect?

    differences: by seed, in the direction of the claim; published: above 0, in the same unit;
    band: factors of it that still count as the same; test: `paired` where the number of seeds was
    planned, `sequential` where they were looked at on the way.

    Raises:
        CompareError: fewer than two pairs, or a published effect that is not above 0.
    """
    if published <= 0:
        raise CompareError(f"published effect {published} must be above 0; turn the difference")
    low_edge, high_edge = (published * factor for factor in band)
    found = test(differences)
    if found.p < LEVEL:
        word = REPRODUCED if low_edge <= found.effect <= high_edge else DIRECTION_ONLY
    else:
        word = NOT_REPRODUCED if found.high < low_edge else INCONCLUSIVE
    return _verdict(word, found, differences)


def judge_same(differences: Sequence[float], margin: float) -> Verdict:
    """Is the mean of the differences 0, the same, within the margin on both sides?

    Raises:
        CompareError: fewer than two pairs, or a margin that is not above 0.
    """
    found = equivalent(differences, margin)
    if found.p < LEVEL:
        word = REPRODUCED
    else:
        word = NOT_REPRODUCED if found.high < -margin or found.low > margin else INCONCLUSIVE
    return _verdict(word, found, differences)


def _verdict(word: str, found: Estimate, differences: Sequence[float]) -> Verdict:
    least = detectable(spread(differences).sd or 0.0, len(differences))
    return Verdict(word, found.effect, found.p, found.low, found.high, found.size, least)
