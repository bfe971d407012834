"""Of two single runs: which of them is right on more of the same test examples?

One seed has no test of an arm, for other seeds might fall out the other way. The two networks that
there are can be compared all the same, example by example: McNemar's exact test, two-sided, by Holm
over the arms of the workload. It says which of these two files predicts better, and no more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from efficient.compare.difference import baseline_of
from efficient.compare.significance import discordant, holm
from efficient.compare.summary import Row


@dataclass(frozen=True)
class Agreement:
    """gain: in points of accuracy, with its 95 % interval; p: Holm's over `family` arms."""

    workload: str
    arm: str
    baseline: str
    gain: float
    low: float
    high: float
    p: float
    examples: int
    family: int = 1

    @property
    def said(self) -> str:
        among = f" among {self.family} arms" if self.family > 1 else ""
        interval = f"[{self.low:.3g}, {self.high:.3g}]"
        return (
            f"of these two networks alone {self.gain:+.3g} points {interval}, p = {self.p:.2g}"
            f"{among} by McNemar's test on {self.examples:,} examples"
        )


def single_pairs(rows: Sequence[Row]) -> list[tuple[Row, Row]]:
    """Arms of one seed beside a baseline of one seed, which at another budget claims nothing."""
    claims = [row for row in rows if not row.at_budget]
    pairs = [(row, base) for row in claims if (base := baseline_of(row, rows))]
    return [(row, base) for row, base in pairs if row.n == base.n == 1]


def agreements(rows: Sequence[Row], correct: Mapping[str, Sequence[bool]]) -> list[Agreement]:
    """Of one workload. correct: by run, where it is known, which test examples it had right."""
    found = []
    for row, base in single_pairs(rows):
        mine, theirs = (correct.get(side.run_ids[0]) for side in (row, base))
        if mine is not None and theirs is not None:
            found.append(_agreement(row, base, mine, theirs))
    adjusted = holm([one.p for one in found])
    pairs = zip(found, adjusted, strict=True)
    return [replace(one, p=p, family=len(found)) for one, p in pairs]


def untested(rows: Sequence[Row], found: Sequence[Agreement]) -> list[str]:
    """A sentence where arms of one seed have no test by example either."""
    known = {one.arm for one in found}
    lacking = [row.label for row, _ in single_pairs(rows) if row.label not in known]
    if not lacking:
        return []
    whose = lacking[0] if len(lacking) == 1 else f"{len(lacking)} arms of one seed"
    return [
        f"Of {whose} there is no test: not over seeds, and not over examples, since which examples "
        "were right is not stored beside the records."
    ]


def _agreement(row: Row, base: Row, mine: Sequence[bool], theirs: Sequence[bool]) -> Agreement:
    there, back = discordant(mine, theirs), discordant(theirs, mine)
    return Agreement(
        workload=row.workload,
        arm=row.label,
        baseline=base.label,
        gain=100 * there.effect,
        low=100 * there.low,
        high=100 * there.high,
        p=min(1.0, 2 * min(there.p, back.p)),
        examples=there.size,
    )
