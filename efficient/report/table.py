"""Tables of a comparison as terminal text or Markdown; `layout` says which there are."""

from __future__ import annotations

from collections.abc import Sequence

import rich.box
import rich.table
from rich.console import Console
from rich.markup import escape

from efficient.compare.comparison import Comparison
from efficient.compare.note import notes
from efficient.compare.summary import Row
from efficient.ledger.printable import printable
from efficient.report.layout import Cell, Table, clocks, tables


def terminal(comparisons: Sequence[Comparison], console: Console, clock: str = "train") -> None:
    """Print tables, sentences and notes of every workload; readable at 80 columns."""
    for found in comparisons:
        console.print(f"\n[bold]{_shown(found.workload)}[/bold]")
        for table in tables(found, clock):
            show(table, console)
        console.print()
        for text in (*found.sentences.values(), *found.readings):
            console.print(f"- {_shown(text)}", highlight=False)
    for text in clocks(clock):
        console.print(f"clock: {_shown(text)}", style="dim", highlight=False)
    for text in notes(_rows(comparisons)):
        console.print(f"note: {_shown(text)}", style="yellow", highlight=False)


def show(table: Table, console: Console) -> None:
    """Print one table with its footnotes."""
    if table.columns:
        console.print(_rich(table))
    elif table.footnotes:
        console.print(f"\n{_shown(table.title)}", style="dim")
    for note in table.footnotes:
        console.print(f"  {_shown(note)}", style="dim")


def markdown(comparisons: Sequence[Comparison], clock: str = "train") -> str:
    """The tables and sentences of every workload as Markdown."""
    parts = []
    for found in comparisons:
        parts.append(f"## {plain(found.workload)}")
        for table in tables(found, clock):
            parts += [f"### {table.title}"] * bool(table.columns or table.footnotes)
            parts += [to_markdown(table)] * bool(table.columns)
            parts += ["  \n".join(plain(note) for note in table.footnotes)] * bool(table.footnotes)
        said = (*found.sentences.values(), *found.readings)
        parts.append("\n".join(f"- {plain(text)}" for text in said))
    if texts := clocks(clock):
        parts += ["## Clocks", "\n".join(f"- {plain(text)}" for text in texts)]
    if texts := notes(_rows(comparisons)):
        parts += ["## Notes", "\n".join(f"- {plain(text)}" for text in texts)]
    return "\n\n".join(part for part in parts if part) + "\n"


def to_markdown(table: Table) -> str:
    """A table alone, without title and footnotes."""
    lines = [table.columns, (":--", *["--:"] * (len(table.columns) - 1))]
    lines += [tuple(map(_joined, row)) for row in table.rows]
    return "\n".join(f"| {' | '.join(plain(text) for text in line)} |" for line in lines)


def _rows(comparisons: Sequence[Comparison]) -> list[Row]:
    return [row for found in comparisons for row in found.rows]


def _rich(table: Table) -> rich.table.Table:
    made = rich.table.Table(
        title=_shown(table.title), title_justify="left", title_style="dim", box=rich.box.SIMPLE_HEAD
    )
    for i, name in enumerate(table.columns):
        made.add_column(_shown(name), justify="left" if i == 0 else "right", no_wrap=i == 0)
    for row in table.rows:
        made.add_row(*("\n".join(map(_shown, _lines(cell))) for cell in row))
    return made


def _shown(text: str) -> str:
    """One line of a terminal: neither markup nor what commands one is taken for it."""
    return escape(printable(text))


def _lines(cell: Cell) -> list[str]:
    return [cell.text, cell.aside] if cell.aside else [cell.text]


def _joined(cell: Cell) -> str:
    return f"{cell.text} ({cell.aside})" if cell.aside else cell.text


def plain(text: str) -> str:
    """Text that Markdown leaves alone: no markup, no cell borders, one line."""
    for mark in "\\`*_<>|[]":
        text = text.replace(mark, f"\\{mark}")
    return " ".join(text.split())
