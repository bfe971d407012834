"""Records to rows: one row for each arm of a workload, averaged over its seeds.

A row averages only what may be averaged: finished runs of one configuration but for the seed, on
data of one fingerprint. Everything here is a pure function of records.
"""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from efficient.compare.clock import RULES, Rule, bounds, seconds
from efficient.compare.column import COLUMNS, OF_PARENTS
from efficient.compare.error import CompareError
from efficient.compare.lineage import candidates, lineage, spent, total
from efficient.compare.outlay import Arm, Outlay, Search, arm_of, labels, outlays, searches
from efficient.compare.provenance import outdated, provenance
from efficient.compare.question import question, refuse_others
from efficient.compare.spread import Spread, spread
from efficient.ledger.notation import POINT, tuned_for
from efficient.ledger.record import FINISHED, Machine, Parent, Record, Score

BASELINE = "baseline"
ACCURACY = "accuracy"


@dataclass(frozen=True)
class Row:
    """An arm of a workload with one model. Everything by seed is in the order of `seeds`.

    `quality` is a fraction for `accuracy` (more is better), else bits per unit (less is better).
    `costs` holds the columns of `compare.column` that are known; `unknown` says why of the others.
    `clocks` are seconds by rule of `compare.clock`, `clock_bounds` the means of their bounds.
    `energy_grades` and `bounds` (compute, memory, host) are what its runs say, each word once;
    `provenance` says by column where its numbers are from. `outlays` are by axis of
    `compare.outlay`; `trials` and `failures` count its attempts that are no model.
    """

    workload: str
    arm: str
    model: str
    label: str
    variants: tuple[str, ...]
    unit: str
    seeds: tuple[int, ...]
    run_ids: tuple[str, ...]
    quality_name: str
    quality: Spread
    artefact_quality: Spread | None
    costs: dict[str, Spread]
    unknown: dict[str, str]
    evidence: tuple[dict[str, float | int | str], ...]
    parents: tuple[tuple[Parent, ...], ...]
    fingerprint: str
    config: dict[str, Any]
    device: str
    machines: tuple[str, ...]
    memory_source: str
    notes: tuple[str, ...]
    clocks: dict[str, Spread] = field(default_factory=dict)
    clock_bounds: dict[str, tuple[float, float]] = field(default_factory=dict)
    energy_grades: tuple[str, ...] = ()
    bounds: tuple[str, ...] = ()
    provenance: dict[str, tuple[str, ...]] = field(default_factory=dict)
    outlays: dict[str, Outlay] = field(default_factory=dict)
    trials: int = 0
    failures: int = 0

    @property
    def n(self) -> int:
        return len(self.seeds)

    @property
    def more_is_better(self) -> bool:
        return self.quality_name == ACCURACY

    @property
    def scale(self) -> float:
        """What turns its quality into points of accuracy, or bits such that more is better."""
        return scale(self.quality_name)

    @property
    def gain_unit(self) -> str:
        """What a difference in quality is counted in, by that scale."""
        return "points" if self.quality_name == ACCURACY else self.quality_name

    @property
    def at_budget(self) -> bool:
        """Whether it is the baseline trained for another length, a point to read others against."""
        return self.arm.startswith(BASELINE + POINT)

    def cost(self, key: str) -> float | None:
        """Mean of a cost column over the seeds, `None` where it is unknown."""
        return self.costs[key].mean if key in self.costs else None


def rows(records: Sequence[Record]) -> list[Row]:
    """One row for each (workload, arm, model) with finished runs; baselines first.

    Of several finished runs of one seed the latest counts, and a note says so. Trials and attempts
    that did not finish have no row: they are in the outlay of their arm. `others` are records among
    which parents are looked for, too.

    Raises:
        CompareError: runs of one workload saw different data, or runs of one arm differ in more
            than the seed; the message names both runs and the first field that differs.
    """
    finished = [r for r in records if r.status == FINISHED and not tuned_for(r.arm)]
    by_arm = searches(records)
    groups: dict[Arm, list[Record]] = defaultdict(list)
    first_of: dict[str, Record] = {}
    for record in sorted(finished, key=lambda r: (r.started_utc, r.run_id)):
        _same_data(first_of.setdefault(record.workload, record), record)
        groups[arm_of(record)].append(record)
    by_id = {workload: candidates(records, workload) for workload in first_of}
    named = labels(groups)
    made = [_row(named[a], group, by_id[a[0]], by_arm) for a, group in groups.items()]
    return sorted(made, key=lambda row: (row.workload, row.arm != BASELINE))


def describe(machine: Machine) -> str:
    """One line that tells machines apart: device, processor and cores."""
    count = f"{machine.devices} x " if machine.devices > 1 else ""
    name = machine.cpu if machine.platform == "cpu" else machine.device_kind
    return f"{count}{name}, {machine.cores} CPU core{'s' * (machine.cores != 1)}"


def quality_name(record: Record) -> str:
    """What quality is on the workload of a run: `ACCURACY`, or bits per byte or token."""
    if record.data.unit == "image":
        return ACCURACY
    bytes_are_units = "byte" in (record.data.unit, *record.data.details.values())
    return "bits/byte" if bytes_are_units else "bits/token"


def scale(quality_name: str) -> float:
    """As `Row.scale`."""
    return 100.0 if quality_name == ACCURACY else -1.0


def unscored(record: Record) -> str:
    """Why a run has no quality, in a line; "" where it has one."""
    name = quality_name(record)
    if "test" not in record.scores:
        return f"run {record.run_id} has no score on 'test': repeat it"
    if not math.isfinite(scored(record.scores["test"], name)):
        return f"run {record.run_id} has no number for its {name} on 'test': repeat it"
    return ""


def scored(score: Score, name: str) -> float:
    """A score as quality of that name: a fraction for accuracy, else bits per unit."""
    return score.accuracy if name == ACCURACY else score.loss / math.log(2)


def _row(
    label: str,
    group: list[Record],
    by_id: Mapping[str, Record],
    by_arm: Mapping[Arm, Search],
) -> Row:
    for record in group[1:]:
        refuse_others(group[0], record)
    latest = {record.seed: record for record in group}
    runs = [latest[seed] for seed in sorted(latest)]
    first = runs[0]
    name = quality_name(first)
    shipped = [r.scores["artefact"] for r in runs if "artefact" in r.scores]
    artefacts = [q for score in shipped if math.isfinite(q := scored(score, name))]
    costs, unknown = _costs(runs, by_id)
    search = by_arm.get(arm_of(first), Search())
    return Row(
        workload=first.workload,
        arm=first.arm,
        model=first.model,
        label=label,
        variants=first.variants,
        unit=first.data.unit,
        seeds=tuple(r.seed for r in runs),
        run_ids=tuple(r.run_id for r in runs),
        quality_name=name,
        quality=spread(_quality(r, name) for r in runs),
        artefact_quality=spread(artefacts) if len(artefacts) == len(runs) else None,
        costs=costs,
        unknown=unknown,
        evidence=tuple(r.evidence for r in runs),
        parents=tuple(r.parents for r in runs),
        fingerprint=first.data.fingerprint,
        config=question(first),
        device=first.machine.device_kind,
        machines=tuple(sorted({describe(r.machine) for r in runs})),
        memory_source=first.cost.memory_source,
        notes=_row_notes(group, runs),
        clocks={n: spread(seconds(r.cost, rule) for r in runs) for n, rule in RULES.items()},
        clock_bounds={n: _clock_bounds(runs, rule) for n, rule in RULES.items()},
        energy_grades=tuple(sorted({r.cost.energy_grade for r in runs} - {""})),
        bounds=tuple(sorted({r.cost.bound for r in runs} - {""})),
        provenance=_provenance(runs),
        outlays=outlays(runs, by_id, by_arm),
        trials=len(search.trials),
        failures=len(search.failed),
    )


def _clock_bounds(runs: list[Record], rule: Rule) -> tuple[float, float]:
    low, high = zip(*(bounds(run.cost, rule) for run in runs), strict=True)
    return statistics.fmean(low), statistics.fmean(high)


def _provenance(runs: list[Record]) -> dict[str, tuple[str, ...]]:
    found: dict[str, dict[str, None]] = {}
    for run in runs:
        for key, words in provenance(run.cost).items():
            found.setdefault(key, {})[words] = None
    return {key: tuple(words) for key, words in found.items()}


def _row_notes(group: list[Record], runs: list[Record]) -> tuple[str, ...]:
    found = []
    if repeats := len(group) - len(runs):
        found.append(f"{repeats} earlier runs of the same seeds are not averaged")
    if len({r.source.digest for r in runs}) > 1:
        found.append("its runs were made by different versions of the package's source")
    return (*found, *dict.fromkeys(text for run in runs for text in outdated(run)))


def _quality(record: Record, name: str) -> float:
    if why := unscored(record):
        raise CompareError(why)
    return scored(record.scores["test"], name)


def _costs(
    runs: list[Record], by_id: Mapping[str, Record]
) -> tuple[dict[str, Spread], dict[str, str]]:
    known, unknown = {}, {}
    lineages = [list(lineage(run, by_id).values()) for run in runs]
    own_of = {parents: own for own, parents in OF_PARENTS.items()}
    for column in COLUMNS:
        if column.key in own_of:
            values = [total(line, own_of[column.key]) for line in lineages]
            absent = any(parent is None for line in lineages for parent in line)
            reason = "a parent is not among these records" if absent else "unknown of a parent"
        else:
            values = [spent(run.cost, column.key) for run in runs]
            reasons = [run.cost.unknown.get(column.key) for run in runs]
            reason = next((r for r in reasons if r), "not measured")
        present = [float(value) for value in values if value is not None]
        if len(present) < len(values):
            unknown[column.key] = reason
        else:
            known[column.key] = spread(present)
    return known, unknown


def _same_data(one: Record, other: Record) -> None:
    if one.data.fingerprint != other.data.fingerprint:
        raise CompareError(
            f"runs {one.run_id} and {other.run_id} of {one.workload!r} saw different data: "
            f"data.fingerprint {one.data.fingerprint[:12]} and {other.data.fingerprint[:12]}; "
            "compare them apart"
        )
