"""May one look after every seed? A test and an interval that hold at all looks together.

Student's 95 % interval, looked at after each of 3 to 20 seeds, is wrong at one of them in a fifth
of all comparisons. Here the evidence against "no difference" is a Bayes factor whose chance of ever
passing 1 / level is at most the level, whatever the spread of the seeds is (Ville's inequality, on
the t statistics alone). Its prior is that the difference is normal with `REACH` times the seeds'
deviation. It asks more of every look than one planned test, and the number of seeds may stay open.

Lai 1976, "On confidence sequences"; Wang and Ramdas 2023, arXiv 2310.03722.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from efficient.compare.significance import LEVEL, Edge, Estimate, Test, student, student_edge

#: Deviation of the prior, in deviations of the differences between pairs.
REACH = 2.0
#: Pairs of the first look.
FIRST = 3


def sequential(differences: Sequence[float], level: float = LEVEL) -> Estimate:
    """Is the mean of the differences above 0, asked after every pair from the third on?

    p is half of the smallest reciprocal factor of any look whose mean is above 0: a run that stops
    when it is first below the level is wrong with at most that chance. The interval of 1 - level
    is what those of all looks have in common.

    Raises:
        CompareError: fewer than two pairs, or one that is not finite.
    """
    p, low, high = 0.5, -math.inf, math.inf
    for pairs in range(min(FIRST, len(differences)), len(differences) + 1):
        mean, error = student(differences[:pairs])
        if math.isnan(error):
            continue
        reach = critical(pairs, level) * error
        low, high = max(low, mean - reach), min(high, mean + reach)
        if mean > 0:
            p = min(p, 0.5 / factor(mean / error, pairs))
    mean, error = student(differences)
    return Estimate(mean, p, low, high, len(differences))


def edge_of(test: Test) -> Edge:
    """Of `paired` or `sequential`, for `significance.detectable`."""
    return sequential_edge if test is sequential else student_edge


def sequential_edge(pairs: int, level: float) -> float:
    """The t statistic at which a look at so many pairs is below a level of one direction."""
    return critical(pairs, 2 * level)


def factor(t: float, pairs: int) -> float:
    """How many times likelier a t statistic of so many pairs is under the prior than under 0."""
    prior, freedom = 1 + pairs * REACH**2, pairs - 1
    raised = (1 + t**2 / freedom) / (1 + t**2 / (freedom * prior))
    return math.exp(pairs / 2 * math.log(raised) - math.log(prior) / 2)


def critical(pairs: int, level: float) -> float:
    """The t statistic whose factor is 1 / level; infinite where no data of so few pairs have it."""
    prior, freedom = 1 + pairs * REACH**2, pairs - 1
    raised = math.exp(2 / pairs * (math.log(prior) / 2 - math.log(level)))
    return math.sqrt(freedom * (raised - 1) / (1 - raised / prior)) if raised < prior else math.inf
