"""Which tables a comparison has, as data: several narrow ones for each workload, none too wide.

Each fits 80 columns. A number that nobody knows is a dash and one footnote, never 0; a column that
no arm knows is a footnote alone.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from efficient.compare.clock import ALL, RULES, explain, mark
from efficient.compare.column import BY_KEY
from efficient.compare.comparison import Comparison
from efficient.compare.decision import Decision
from efficient.compare.difference import baseline_of, difference, times
from efficient.compare.evidence import proof
from efficient.compare.summary import Row
from efficient.report import number

TRAINING = ("flops_executed", "flops_effective", "flops_parents", "train_s", "total_s")
#: Costs of which a table says what the first model took.
FIRST = ("flops_executed", "total_s", "energy_j")
ENERGY = ("energy_j", "carbon_gco2e", "cost_usd", "mfu", "hfu")
MEMORY = (
    "memory_weights_bytes",
    "memory_optimizer_bytes",
    "memory_activation_bytes",
    "memory_static_bytes",
    "memory_peak_bytes",
)
SHIPPED = ("flops_inference", "bit_operations", "stored_bytes", "params_total", "params_nonzero")

#: Readings of different grades have no ratio.
_OF_ENERGY = ("energy_j", "carbon_gco2e")
#: Heads of columns, short enough for a table of 80.
SHORT = {
    "flops_executed": "executed",
    "flops_effective": "effective",
    "flops_parents": "parents",
    "train_s": "train",
    "total_s": "total",
    "energy_j": "energy",
    "carbon_gco2e": "CO2e",
    "cost_usd": "money",
    "mfu": "MFU",
    "hfu": "HFU",
    "memory_weights_bytes": "weights",
    "memory_optimizer_bytes": "optimizer",
    "memory_activation_bytes": "activations",
    "memory_static_bytes": "planned",
    "memory_peak_bytes": "peak memory",
    "flops_inference": "inference",
    "bit_operations": "bit operations",
    "stored_bytes": "stored",
    "params_total": "parameters",
    "params_nonzero": "nonzero",
}


@dataclass(frozen=True)
class Cell:
    """What a cell says, and in smaller type its ratio to the baseline (may be empty)."""

    text: str
    aside: str = ""


@dataclass(frozen=True)
class Table:
    """A title, the names of the columns, the rows (arm first), and footnotes.

    Without columns there is nothing to show but the footnotes, which say why.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    footnotes: tuple[str, ...] = ()


def tables(found: Comparison, clock: str = "train") -> list[Table]:
    """The tables of one workload.

    `clock` names the rule of `compare.clock` that the train seconds follow; with `ALL` a table
    sets every rule beside the others.
    """
    rows = found.rows
    made = [
        _quality(rows, found.decisions),
        _training(rows, clock if clock in RULES else "train"),
        *_first_models(rows),
        _energy(rows),
        _costs("Memory of training", rows, MEMORY),
        _costs("Shipped file", rows, SHIPPED),
    ]
    return made if clock != ALL else [*made[:2], _clocks(rows), *made[2:]]


def clocks(clock: str) -> list[str]:
    """A line for each rule that the tables apply: what it counts and what our laps cannot say."""
    return [explain(name) for name in RULES if clock in (name, ALL) and clock != "train"]


def _quality(rows: Sequence[Row], decisions: Sequence[Decision]) -> Table:
    verdicts = {one.arm: one.word.lower() if one.seeds > 1 else "one seed" for one in decisions}
    made = []
    for row in rows:
        baseline = baseline_of(row, rows)
        gap = difference(row, baseline) if baseline else None
        change = number.quality_change(row, gap.quality) if gap else number.NONE
        shipped = row.artefact_quality
        made.append(
            (
                Cell(row.label, "" if row.model in row.label else row.model),
                Cell(str(row.n)),
                Cell(number.quality_spread(row, row.quality)),
                Cell(change, verdicts.get(row.label, "")),
                Cell(number.quality(row, shipped.mean) if shipped else number.NONE),
            )
        )
    title = number.quality_title(rows[0])
    columns = ("arm", "seeds", title, "vs baseline", "shipped file")
    proofs = ((row.label, proof(row, rows)) for row in rows)
    return Table("Quality", columns, tuple(made), tuple(f"{a}: {p}" for a, p in proofs if p))


def _training(rows: Sequence[Row], clock: str) -> Table:
    """The cost of training, with the train seconds by the rule that was asked for."""
    if clock == "train":
        return _costs("Cost of training", rows, TRAINING)
    made = _costs("Cost of training", rows, TRAINING[:3])
    clocks = (clock,) if clock == "total" else (clock, "total")
    arms = made.rows or tuple((Cell(row.label),) for row in rows)
    cells = [[_clock(row, rows, name) for name in clocks] for row in rows]
    return Table(
        made.title,
        (*(made.columns or ("arm",)), *clocks),
        tuple((*a, *b) for a, b in zip(arms, cells, strict=True)),
        made.footnotes,
    )


def _first_models(rows: Sequence[Row]) -> list[Table]:
    """What the first model of each arm cost, where any was searched for or failed on the way."""
    if not any(row.trials or row.failures for row in rows):
        return []
    columns = ("arm", "run", "parents", "trials", "failed", "first model")
    note = "trials and failed attempts include those of the parents' arms"
    return [
        Table(
            f"Cost to first model: {BY_KEY[key].title}",
            columns,
            tuple(_first_model(row, baseline_of(row, rows), key) for row in rows),
            (note,),
        )
        for key in FIRST
        if any(row.outlays[key].first is not None for row in rows)
    ]


def _first_model(row: Row, baseline: Row | None, key: str) -> tuple[Cell, ...]:
    outlay = row.outlays[key]
    run, parents = (
        None if by_seed is None else statistics.fmean(by_seed)
        for by_seed in (outlay.run, outlay.parents)
    )
    parts = (run, parents, outlay.tuning, outlay.failed, outlay.first)
    unit = BY_KEY[key].unit
    texts = [number.NONE if v is None else number.quantity(v, unit) for v in parts]
    whole = baseline.outlays[key].first if baseline else None
    ratio = times(outlay.first / whole) if whole and outlay.first is not None else ""
    return (Cell(row.label), *map(Cell, texts[:-1]), Cell(texts[-1], ratio))


def _clocks(rows: Sequence[Row]) -> Table:
    made = tuple((Cell(row.label), *(_clock(row, rows, name) for name in RULES)) for row in rows)
    short = {"modded-nanogpt": "nanogpt"}
    columns = tuple(short.get(name, name) for name in RULES)
    return Table("One run, several clocks", ("arm", *columns), made)


def _clock(row: Row, rows: Sequence[Row], name: str) -> Cell:
    baseline = baseline_of(row, rows)
    low, high = row.clock_bounds[name]
    sign = f"{mark(RULES[name])} " if low < high and mark(RULES[name]) else ""
    mean = row.clocks[name].mean
    if not math.isfinite(mean):
        return Cell(number.NONE)
    whole = baseline.clocks[name].mean if baseline else 0.0
    return Cell(f"{sign}{number.seconds(mean)}", times(mean / whole) if whole else "")


def _energy(rows: Sequence[Row]) -> Table:
    """Energy with its grade beside it, what the time of a step goes into, and all the sources."""
    made = _costs("Energy, carbon, money", rows, ENERGY)
    columns, cells, notes = made.columns, made.rows, [*made.footnotes]
    bounds = ["/".join(row.bounds) or number.NONE for row in rows]
    if len(set(bounds)) > 1:
        columns = (*(columns or ("arm",)), "bound")
        known = cells or tuple((Cell(row.label),) for row in rows)
        cells = tuple((*a, Cell(b)) for a, b in zip(known, bounds, strict=True))
    elif rows[0].bounds:
        notes.append(f"steps are bound by: {bounds[0]}")
    for key in ENERGY:
        words = dict.fromkeys(text for row in rows for text in row.provenance.get(key, ()))
        notes += [f"{SHORT[key]}: {text}" for text in words]
    return Table(made.title, columns, cells, tuple(notes))


def _costs(title: str, rows: Sequence[Row], keys: Sequence[str]) -> Table:
    """One row for each arm; a column that no arm knows becomes a footnote."""
    known = [key for key in keys if any(key in row.costs for row in rows)]
    notes = _footnotes(rows, keys)
    if not known:
        return Table(title, (), (), notes)
    made = []
    for row in rows:
        baseline = baseline_of(row, rows)
        ratios = difference(row, baseline).ratios if baseline else {}
        if baseline and baseline.energy_grades != row.energy_grades:
            ratios = {key: r for key, r in ratios.items() if key not in _OF_ENERGY}
        made.append((Cell(row.label), *(_cost(row, key, ratios) for key in known)))
    return Table(title, ("arm", *(SHORT[key] for key in known)), tuple(made), notes)


def _cost(row: Row, key: str, ratios: dict[str, float]) -> Cell:
    grade = f" {'/'.join(row.energy_grades)}" if key == "energy_j" and key in row.costs else ""
    text = number.cost(row, BY_KEY[key]) + grade
    return Cell(text, times(ratios[key]) if key in ratios else "")


def _footnotes(rows: Sequence[Row], keys: Sequence[str]) -> tuple[str, ...]:
    """Why the columns `keys` are unknown, and of which arms: one line for each reason."""
    arms: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        for key in keys:
            if key in row.unknown:
                arms.setdefault((key, row.unknown[key]), []).append(row.label)
    names: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (key, reason), labels in arms.items():
        names.setdefault((reason, tuple(labels)), []).append(SHORT[key])
    return tuple(
        f"{', '.join(found)} unknown ({reason})"
        + ("" if len(labels) == len(rows) else f": {', '.join(labels)}")
        for (reason, labels), found in names.items()
    )
