"""What a site has for others to compute with: CSV, Parquet, LaTeX, Markdown, JSON, and figures."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from efficient.compare.column import COLUMNS, PLOTTED
from efficient.compare.comparison import Comparison
from efficient.compare.summary import Row
from efficient.ledger.codec import to_dict
from efficient.ledger.record import Record
from efficient.report import plot
from efficient.report.export import as_json
from efficient.report.layout import Cell, tables
from efficient.report.prose import escape
from efficient.report.site.address import stem
from efficient.report.site.axis import interval
from efficient.report.site.legible import legible

#: A spreadsheet takes a cell that begins so for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
#: SQL types of columns that hold no numbers; one whose every value is unknown is of numbers.
_TYPES = {frozenset({bool}): "BOOLEAN", frozenset({str}): "VARCHAR"}


def arms(comparisons: Sequence[Comparison]) -> list[dict[str, Any]]:
    """A line for each arm: means, standard deviations and 95 % intervals, None where unknown."""
    return [_arm(row) for found in comparisons for row in found.rows]


def runs(records: Sequence[Record]) -> list[dict[str, Any]]:
    """A line for each run, finished or not."""
    return [_run(record) for record in records]


def to_csv(lines: Sequence[Mapping[str, Any]]) -> str:
    """A table as CSV; unknown is empty, and no text is a formula."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(lines[0] if lines else [])
    for line in lines:
        writer.writerow([_harmless(value) for value in line.values()])
    return text.getvalue()


def to_parquet(lines: Sequence[Mapping[str, Any]], path: Path) -> None:
    """A table as Parquet with types; unknown is null. Without lines there is no file."""
    import duckdb

    if not lines:
        return
    columns = {name: _type(line[name] for line in lines) for name in lines[0]}
    with tempfile.TemporaryDirectory(dir=path.parent) as folder, duckdb.connect() as database:
        plain, made = Path(folder, "lines.json"), Path(folder, path.name)
        with plain.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(_legible(line), allow_nan=False) + "\n" for line in lines)
        found = database.read_json(str(plain), columns=columns, format="newline_delimited")
        found.write_parquet(str(made), compression="zstd")
        made.replace(path)


def to_latex(comparisons: Sequence[Comparison], clock: str) -> str:
    r"""The tables of every workload for a paper that has `\usepackage{booktabs}`."""
    parts = ["% needs \\usepackage{booktabs}"]
    for found in comparisons:
        for made in tables(found, clock):
            if made.columns:
                parts.append(_latex(f"{found.workload}: {made.title}", made.columns, made.rows))
    return "\n\n".join(parts) + "\n"


def to_json(comparisons: Sequence[Comparison], title: str, complaints: Sequence[str]) -> str:
    """The comparison as one document."""
    value = as_json(comparisons) | {"title": title, "complaints": list(complaints)}
    return json.dumps(to_dict(value), indent=1, allow_nan=False) + "\n"


def figures(comparisons: Sequence[Comparison]) -> Iterable[tuple[str, str]]:
    """Name and SVG of a figure for each workload and each cost that is known."""
    for found in comparisons:
        for column in PLOTTED:
            if drawn := plot.svg(found.rows, column):
                yield f"{stem(found.workload)}-{column.key}.svg", drawn


def _arm(row: Row) -> dict[str, Any]:
    low, high = interval(row.quality) or (None, None)
    line: dict[str, Any] = {
        "workload": row.workload,
        "arm": row.label,
        "model": row.model,
        "seeds": row.n,
        "quality": row.quality_name,
        "quality_mean": row.quality.mean,
        "quality_sd": row.quality.sd,
        "quality_low": low,
        "quality_high": high,
    }
    for column in COLUMNS:
        found = row.costs.get(column.key)
        line[column.key] = found.mean if found else None
        line[f"{column.key}_sd"] = found.sd if found else None
    return line


def _run(record: Record) -> dict[str, Any]:
    test = record.scores.get("test")
    line: dict[str, Any] = {
        "run_id": record.run_id,
        "status": record.status,
        "workload": record.workload,
        "arm": record.arm,
        "model": record.model,
        "seed": record.seed,
        "steps": record.steps,
        "started_utc": record.started_utc,
        "test_accuracy": test.accuracy if test else None,
        "test_loss": test.loss if test else None,
    }
    keys = (column.key for column in COLUMNS if hasattr(record.cost, column.key))
    return line | {key: getattr(record.cost, key) for key in keys}


def _latex(title: str, columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    lines = [f"% {escape(legible(title))}", f"\\begin{{tabular}}{{l{'r' * (len(columns) - 1)}}}"]
    lines += ["\\toprule", " & ".join(map(escape, columns)) + " \\\\", "\\midrule"]
    lines += [" & ".join(_tex_cell(cell) for cell in row) + " \\\\" for row in rows]
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}"])


def _tex_cell(cell: Cell) -> str:
    return escape(legible(f"{cell.text} ({cell.aside})" if cell.aside else cell.text))


def _legible(line: Mapping[str, Any]) -> dict[str, Any]:
    return {k: legible(v) if isinstance(v, str) else _finite(v) for k, v in line.items()}


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and value - value != 0 else value


def _harmless(value: Any) -> Any:
    if not isinstance(value, str):
        return _finite(value)
    text = legible(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _type(values: Iterable[Any]) -> str:
    kinds = frozenset(type(value) for value in values if value is not None)
    return _TYPES.get(kinds, "DOUBLE")
