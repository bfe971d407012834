"""The page of a comparison: one HTML file that needs nothing else, beside its JSON and Markdown.

It makes no request, follows the reader's light or dark setting, and escapes every text of a
record.
"""

from __future__ import annotations

import dataclasses
import html
import importlib.resources
from collections.abc import Sequence
from pathlib import Path

from efficient.compare.column import COLUMNS, PLOTTED
from efficient.compare.comparison import Comparison
from efficient.compare.difference import baseline_of
from efficient.compare.evidence import proof
from efficient.compare.note import notes
from efficient.compare.summary import BASELINE, Row, config_changes, describe
from efficient.ledger.record import LAPS, Record
from efficient.ledger.store import write_json, write_text
from efficient.report import number, plot, style, table
from efficient.report.export import as_json
from efficient.report.layout import clocks, tables


def write(
    records: Sequence[Record],
    comparisons: Sequence[Comparison],
    out_dir: Path | str,
    title: str,
    complaints: Sequence[str] = (),
    clock: str = "train",
) -> Path:
    """Write `report/index.html`, `summary.json` and `table.md` below `out_dir`.

    `comparisons` are those of the records; `complaints` those of `ledger.store.records`; `clock` is
    that of `layout.tables`. Returns the path of the page.

    Raises:
        StoreError: a file cannot be written.
    """
    folder = Path(out_dir) / "report"
    summary = as_json(comparisons) | {"title": title, "complaints": list(complaints)}
    write_json(folder / "summary.json", summary)
    tables_of_all = table.markdown(comparisons, clock)
    write_text(folder / "table.md", f"# {table.plain(title)}\n\n{tables_of_all}")
    write_text(folder / "index.html", page(records, comparisons, title, complaints, clock))
    return folder / "index.html"


def page(
    records: Sequence[Record],
    comparisons: Sequence[Comparison],
    title: str,
    complaints: Sequence[str] = (),
    clock: str = "train",
) -> str:
    """The HTML of the comparisons of these records."""
    css = importlib.resources.files("efficient.report").joinpath("page.css").read_text()
    rows = [row for found in comparisons for row in found.rows]
    sections = [_workload(found, records, i, clock) for i, found in enumerate(comparisons)]
    tail = (
        _notes("Clocks", clocks(clock)),
        _notes("Notes", [*notes(rows), *complaints]),
        _meanings(),
        _runs(records),
    )
    body = "\n".join((_head(records, rows, title), *sections, *tail))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<link rel="icon" href="data:,">\n<title>{_(title)}</title>\n<style>\n{css}</style>\n'
        f"</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _head(records: Sequence[Record], rows: Sequence[Row], title: str) -> str:
    arms = list(dict.fromkeys(row.label for row in rows))
    where = list(dict.fromkeys(row.workload for row in rows))
    devices = list(dict.fromkeys(describe(r.machine) for r in records))
    what = f"{', '.join(arms)} on {', '.join(where)}" if rows else "No finished run yet"
    counts = f"{len(records)} runs on {'; '.join(devices)}." if records else ""
    return (
        f"<header><h1>{_(title)}</h1>\n<p>Quality against what it costs: {_(what)}.</p>\n"
        f'<p class="quiet">{_(counts)}</p></header>'
    )


def _workload(found: Comparison, records: Sequence[Record], index: int, clock: str) -> str:
    rows = found.rows
    record = next(r for r in records if r.run_id == rows[0].run_ids[0])
    splits = ", ".join(f"{s.examples:,} {name}" for name, s in record.data.splits.items())
    facts = (
        f"{record.data.name} {record.data.version}, examples: {splits}; "
        f"{record.data.overlap:,} test examples also stand in training; "
        f"fingerprint {record.data.fingerprint[:12]}"
    )
    plots = [plot.inline_svg(rows, c, f"w{index}p{i}") for i, c in enumerate(PLOTTED)]
    figures = "\n".join(f"<figure>{drawn}</figure>" for drawn in plots if drawn)
    how = (
        "Large marks are means with the standard deviation over seeds, small ones are single "
        "seeds. The line joins the arms that no other arm beats in both."
    )
    quality, *costs = tables(found, clock)
    quality = dataclasses.replace(quality, footnotes=())  # the findings say them already
    shown = "\n".join(table.to_html(made) for made in (quality, *costs))
    return (
        f'<section>\n<h2>{_(rows[0].workload)}</h2>\n<p class="quiet">{_(facts)}</p>\n'
        f"{_findings(found)}\n{shown}\n<h3>Quality against each cost</h3>\n"
        f'<p class="quiet">{how}</p>\n<div class="plots">\n{figures}\n</div>\n'
        f"{_changes(rows)}\n</section>"
    )


def _findings(found: Comparison) -> str:
    """A line for each arm in its colour, and below what they say together."""
    rows = found.rows
    looks, items = style.looks(rows), []
    for label, text in found.sentences.items():
        row = next(row for row in rows if row.label == label)
        baseline = baseline_of(row, rows)
        said = text.removeprefix(f"{label} against {baseline.label if baseline else ''}: ")
        proved = proof(row, rows)
        colour = style.variable(looks[label].colour)
        items.append(
            f'<li style="--arm: {colour}"><p><b>{_(label)}:</b> {_(said)}</p>'
            + (f"<p>{_(proved)}</p>" if proved else "")
            + "</li>"
        )
    items += [f"<li><p>{_(text)}</p></li>" for text in found.readings]
    return f'<ul class="findings">\n{"".join(items)}\n</ul>' if items else ""


def _changes(rows: Sequence[Row]) -> str:
    """Every field in which an arm's configuration differs from its baseline's."""
    lines = []
    for row in rows:
        baseline = baseline_of(row, rows)
        changes = config_changes(baseline.config, row.config) if baseline else {}
        for name, pair in changes.items():
            was, now = (number.NONE if v is None else str(v) for v in pair)
            lines.append((row.label, name, was, now))
    if not lines:
        return ""
    return _details("What differs from the baseline", ("arm", "field", BASELINE, "arm's"), lines)


def _notes(title: str, found: Sequence[str]) -> str:
    if not found:
        return ""
    items = "".join(f"<li><p>{_(text)}</p></li>" for text in found)
    return f'<section><h2>{title}</h2><ul class="findings">{items}</ul></section>'


def _meanings() -> str:
    rows = "".join(f"<dt>{_(c.title)}</dt><dd>{_(c.meaning)}</dd>" for c in COLUMNS)
    quality = (
        "Scored on the test split after training; test never selects. Accuracy is a fraction of "
        "examples; bits per unit are the mean loss over ln 2."
    )
    spread = (
        "The standard deviation is the sample one over seeds. A verdict is of a paired t-test over "
        "seeds, or of Welch's where the arms have none in common, two-sided at 5 %, and by Holm "
        "over the arms of a workload. Measured costs are tested alike, on their logarithms."
    )
    return (
        "<section><h2>How each number was obtained</h2>\n<dl>"
        f"<dt>quality</dt><dd>{quality}</dd><dt>spread</dt><dd>{spread}</dd>{rows}</dl></section>"
    )


def _runs(records: Sequence[Record]) -> str:
    lines = []
    for record in records:
        laps = record.cost.laps
        count = len(record.cost.processes)
        spent = [f"{name} {number.significant(laps[name])}" for name in LAPS if laps.get(name)]
        lines.append(
            (
                record.run_id,
                record.status + (f", {count} processes" if count > 1 else ""),
                f"{record.steps:,} of {record.steps_planned:,}",
                str(record.seed),
                number.seconds(record.cost.total_s),
                ", ".join(spent),
            )
        )
    names = ("run", "status", "steps", "seed", "total", "laps in seconds")
    return f"<section><h2>Runs</h2>\n{_details(f'{len(lines)} runs', names, lines)}</section>"


def _details(title: str, names: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    head = "".join(f'<th scope="col">{_(name)}</th>' for name in names)
    body = "\n".join(
        f"<tr>{''.join(f'<td>{_(text)}</td>' for text in line)}</tr>" for line in lines
    )
    return (
        f'<details><summary>{_(title)}</summary><div class="scroll long" tabindex="0" '
        f'role="region" aria-label="{_(title)}"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>\n{body}\n</tbody></table></div></details>"
    )


def _(text: str) -> str:
    return html.escape(text)
