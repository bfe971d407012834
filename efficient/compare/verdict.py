"""Does a published claim hold here? Verdicts on differences that are paired by seed.

A claim of direction states a published effect and the band around it that still counts as the
same effect, by default from half to twice of it. A claim of sameness states a margin beforehand,
on both sides: what is better by more is not the same either. A difference that is merely not
significant proves nothing (two one-sided tests, Schuirmann 1987).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from efficient.compare.summary import CompareError, spread

REPRODUCED = "REPRODUCED"
DIRECTION_ONLY = "DIRECTION_ONLY"
NOT_REPRODUCED = "NOT_REPRODUCED"
INCONCLUSIVE = "INCONCLUSIVE"
LEVEL = 0.05
#: A spread below this, of a mean of about 1 or more, is that of rounding.
ROUNDING = 1e-12


@dataclass(frozen=True)
class Verdict:
    """word: one of the four; effect: mean difference; p: of the test; low and high: its interval.

    The interval holds the mean with 95 %, for a claim of sameness with 90 %, as two tests of 5 %.
    Pairs that do not vary have no test: p and the interval are not numbers, the word INCONCLUSIVE.
    """

    word: str
    effect: float
    p: float
    low: float
    high: float
    pairs: int

    def __str__(self) -> str:
        if math.isnan(self.p):
            return f"{self.word}: {self.effect:+.3g}, no test, the {self.pairs} pairs do not vary"
        interval = f"[{self.low:.3g}, {self.high:.3g}]"
        return f"{self.word}: {self.effect:+.3g} {interval}, p = {self.p:.2g}, n = {self.pairs}"


def judge_direction(
    differences: Sequence[float], published: float, band: tuple[float, float] = (0.5, 2.0)
) -> Verdict:
    """Is the mean of the differences above 0, and is it the published effect?

    differences: by seed, in the direction of the claim; published: above 0, in the same unit;
    band: factors of it that still count as the same.

    Raises:
        CompareError: fewer than two pairs, or a published effect that is not above 0.
    """
    if published <= 0:
        raise CompareError(f"published effect {published} must be above 0; turn the difference")
    low_edge, high_edge = (published * factor for factor in band)
    mean, error, t = _paired(differences)
    reach = t.ppf(1 - LEVEL / 2) * error
    p = float(t.sf(mean / error))
    if p < LEVEL:
        word = REPRODUCED if low_edge <= mean <= high_edge else DIRECTION_ONLY
    else:
        word = NOT_REPRODUCED if mean + reach < low_edge else INCONCLUSIVE
    return Verdict(word, mean, p, mean - reach, mean + reach, len(differences))


def judge_same(differences: Sequence[float], margin: float) -> Verdict:
    """Is the mean of the differences 0, the same, within the margin on both sides?

    Raises:
        CompareError: fewer than two pairs, or a margin that is not above 0.
    """
    if margin <= 0:
        raise CompareError(f"margin {margin} must be above 0; state what does not matter")
    mean, error, t = _paired(differences)
    reach = t.ppf(1 - LEVEL) * error
    gap = margin - abs(mean)
    p = float(t.sf(gap / error))
    if p < LEVEL:
        word = REPRODUCED
    else:
        word = NOT_REPRODUCED if mean + reach < -margin or mean - reach > margin else INCONCLUSIVE
    return Verdict(word, mean, p, mean - reach, mean + reach, len(differences))


def _paired(differences: Sequence[float]):
    """Mean, its standard error, and Student's distribution of the mean over that error.

    Pairs that differ by rounding alone do not vary: their error is not a number, and so is all
    that follows from it.
    """
    from scipy.stats import t

    if len(differences) < 2 or not all(map(math.isfinite, differences)):
        raise CompareError(
            f"{len(differences)} pairs cannot be tested; give two finite ones or more"
        )
    found = spread(differences)
    assert found.sd is not None
    error = found.sd / math.sqrt(len(differences))
    varies = error > ROUNDING * max(1.0, abs(found.mean))
    return found.mean, error if varies else math.nan, t(len(differences) - 1)
