"""Is a difference more than chance? One test for each kind of question, on values by seed.

A test of direction is one-sided, "the first is larger", and its interval two-sided. Nothing here
looks at records; `verdict` puts words to what is found, `sequential` allows to look more than once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from efficient.compare.error import CompareError
from efficient.compare.summary import Spread, spread

#: Chance of a false positive that is taken, and of a true one that is wanted.
LEVEL, POWER = 0.05, 0.8
#: A spread below this, of a mean of about 1 or more, is that of rounding.
ROUNDING = 1e-12
#: Values below which a bootstrap interval is far too narrow, and draws of one.
LEAST_VALUES, DRAWS = 5, 9999


@dataclass(frozen=True)
class Estimate:
    """A difference, the p of its test and the interval that holds it; `size` is how many pairs, or
    values of both sides, it rests on. What cannot be said is not a number."""

    effect: float
    p: float
    low: float
    high: float
    size: int


def paired(differences: Sequence[float], level: float = LEVEL) -> Estimate:
    """Is the mean of the differences above 0? Student's t; the interval is of 1 - level.

    Raises:
        CompareError: fewer than two pairs, or one that is not finite.
    """
    mean, error, t = student(differences)
    reach = t.ppf(1 - level / 2) * error
    return Estimate(mean, float(t.sf(mean / error)), mean - reach, mean + reach, len(differences))


def equivalent(differences: Sequence[float], margin: float, level: float = LEVEL) -> Estimate:
    """Is the mean within the margin on both sides? Two one-sided tests (Schuirmann 1987); the
    interval is of 1 - 2 level, and lies inside the margin where p is below the level.

    Raises:
        CompareError: fewer than two pairs, or a margin that is not above 0.
    """
    if margin <= 0:
        raise CompareError(f"margin {margin} must be above 0; state what does not matter")
    mean, error, t = student(differences)
    reach = t.ppf(1 - level) * error
    p = float(t.sf((margin - abs(mean)) / error))
    return Estimate(mean, p, mean - reach, mean + reach, len(differences))


def welch(first: Sequence[float], second: Sequence[float], level: float = LEVEL) -> Estimate:
    """Is the first mean larger, of values that share no seeds and need not vary alike?

    Welch 1947, with Satterthwaite's degrees of freedom.

    Raises:
        CompareError: fewer than two values on a side, or one that is not finite.
    """
    sides = [_finite(first, "values"), _finite(second, "values")]
    effect, size = sides[0].mean - sides[1].mean, len(first) + len(second)
    if not any(_varies(side.sd or 0.0, side.mean) for side in sides):
        return Estimate(effect, math.nan, math.nan, math.nan, size)
    parts = [(side.sd or 0.0) ** 2 / len(side.values) for side in sides]
    freedom = sum(parts) ** 2 / sum(
        part**2 / (len(side.values) - 1) for part, side in zip(parts, sides, strict=True)
    )
    error = math.sqrt(sum(parts))
    t = Student(freedom)
    reach, p = t.ppf(1 - level / 2) * error, t.sf(effect / error)
    return Estimate(effect, p, effect - reach, effect + reach, size)


def discordant(first: Sequence[bool], second: Sequence[bool], level: float = LEVEL) -> Estimate:
    """Is the first right on more of the same examples? McNemar's exact test.

    Only examples that one side alone has right say anything; the interval of the difference in
    accuracy is Clopper and Pearson's of their share, times how many they are.

    Raises:
        CompareError: the sides saw another number of examples, or none.
    """
    from scipy.stats import binomtest

    if len(first) != len(second) or not len(first):
        raise CompareError(
            f"{len(first)} and {len(second)} predictions are not of the same examples"
        )
    pairs = list(zip(first, second, strict=True))
    gained, lost = sum(a and not b for a, b in pairs), sum(b and not a for a, b in pairs)
    if not gained + lost:
        return Estimate(0.0, 1.0, 0.0, 0.0, len(first))
    share = binomtest(gained, gained + lost).proportion_ci(1 - level)
    scale = (gained + lost) / len(first)
    p = binomtest(gained, gained + lost, alternative="greater").pvalue
    low, high = ((2 * edge - 1) * scale for edge in (share.low, share.high))
    return Estimate((gained - lost) / len(first), float(p), low, high, len(first))


def sooner(first: Sequence[float | None], second: Sequence[float | None]) -> Estimate:
    """Does the first reach its target at less cost? None has not reached it within the budget.

    Gehan's scores (1965): of each pair across the sides, who was certainly sooner. The test is by
    permutation, exact for few values. The effect is the share of pairs in which the first was
    sooner less that in which it was later; it has no interval here.

    Raises:
        CompareError: a side has no values.
    """
    from scipy.stats import permutation_test

    if not first or not second:
        raise CompareError("one side has no runs; nothing can be said of who is sooner")
    costs = [math.inf if cost is None else cost for cost in (*first, *second)]
    scores = [sum((own < other) - (own > other) for other in costs) for own in costs]
    mine, others = scores[: len(first)], scores[len(first) :]
    found = permutation_test(
        (mine, others),
        lambda x, y, axis: x.sum(axis=axis),
        vectorized=True,
        n_resamples=DRAWS,
        alternative="greater",
        rng=0,
    )
    effect = sum(mine) / (len(first) * len(second))
    return Estimate(effect, float(found.pvalue), math.nan, math.nan, len(costs))


def holm(ps: Sequence[float]) -> tuple[float, ...]:
    """The p of each of several tests, such that any false one is as rare as one test's (1979)."""
    adjusted, largest = [0.0] * len(ps), 0.0
    for rank, index in enumerate(sorted(range(len(ps)), key=lambda i: ps[i])):
        largest = max(largest, min(1.0, (len(ps) - rank) * ps[index]))
        adjusted[index] = largest
    return tuple(adjusted)


def bootstrap(values: Sequence[float], level: float = LEVEL) -> tuple[float, float]:
    """Interval of the mean without a normal distribution (bias-corrected, accelerated).

    Raises:
        CompareError: too few values, of which an interval would be far too narrow.
    """
    from scipy.stats import bootstrap as draw

    if len(values) < LEAST_VALUES:
        raise CompareError(
            f"{len(values)} values are too few for a bootstrap; give {LEAST_VALUES} or more"
        )
    found = spread(values)
    if not _varies(found.sd or 0.0, found.mean):
        return found.mean, found.mean
    data = (tuple(values),)
    drawn = draw(data, _mean, n_resamples=DRAWS, confidence_level=1 - level, rng=0)
    return float(drawn.confidence_interval.low), float(drawn.confidence_interval.high)


def detectable(sd: float, pairs: int, level: float = LEVEL, power: float = POWER) -> float:
    """The smallest mean difference that `paired` would find with this power, in the unit of `sd`.

    sd: of the differences.

    Raises:
        CompareError: fewer than two pairs.
    """
    if pairs < 2:
        raise CompareError(f"{pairs} pairs can find no difference; give two or more")
    return sd * _deviations(pairs, level, power)


@cache
def _deviations(pairs: int, level: float, power: float) -> float:
    from scipy.special import nctdtrinc

    edge = Student(pairs - 1).ppf(1 - level)
    return float(nctdtrinc(pairs - 1, 1 - power, edge)) / math.sqrt(pairs)


@dataclass(frozen=True)
class Student:
    """Student's t; of scipy.special alone, because scipy.stats takes most of a second to import."""

    freedom: float

    def ppf(self, share: float) -> float:
        from scipy.special import stdtrit

        return float(stdtrit(self.freedom, share))

    def sf(self, value: float) -> float:
        from scipy.special import stdtr

        return float(stdtr(self.freedom, -value))


def student(differences: Sequence[float]) -> tuple[float, float, Student]:
    """Mean, its standard error, and Student's distribution of the mean over that error.

    Pairs that differ by rounding alone do not vary: their error is not a number, and so is all
    that follows from it.
    """
    found = _finite(differences, "pairs")
    error = (found.sd or 0.0) / math.sqrt(len(differences))
    error = error if _varies(error, found.mean) else math.nan
    return found.mean, error, Student(len(differences) - 1)


def _finite(values: Sequence[float], what: str) -> Spread:
    if len(values) < 2 or not all(map(math.isfinite, values)):
        raise CompareError(f"{len(values)} {what} cannot be tested; give two finite ones or more")
    return spread(values)


def _varies(error: float, mean: float) -> bool:
    return error > ROUNDING * max(1.0, abs(mean))


def _mean(values, axis):
    return values.mean(axis=axis)
