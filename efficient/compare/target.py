"""At what cost does an arm reach a target on validation?

Never by the first time that a run happens to touch it: the more often one looks, the earlier that
is. An arm has reached the target at the first evaluation step, of those that all its seeds have, at
which the mean over its seeds has: the rule of a pre-declared step, as airbench and modded-nanogpt
have it. Only steps of the last phase count: earlier ones trained another network. Its cost is what
its runs had spent at that step, with all that their parents cost. An arm that never does is
censored: it would have cost more than it spent. Test is never looked at.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

from efficient.compare.error import CompareError
from efficient.compare.lineage import all_known, candidates, lineage, spent, total
from efficient.compare.outlay import AXES, Arm, arm_of, labels
from efficient.compare.significance import Estimate, sooner
from efficient.compare.spread import Spread, spread
from efficient.compare.summary import ACCURACY, quality_name, scored
from efficient.ledger.notation import tuned_for
from efficient.ledger.record import INTERRUPTED, Point, Record


@dataclass(frozen=True)
class Reach:
    """An arm and a target on validation, a fraction for accuracy, else bits per unit.

    step      at which the mean over the seeds first reaches it; None for a miss
    quality   the mean there, or the best mean of any shared step; None without shared steps
    looked    how many evaluation steps all seeds have
    costs     by column at `step`, in the order of the seeds; empty for a miss
    unknown   why a cost is not among them
    short     ids of the runs that are below the target themselves; for a miss, of all
    """

    workload: str
    arm: str
    model: str
    label: str
    target: float
    seeds: tuple[int, ...]
    step: int | None
    quality: float | None
    looked: int
    costs: dict[str, Spread]
    unknown: dict[str, str]
    short: tuple[str, ...]

    def __str__(self) -> str:
        runs = f"{len(self.seeds)} seeds" if len(self.seeds) > 1 else "1 seed"
        if not self.looked:
            lack = "has no evaluation step" if runs == "1 seed" else "share no evaluation step"
            return f"{self.label}: unknown whether {self.target:g} was reached, its {runs} {lack}"
        if self.step is None:
            best = f"the best mean of {runs} at {self.looked} shared steps is {self.quality:.4g}"
            return f"{self.label}: {self.target:g} not reached; {best}"
        mean = f"the mean of {runs}" if len(self.seeds) > 1 else runs
        short = f", {len(self.short)} of them short of it" if self.short else ""
        return f"{self.label}: {self.target:g} reached at step {self.step:,} by {mean}{short}"


def reach(
    runs: Sequence[Record],
    target: float,
    records: Mapping[str, Record] | None = None,
    label: str = "",
) -> Reach:
    """When one arm reaches a target.

    runs: one for each seed, unfinished ones too: a run that broke off is not left out, for then the
    mean would be that of the lucky ones, but no step after its last is shared. records: by id,
    where parents are found. label: its name beside others, if not that of the arm.

    Raises:
        CompareError: there is no run, two are of one seed, or they are of several arms.
    """
    _one_arm(runs)
    name = quality_name(runs[0])
    curves = [curve(run, name) for run in runs]
    shared = sorted(set.intersection(*map(set, curves)))
    scores = {step: [curve[step][1] for curve in curves] for step in shared}
    means = {step: statistics.fmean(values) for step, values in scores.items()}
    better = max if name == ACCURACY else min

    def reached(quality: float) -> bool:
        return better(quality, target) == quality

    step = next((step for step in shared if reached(means[step])), None)
    costs, unknown, short = {}, {}, [run.run_id for run in runs]
    if step is not None:
        costs, unknown = _costs(runs, [curve[step][0] for curve in curves], records or {})
        pairs = zip(runs, scores[step], strict=True)
        short = [run.run_id for run, score in pairs if not reached(score)]
    best = better(means.values(), default=None)
    return Reach(
        workload=runs[0].workload,
        arm=runs[0].arm,
        model=runs[0].model,
        label=label or runs[0].arm,
        target=target,
        seeds=tuple(run.seed for run in runs),
        step=step,
        quality=best if step is None else means[step],
        looked=len(shared),
        costs=costs,
        unknown=unknown,
        short=tuple(short),
    )


def curve(run: Record, name: str) -> dict[int, tuple[Point, float]]:
    """By step, each evaluated point of a run's last phase, and its quality of that name.

    What an earlier phase trained was another network: a dense one that was to be pruned, say.
    """
    last = next((point.phase for point in reversed(run.points) if point.validation), "")
    return {
        p.step: (p, quality)
        for p in run.points
        if p.validation and p.phase == last and isfinite(quality := scored(p.validation, name))
    }


def arms(records: Sequence[Record]) -> dict[Arm, list[Record]]:
    """The runs of each arm, the latest of each seed; without those that looked for a setting.

    Interrupted runs are left out: whoever stopped them did not ask how well they did.
    """
    found: dict[Arm, dict[int, Record]] = {}
    for record in sorted(records, key=lambda r: (r.started_utc, r.run_id)):
        if record.status != INTERRUPTED and not tuned_for(record.arm):
            found.setdefault(arm_of(record), {})[record.seed] = record
    return {arm: [runs[seed] for seed in sorted(runs)] for arm, runs in found.items()}


def reaches(records: Sequence[Record], asked: Mapping[str, float]) -> dict[str, list[Reach]]:
    """Of every arm, by workload.

    asked: the target of a workload; under "" that of all others. `mnist` is also that of
    `hinton/mnist`, as a folder that is compared by itself is named.

    Raises:
        CompareError: a workload is asked for that no record is of.
    """
    names = {record.workload: _names(record.workload) for record in records}
    if absent := [work for work in asked if work and not any(work in n for n in names.values())]:
        raise CompareError(
            f"no record is of workload {absent[0]!r}; there are {', '.join(sorted(names))}"
        )
    targets = {
        work: next(asked[name] for name in of_work if name in asked)
        for work, of_work in names.items()
        if any(name in asked for name in of_work)
    }
    by_id = {work: candidates(records, work) for work in targets}
    here = {arm: runs for arm, runs in arms(records).items() if arm[0] in targets}
    found: dict[str, list[Reach]] = {}
    for arm, label in labels(here).items():
        work = arm[0]
        made = reach(here[arm], targets[work], by_id[work], label)
        found.setdefault(work, []).append(made)
    return found


def _names(workload: str) -> tuple[str, ...]:
    """What a target may be asked for by, the most particular first."""
    return workload, workload.rpartition("/")[2], ""


def cheaper(first: Reach, second: Reach, cost: str) -> Estimate:
    """Does the first arm reach its target at less of a cost? A miss is later than any that did.

    Raises:
        CompareError: an arm has reached the target, but what it cost is unknown.
    """
    return sooner(_spent(first, cost), _spent(second, cost))


def _spent(found: Reach, cost: str) -> Sequence[float | None]:
    if found.step is None:
        return [None] * len(found.seeds)
    if cost not in found.costs:
        why = found.unknown.get(cost, f"give one of {', '.join(AXES)}")
        raise CompareError(f"{found.label}: {cost} at step {found.step} is unknown: {why}")
    return found.costs[cost].values


def _costs(
    runs: Sequence[Record], points: Sequence[Point], records: Mapping[str, Record]
) -> tuple[dict[str, Spread], dict[str, str]]:
    """What the runs had spent at these points, each with the whole of its parents."""
    lineages = [list(lineage(run, records).values()) for run in runs]
    known, unknown = {}, {}
    for key in AXES:
        own = all_known([spent(point, key) for point in points])
        parents = all_known([total(line, key) for line in lineages])
        if own is None:
            unknown[key] = "not on the curve"
        elif parents is None:
            absent = any(parent is None for line in lineages for parent in line)
            unknown[key] = "a parent is not among these records" if absent else "not of a parent"
        else:
            known[key] = spread(float(a + b) for a, b in zip(own, parents, strict=True))
    return known, unknown


def _one_arm(runs: Sequence[Record]) -> None:
    if not runs:
        raise CompareError("no run to ask for a target; name an arm that was trained")
    if len(seeds := [run.seed for run in runs]) != len(set(seeds)):
        raise CompareError(f"arm {runs[0].arm!r}: two runs of one seed; give the latest of each")
    for run in runs:
        if arm_of(run) != arm_of(runs[0]):
            raise CompareError(
                f"runs {runs[0].run_id} and {run.run_id} are of two arms: ask each on its own"
            )
