"""Tables fit a narrow terminal, survive Markdown and tell why a number is missing."""

from __future__ import annotations

import dataclasses
import io

import pytest
from fabrication import record, records
from rich.console import Console

from efficient.compare.summary import rows
from efficient.report import table

EVERYTHING = rows(records())


def printed(width, found=EVERYTHING):
    console = Console(file=io.StringIO(), width=width, color_system=None)
    table.terminal(found, console)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [80, 120])
def test_terminal_keeps_every_number_whole(width):
    text = printed(width)
    assert max(len(line) for line in text.splitlines()) <= width
    assert "…" not in text
    for shown in ("97.45 % ± 0.20", "4.16 TFLOP", "8.38 ± 0.11 s", "2.193 ± 0.009", "2,395,210"):
        assert shown in text


def test_terminal_shows_markup_of_a_name_as_it_is():
    odd = dataclasses.replace(EVERYTHING[0], label="[red]odd[/red]")
    assert "[red]odd[/red]" in printed(120, [odd])


def test_column_that_is_unknown_everywhere_is_a_footnote():
    tables = table.tables(EVERYTHING[:5])
    assert [t.title for t in tables] == ["Quality", "Cost of training", "Shipped file and memory"]
    assert tables[2].columns == ("arm", "inference", "stored", "parameters", "nonzero")
    assert tables[2].footnotes == ("peak memory unknown (no allocator statistics on cpu)",)


def test_number_that_is_unknown_for_one_arm_is_a_dash_with_a_footnote():
    made = [record(), record(arm="distilled")]
    found = table.tables(rows(made))[1]
    at = found.columns.index("parents")
    assert [row[at].text for row in found.rows] == ["0", "\N{EN DASH}"]
    assert found.footnotes == ("parents unknown (a parent is not among these records): distilled",)


def test_ratio_to_the_baseline_stands_beside_a_cost():
    found = table.tables(EVERYTHING[:5])[2]
    pruned = next(row for row in found.rows if row[0].text == "pruned")
    assert pruned[2] == table.Cell("215 kB", "\N{MULTIPLICATION SIGN}0.20")


def test_markdown_has_even_rows_and_escapes_names():
    odd = dataclasses.replace(EVERYTHING[0], label="a|b<script>\n*c*")
    text = table.markdown([odd, *EVERYTHING[1:]])
    assert r"a\|b\<script\> \*c\*" in text
    blocks = [b.splitlines() for b in text.split("\n\n") if b.startswith("|")]
    assert len(blocks) == 6
    for lines in blocks:
        assert len({line.replace(r"\|", "").count("|") for line in lines}) == 1
    assert text.count("### ") == 6 and text.endswith("\n") and not text.endswith("\n\n")


def test_html_marks_headers_and_escapes_text():
    text = table.to_html(
        table.Table("T<", ("arm", "x"), ((table.Cell("<b>"), table.Cell("1", "&")),))
    )
    assert '<th scope="row">&lt;b&gt;</th><td>1 <small>&amp;</small></td>' in text
    assert "<figcaption>T&lt;</figcaption>" in text


def test_no_rows_print_nothing():
    assert printed(80, []) == ""
    assert table.markdown([]) == "\n"
