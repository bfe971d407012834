"""What the numbers of one workload say together, in a few sentences; none where they say nothing.

Each looks at all arms: which of them dominates, whether the costs agree on who is cheapest, what
the last part of a cost bought, and which places on the front may be an accident of the seeds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from efficient.compare.column import BY_KEY, OF_PARENTS
from efficient.compare.contrast import AXES, CHEAPER, apart_by, contrast, whole
from efficient.compare.dominance import DOMINATED, DOMINATES, Dominance
from efficient.compare.front import Front
from efficient.compare.returns import Returns, along_curve, along_front
from efficient.compare.sentence import listed
from efficient.compare.significance import LEVEL, Test, paired
from efficient.compare.summary import ACCURACY, BASELINE, Row
from efficient.ledger.record import Record

#: Costs whose orders are set beside each other, and those that returns are told by, best first.
RANKED = ("params_nonzero", *AXES[:-1])
SPENT = ("energy_j", "train_s", "flops_executed")
#: A share of the draws from which a place on the front is taken as certain.
FIRM = 0.95


def readings(
    rows: Sequence[Row],
    fronts: Sequence[Front] = (),
    dominances: Sequence[Dominance] = (),
    records: Sequence[Record] = (),
    test: Test = paired,
) -> list[str]:
    """Of one workload. records: those of the rows, for the curve of the baseline."""
    return list(_readings(rows, fronts, dominances, records, test))


def _readings(
    rows: Sequence[Row],
    fronts: Sequence[Front],
    dominances: Sequence[Dominance],
    records: Sequence[Record],
    test: Test,
) -> Iterator[str]:
    yield from _dominance(dominances)
    yield from _disagreement(rows, test)
    front = next((one for key in SPENT for one in fronts if one.cost == key), None)
    if front and (found := along_front(rows, front, test)):
        cost = f"{_titled(found.cost, rows)} of {found.to}"
        yield f"Along the front, {_bought(found, found.quality_name, cost)}."
    for row in (row for row in rows if row.arm == BASELINE):
        own = [record for record in records if record.run_id in row.run_ids]
        if found := along_curve(own, SPENT, test):
            name, cost = f"validation {found.quality_name}", BY_KEY[found.cost].title
            yield f"Along the curve of {row.label} itself, {_bought(found, name, cost)}."
    if front:
        yield from _open(front, rows)


def _dominance(found: Sequence[Dominance]) -> Iterator[str]:
    """A sentence for all arms that dominate a baseline, or are dominated, on the same axes."""
    groups: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    for one in found:
        if one.word in (DOMINATES, DOMINATED):
            groups.setdefault((one.word, one.baseline, one.unknown), []).append(one.arm)
    plural = {DOMINATES: "dominate", DOMINATED: "are dominated by"}
    for (word, baseline, unknown), labels in groups.items():
        verb = word if len(labels) == 1 else plural[word]
        known = listed([BY_KEY[key].title for key in AXES if key not in unknown])
        left = f"; {listed([BY_KEY[key].title for key in unknown])} unknown" if unknown else ""
        yield f"{listed(labels)} {verb} {baseline} on quality and every known cost ({known}{left})."


def _disagreement(rows: Sequence[Row], test: Test) -> Iterator[str]:
    """The two costs whose orders agree the least, of those that put different arms first by more
    than noise."""
    leaders = {key: found for key in RANKED if (found := _leaders(rows, key, test))}
    pairs = [
        (_tau(rows, one, other), one, other)
        for i, one in enumerate(leaders)
        for other in list(leaders)[i + 1 :]
        if not set(leaders[one]) & set(leaders[other])
    ]
    if pairs:
        tau, *keys = min(pairs)
        first, second = (f"{_titled(key, rows)} put {_first(leaders[key])} first" for key in keys)
        yield (
            f"The costs disagree: {first}, {second} (Kendall's tau of their orders of {len(rows)} "
            f"arms is {tau:.2f})."
        )


def _leaders(rows: Sequence[Row], key: str, test: Test) -> list[str]:
    """The cheapest arm and all that are not shown to be dearer.

    Empty where that is all of them, or where an arm cannot be compared.
    """
    if len(rows) < 2 or any(whole(r, key) is None or apart_by(r, rows[0], key) for r in rows):
        return []
    first, *others = sorted(rows, key=lambda row: _mean(row, key))
    level = LEVEL / len(others)
    near = [r.label for r in others if contrast(first, r, key, test, level=level).word != CHEAPER]
    return [first.label, *near] if len(near) < len(others) else []


def _tau(rows: Sequence[Row], one: str, other: str) -> float:
    from scipy.stats import kendalltau

    mine, theirs = ([_mean(row, key) for row in rows] for key in (one, other))
    return kendalltau(mine, theirs)[0]  # pyright: ignore[reportReturnType]


def _bought(found: Returns, name: str, cost: str) -> str:
    """`the last 0.5 points of accuracy (98.1 % to 98.6 %) took 61 % of the train seconds`."""
    unit = "points of " * (found.quality_name == ACCURACY)
    what = f"{found.gain:.2g} {unit}{name}"
    start, end = (_quality(found.quality_name, value) for value in (found.start, found.end))
    if found.source != found.to:
        start, end = f"{start} of {found.source}", f"{end} of {found.to}"
    took = f"{100 * found.share:.0f} % of the {cost}"
    if found.shown:
        return f"the last {what} ({start} to {end}) took {took}"
    seeds = f"{found.seeds} seeds do" if found.seeds > 1 else "one seed does"
    among = f" among {found.tests + 1} arms" if found.tests > 1 else ""
    return f"the last {took} brought {what} ({start} to {end}), a gain that {seeds} not show{among}"


def _open(front: Front, rows: Sequence[Row]) -> Iterator[str]:
    """Members of a front that the seeds might have left out."""
    loose = [label for label in front.members if front.shares[label] < FIRM]
    if loose:
        names = listed([f"{label} ({100 * front.shares[label]:.0f} %)" for label in loose])
        verb = "stands" if len(loose) == 1 else "stand"
        yield (
            f"Against {_titled(front.cost, rows)}, {names} {verb} on the front in only so many of "
            f"{front.draws:,} draws of the seeds."
        )


def _titled(key: str, rows: Sequence[Row]) -> str:
    """The name of a cost, and that parents are part of it where there are any."""
    parents = OF_PARENTS.get(key)
    shared = parents and any(row.cost(parents) for row in rows)
    return BY_KEY[key].title + (" with parents" if shared else "")


def _first(labels: Sequence[str]) -> str:
    if len(labels) == 1:
        return labels[0]
    return f"{labels[0]} ({len(labels) - 1} more not shown to be dearer)"


def _mean(row: Row, key: str) -> float:
    spent = whole(row, key)
    assert spent is not None
    return spent.mean


def _quality(name: str, value: float) -> str:
    return f"{100 * value:.2f} %" if name == ACCURACY else f"{value:.3f}"
