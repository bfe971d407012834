"""Tables of a comparison, once as data and then as terminal text, Markdown or HTML.

Each workload has three narrow tables instead of a wide one: quality, the cost of training, and
the cost of what is shipped. Each fits 80 columns.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

import rich.box
import rich.markup
import rich.table
from rich.console import Console

from efficient.compare.column import BY_KEY
from efficient.compare.difference import (
    ONE_SEED,
    OUTSIDE,
    WITHIN,
    baseline_of,
    difference,
    times,
)
from efficient.compare.evidence import proof
from efficient.compare.sentence import sentence
from efficient.compare.summary import Row, notes
from efficient.report import number

TRAINING = ("flops_executed", "flops_effective", "flops_parents", "train_s", "total_s")
SHIPPED = ("flops_inference", "stored_bytes", "params_total", "params_nonzero", "memory_peak_bytes")


_VERDICTS = {WITHIN: "within spread", OUTSIDE: "outside spread", ONE_SEED: "one seed"}
_SHORT = {
    "flops_executed": "executed",
    "flops_effective": "effective",
    "flops_parents": "parents",
    "train_s": "train",
    "total_s": "total",
    "flops_inference": "inference",
    "stored_bytes": "stored",
    "params_total": "parameters",
    "params_nonzero": "nonzero",
    "memory_peak_bytes": "peak memory",
}


@dataclass(frozen=True)
class Cell:
    """What a cell says, and in smaller type its ratio to the baseline (may be empty)."""

    text: str
    aside: str = ""


@dataclass(frozen=True)
class Table:
    """A title, the names of the columns, the rows (arm first), and footnotes."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    footnotes: tuple[str, ...] = ()


def tables(rows: Sequence[Row]) -> list[Table]:
    """The three tables of one workload; `rows` are those of `compare.summary` for it."""
    return [
        _quality(rows),
        _costs("Cost of training", rows, TRAINING),
        _costs("Shipped file and memory", rows, SHIPPED),
    ]


def workloads(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Rows by workload, in their order."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.workload, []).append(row)
    return found


def sentences(rows: Sequence[Row]) -> list[str]:
    """One sentence for each row that has a baseline among `rows`."""
    pairs = ((row, baseline_of(row, rows)) for row in rows)
    return [sentence(row, baseline) for row, baseline in pairs if baseline]


def terminal(rows: Sequence[Row], console: Console) -> None:
    """Print tables, sentences and notes of every workload; readable at 80 columns."""
    for workload, here in workloads(rows).items():
        console.print(f"\n[bold]{rich.markup.escape(workload)}[/bold]")
        for table in tables(here):
            console.print(_rich(table))
            for note in table.footnotes:
                console.print(f"  {rich.markup.escape(note)}", style="dim")
        console.print()
        for text in sentences(here):
            console.print(f"- {rich.markup.escape(text)}", highlight=False)
    for text in notes(rows):
        console.print(f"note: {rich.markup.escape(text)}", style="yellow", highlight=False)


def markdown(rows: Sequence[Row]) -> str:
    """The tables and sentences of every workload as Markdown."""
    parts = []
    for workload, here in workloads(rows).items():
        parts.append(f"## {plain(workload)}")
        for table in tables(here):
            parts += [f"### {table.title}", _markdown(table)]
            parts += ["  \n".join(plain(note) for note in table.footnotes)] * bool(table.footnotes)
        parts.append("\n".join(f"- {plain(text)}" for text in sentences(here)))
    if found := notes(rows):
        parts += ["## Notes", "\n".join(f"- {plain(text)}" for text in found)]
    return "\n\n".join(part for part in parts if part) + "\n"


def to_html(table: Table) -> str:
    """A `<figure>` with the table, scrolling by itself where it is too wide."""
    head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in table.columns)
    body = "\n".join(
        f'<tr><th scope="row">{_html_cell(row[0])}</th>'
        + "".join(f"<td>{_html_cell(cell)}</td>" for cell in row[1:])
        + "</tr>"
        for row in table.rows
    )
    notes = "".join(f"<p>{html.escape(note)}</p>" for note in table.footnotes)
    caption = f"<figcaption>{html.escape(table.title)}</figcaption>"
    scroll = (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{html.escape(table.title)}">'
        f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></div>"
    )
    return f"<figure>{caption}{scroll}{notes}</figure>"


def _quality(rows: Sequence[Row]) -> Table:
    made = []
    for row in rows:
        baseline = baseline_of(row, rows)
        gap = difference(row, baseline) if baseline else None
        change = number.quality_change(row, gap.quality.mean) if gap else number.NONE
        shipped = row.artefact_quality
        made.append(
            (
                Cell(row.label, "" if row.model in row.label else row.model),
                Cell(str(row.n)),
                Cell(number.quality_spread(row, row.quality)),
                Cell(change, _VERDICTS[gap.quality.verdict] if gap else ""),
                Cell(number.quality(row, shipped.mean) if shipped else number.NONE),
            )
        )
    title = number.quality_title(rows[0])
    columns = ("arm", "seeds", title, "vs baseline", "shipped file")
    proofs = ((row.label, proof(row, rows)) for row in rows)
    return Table("Quality", columns, tuple(made), tuple(f"{a}: {p}" for a, p in proofs if p))


def _costs(title: str, rows: Sequence[Row], keys: Sequence[str]) -> Table:
    """One row for each arm; a column that no arm knows becomes a footnote."""
    known = [key for key in keys if any(key in row.costs for row in rows)]
    made = []
    for row in rows:
        baseline = baseline_of(row, rows)
        ratios = difference(row, baseline).ratios if baseline else {}
        cells = [
            Cell(
                number.cost(row, BY_KEY[key]),
                times(ratios[key]) if key in ratios else "",
            )
            for key in known
        ]
        made.append((Cell(row.label), *cells))
    columns = ("arm", *(_SHORT[key] for key in known))
    return Table(title, columns, tuple(made), _footnotes(rows, keys))


def _footnotes(rows: Sequence[Row], keys: Sequence[str]) -> tuple[str, ...]:
    """Why the columns `keys` are unknown, and of which arms."""
    found: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        for key in keys:
            if key in row.unknown:
                found.setdefault((_SHORT[key], row.unknown[key]), []).append(row.label)
    return tuple(
        f"{name} unknown ({reason})" + ("" if len(arms) == len(rows) else f": {', '.join(arms)}")
        for (name, reason), arms in found.items()
    )


def _rich(table: Table) -> rich.table.Table:
    made = rich.table.Table(
        title=table.title, title_justify="left", title_style="dim", box=rich.box.SIMPLE_HEAD
    )
    for i, name in enumerate(table.columns):
        made.add_column(name, justify="left" if i == 0 else "right", no_wrap=i == 0)
    for row in table.rows:
        made.add_row(*(rich.markup.escape(_joined(cell, "\n")) for cell in row))
    return made


def _markdown(table: Table) -> str:
    lines = [table.columns, (":--", *["--:"] * (len(table.columns) - 1))]
    lines += [tuple(_joined(cell, " ") for cell in row) for row in table.rows]
    return "\n".join(f"| {' | '.join(plain(text) for text in line)} |" for line in lines)


def _joined(cell: Cell, between: str) -> str:
    aside = f"({cell.aside})" if cell.aside and between == " " else cell.aside
    return f"{cell.text}{between}{aside}" if aside else cell.text


def plain(text: str) -> str:
    """Text that Markdown leaves alone: no markup, no cell borders, one line."""
    for mark in "\\`*_<>|[]":
        text = text.replace(mark, f"\\{mark}")
    return " ".join(text.split())


def _html_cell(cell: Cell) -> str:
    aside = f" <small>{html.escape(cell.aside)}</small>" if cell.aside else ""
    return f"{html.escape(cell.text)}{aside}"
