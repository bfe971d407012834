"""Tables of a comparison as terminal text or Markdown; `layout` says which there are."""

from __future__ import annotations

from collections.abc import Sequence

import rich.box
import rich.markup
import rich.table
from rich.console import Console

from efficient.compare.decision import Test
from efficient.compare.sentence import sentences
from efficient.compare.significance import paired
from efficient.compare.summary import Row, notes
from efficient.report.layout import Cell, Table, clocks, tables


def workloads(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Rows by workload, in their order."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.workload, []).append(row)
    return found


def terminal(
    rows: Sequence[Row], console: Console, clock: str = "train", test: Test = paired
) -> None:
    """Print tables, sentences and notes of every workload; readable at 80 columns."""
    for workload, here in workloads(rows).items():
        console.print(f"\n[bold]{rich.markup.escape(workload)}[/bold]")
        for table in tables(here, clock, test):
            if table.columns:
                console.print(_rich(table))
            elif table.footnotes:
                console.print(f"\n{rich.markup.escape(table.title)}", style="dim")
            for note in table.footnotes:
                console.print(f"  {rich.markup.escape(note)}", style="dim")
        console.print()
        for text in sentences(here, test).values():
            console.print(f"- {rich.markup.escape(text)}", highlight=False)
    for text in clocks(clock):
        console.print(f"clock: {rich.markup.escape(text)}", style="dim", highlight=False)
    for text in notes(rows):
        console.print(f"note: {rich.markup.escape(text)}", style="yellow", highlight=False)


def markdown(rows: Sequence[Row], clock: str = "train", test: Test = paired) -> str:
    """The tables and sentences of every workload as Markdown."""
    parts = []
    for workload, here in workloads(rows).items():
        parts.append(f"## {plain(workload)}")
        for table in tables(here, clock, test):
            parts += [f"### {table.title}"] * bool(table.columns or table.footnotes)
            parts += [to_markdown(table)] * bool(table.columns)
            parts += ["  \n".join(plain(note) for note in table.footnotes)] * bool(table.footnotes)
        parts.append("\n".join(f"- {plain(text)}" for text in sentences(here, test).values()))
    if found := clocks(clock):
        parts += ["## Clocks", "\n".join(f"- {plain(text)}" for text in found)]
    if found := notes(rows):
        parts += ["## Notes", "\n".join(f"- {plain(text)}" for text in found)]
    return "\n\n".join(part for part in parts if part) + "\n"


def to_markdown(table: Table) -> str:
    """A table alone, without title and footnotes."""
    lines = [table.columns, (":--", *["--:"] * (len(table.columns) - 1))]
    lines += [tuple(_joined(cell, " ") for cell in row) for row in table.rows]
    return "\n".join(f"| {' | '.join(plain(text) for text in line)} |" for line in lines)


def _rich(table: Table) -> rich.table.Table:
    made = rich.table.Table(
        title=table.title, title_justify="left", title_style="dim", box=rich.box.SIMPLE_HEAD
    )
    for i, name in enumerate(table.columns):
        made.add_column(name, justify="left" if i == 0 else "right", no_wrap=i == 0)
    for row in table.rows:
        made.add_row(*(rich.markup.escape(_joined(cell, "\n")) for cell in row))
    return made


def _joined(cell: Cell, between: str) -> str:
    aside = f"({cell.aside})" if cell.aside and between == " " else cell.aside
    return f"{cell.text}{between}{aside}" if aside else cell.text


def plain(text: str) -> str:
    """Text that Markdown leaves alone: no markup, no cell borders, one line."""
    for mark in "\\`*_<>|[]":
        text = text.replace(mark, f"\\{mark}")
    return " ".join(text.split())
