"""The compute statement of a set of runs: what a paper or a model card has to say of its cost.

A pure function of records. Sums that not every run knows are lower bounds and say so; what no run
knows stays None, with its reasons in `unknown`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from efficient.compare.development import Amount, final, multipliers, spent
from efficient.compare.error import CompareError
from efficient.compare.provenance import outdated, provenance
from efficient.compare.summary import describe
from efficient.compare.terms import J_PER_KWH, Terms, apply
from efficient.ledger.bill import GRADES, METERED, Grid, Process
from efficient.ledger.record import Record

#: Of the layout of this statement, not of the records.
SCHEMA = 1
KILLED = "killed"
NO_RECORD = "no record"


@dataclass(frozen=True)
class Hardware:
    """One kind of machine, how many of its devices a run used, and the hours spent on it."""

    description: str
    devices: int
    runs: int
    hours: float


@dataclass(frozen=True)
class Statement:
    """Everything a reader of results may ask of their compute.

    runs             by status, those without a record under `no record`
    processes_killed of the runs with a record; their work is in every sum
    spent, reported  sums over all runs and over the final ones, by name
    multipliers      spent / reported, by name, where every run knows both
    energy_grade     of the worst reading in the sum, and in that of the final runs; coverage: the
                     parts of the machines that were read
    metered_kwh      a reading of the user's own, in place of the sum, which is `energy_summed`
    training_type    pre-training, or fine-tuning where every final run started from another
    unknown          by name of an amount, why it is unknown or a lower bound
    """

    schema: int
    runs: dict[str, int]
    processes_killed: int
    final: tuple[str, ...]
    hardware: tuple[Hardware, ...]
    spent: dict[str, Amount]
    reported: dict[str, Amount] | None
    multipliers: dict[str, float]
    energy_grade: str
    energy_grade_reported: str
    energy_coverage: tuple[str, ...]
    energy_summed: Amount
    metered_kwh: float | None
    grids: tuple[Grid, ...]
    carbon_sources: tuple[str, ...]
    price_sources: tuple[str, ...]
    training_type: str
    data: tuple[str, ...]
    versions: dict[str, tuple[str, ...]]
    commits: tuple[str, ...]
    first_utc: str
    last_utc: str
    unknown: dict[str, str]
    notes: tuple[str, ...]


def statement(
    records: Sequence[Record],
    complaints: Sequence[str] = (),
    attempts: Sequence[Sequence[Process]] = (),
    terms: Terms | None = None,
    metered_kwh: float | None = None,
    reported: Sequence[str] | None = None,
) -> Statement:
    """The statement of these records, of at least one.

    complaints   of `ledger.store.records`: runs that could not be read
    attempts     bills of attempts that left a journal but no record
    terms        what the user adds: region, overhead, price, power
    metered_kwh  what the user's own meter read over all of it
    reported     ids of the runs that a report was made of; all of them where it is not given

    Raises:
        CompareError: there is no record.
    """
    if not records:
        raise CompareError("no run to make a statement of: train one first, or name its folder")
    runs, notes = apply(records, terms or Terms())
    shown, why = _final([r for r in runs if reported is None or r.run_id in reported])
    everything = spent(runs, attempts)
    own = spent(shown) if shown else None
    ratios = multipliers(everything, own) if own else {}
    summed, unknown = everything["energy_j"], _unknown(everything)
    if metered_kwh is not None:
        added, missing = _metered(runs, metered_kwh, terms or Terms(), len(attempts))
        everything |= added
        unknown = {k: v for k, v in unknown.items() if k not in added} | missing
        ratios = {name: ratio for name, ratio in ratios.items() if name not in added}
    counts = Counter(record.status for record in runs)
    counts.update({NO_RECORD: len(attempts)} if attempts else {})
    return Statement(
        schema=SCHEMA,
        runs=dict(counts),
        processes_killed=sum(p.outcome == KILLED for r in runs for p in r.cost.processes),
        final=tuple(record.run_id for record in shown),
        hardware=_hardware(runs),
        spent=everything,
        reported=own,
        multipliers=ratios,
        energy_grade=METERED if metered_kwh else _worst(runs),
        energy_grade_reported=_worst(shown),
        energy_coverage=_coverage(runs),
        energy_summed=summed,
        metered_kwh=metered_kwh,
        grids=tuple(dict.fromkeys(r.cost.grid for r in _with(runs, "carbon_gco2e") if r.cost.grid)),
        carbon_sources=_sources(runs, "carbon_gco2e"),
        price_sources=_sources(runs, "cost_usd"),
        training_type=_training_type(shown or runs),
        data=tuple(dict.fromkeys(f"{r.data.name} {r.data.version}" for r in runs)),
        versions=_versions(runs),
        commits=tuple(dict.fromkeys(_commit(record) for record in runs)),
        first_utc=min(record.started_utc for record in runs),
        last_utc=max(record.finished_utc for record in runs),
        unknown=unknown | ({"final": why} if why else {}),
        notes=(*notes, *dict.fromkeys(t for r in runs for t in outdated(r)), *complaints),
    )


def _worst(runs: Sequence[Record]) -> str:
    """The grade of the worst reading of energy, A being the best; "" where there is none."""
    return max((record.cost.energy_grade for record in runs), default="")


def _final(runs: Sequence[Record]) -> tuple[list[Record], str]:
    try:
        shown = final(runs)
    except CompareError as error:
        return [], f"a report refuses these runs ({error})"
    return shown, "" if shown else "no run was finished"


def _unknown(amounts: dict[str, Amount]) -> dict[str, str]:
    found = {}
    for key, amount in amounts.items():
        if not amount.whole:
            missing = amount.runs - amount.known
            found[key] = f"{missing} of {amount.runs} runs: {'; '.join(amount.reasons)}"
    return found


def _metered(
    runs: Sequence[Record], kwh: float, terms: Terms, attempts: int
) -> tuple[dict[str, Amount], dict[str, str]]:
    """The amounts that follow from a meter's reading over all runs, and why others do not."""
    count = len(runs) + attempts
    pues = {terms.pue} if terms.pue else {r.cost.pue for r in runs if r.cost.pue}
    grids = {terms.grid} if terms.grid else {r.cost.grid for r in runs if r.cost.grid}
    rates = {grid.g_per_kwh for grid in grids}
    amounts, missing = {"energy_j": Amount(kwh * J_PER_KWH, count, count)}, {}
    value, reason = kwh, ""
    for key, name, option, known in (
        ("energy_facility_kwh", "overhead of the building", "--pue", pues),
        ("carbon_gco2e", "carbon intensity", "--region", rates),
    ):
        if len(known) == 1:
            value *= next(iter(known))
        else:
            many = f"{len(known)} are" if known else "none is"
            wanted = f"needs one {name} and {many} recorded: give {option}"
            reason = f"{reason}; {wanted}" if reason else wanted
        amounts[key] = Amount(None, 0, count, (reason,)) if reason else Amount(value, count, count)
        missing |= {key: reason} if reason else {}
    return amounts, missing


def _hardware(runs: Sequence[Record]) -> tuple[Hardware, ...]:
    found: dict[tuple[str, int], list[float]] = {}
    for record in runs:
        kind = (describe(record.machine), record.machine.devices)
        found.setdefault(kind, []).append(record.cost.total_s / 3600)
    return tuple(Hardware(*kind, len(hours), sum(hours)) for kind, hours in found.items())


def _coverage(runs: Sequence[Record]) -> tuple[str, ...]:
    """Which parts of the machines were read, how, and of how many runs."""
    known = Counter((p.part, p.source, p.grade) for r in runs for p in r.cost.energy if p.grade)
    lacking = Counter((p.part, p.reason) for r in runs for p in r.cost.energy if not p.grade)
    return (
        *(
            f"{part} by {source}, grade {grade} ({GRADES[grade]}), {count} of {len(runs)} runs"
            for (part, source, grade), count in known.items()
        ),
        *(
            f"{part} not read ({reason}), {count} of {len(runs)} runs"
            for (part, reason), count in lacking.items()
        ),
    )


def _with(runs: Sequence[Record], key: str) -> list[Record]:
    return [record for record in runs if getattr(record.cost, key) is not None]


def _sources(runs: Sequence[Record], key: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(provenance(r.cost).get(key, "") for r in _with(runs, key)))


def _training_type(runs: Sequence[Record]) -> str:
    started = all(any(p.role == "start" for p in record.parents) for record in runs)
    return "fine-tuning" if started else "pre-training"


def _versions(runs: Sequence[Record]) -> dict[str, tuple[str, ...]]:
    found: dict[str, dict[str, None]] = {}
    for record in runs:
        for name, text in {"efficient-jax": record.source.version, **record.versions}.items():
            found.setdefault(name, {})[text] = None
    return {name: tuple(texts) for name, texts in found.items()}


def _commit(record: Record) -> str:
    if record.source.commit is None:
        return f"digest {record.source.digest[:12]}"
    return record.source.commit[:12] + (" with changes" if record.source.dirty else "")
