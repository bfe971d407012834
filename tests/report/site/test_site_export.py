"""What a site exports reads back as what the records say, and is harmless where it is opened."""

from __future__ import annotations

import csv
import json

import duckdb
import pytest
from fabrication import records

from efficient.compare.comparison import compare
from efficient.compare.summary import rows
from efficient.report.site import export
from efficient.report.site.build import Site, build

RUNS = records()
ROWS = rows(RUNS)


def lines_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_csv_has_every_run_and_leaves_unknown_empty(site):
    found = {line["run_id"]: line for line in lines_of(site / "exports" / "runs.csv")}
    assert len(found) == len(RUNS) == 27
    for made in RUNS:
        line = found[made.run_id]
        assert int(line["flops_executed"]) == made.cost.flops_executed
        assert float(line["train_s"]) == made.cost.train_s
        assert line["memory_peak_bytes"] == ""
    assert [line["status"] for line in found.values()].count("interrupted") == 1


def test_parquet_says_the_same_with_types(site):
    table = duckdb.read_parquet(str(site / "exports" / "arms.parquet"))
    kinds = dict(zip(table.columns, map(str, table.types), strict=True))
    assert kinds["arm"] == "VARCHAR" and kinds["quality_mean"] == "DOUBLE"
    assert kinds["memory_peak_bytes"] == "DOUBLE", "unknown of every run, and yet a number"
    found = {line[:2]: line for line in table.fetchall()}
    names = table.columns
    for row in ROWS:
        line = dict(zip(names, found[row.workload, row.label], strict=True))
        assert line["quality_mean"] == row.quality.mean and line["seeds"] == row.n
        assert line["energy_j"] == (row.cost("energy_j"))
        assert (line["quality_low"] is None) == (row.n == 1)


def test_exports_are_linked_and_figures_are_made_where_they_are_asked_for(tmp_path, site):
    assert not list((site / "exports").glob("*.svg"))
    few = [r for r in RUNS if r.workload == "digits" and r.seed == 0]
    page = build(Site(few, compare(rows(few), few), "Few", figures=True), tmp_path).read_text()
    drawn = sorted(path.name for path in (tmp_path / "exports").glob("*.svg"))
    assert "digits-flops_executed.svg" in drawn and "digits-energy_j.svg" not in drawn
    for path in (tmp_path / "exports").iterdir():
        assert f'href="exports/{path.name}"' in page


def test_tables_and_summary_are_of_these_records(site):
    text = (site / "exports" / "tables.md").read_text()
    assert text.startswith("# Four \\<arms\\>") and "### Cost of training" in text
    value = json.loads((site / "exports" / "summary.json").read_text())
    assert value["title"] == "Four <arms>" and len(value["rows"]) == len(ROWS)
    assert value["rows"][1]["sentence"].startswith("distilled against baseline: ")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx"])
def test_no_text_of_a_table_is_a_formula(text):
    (line,) = list(csv.DictReader(export.to_csv([{"arm": text, "n": -1}]).splitlines()))
    assert line["arm"].startswith("'") and line["n"] == "-1"


def test_hostile_texts_leave_every_export_readable(hostile_site):
    folder = hostile_site / "exports"
    json.loads((folder / "summary.json").read_text())
    assert len(lines_of(folder / "runs.csv")) == 3
    assert len(duckdb.read_parquet(str(folder / "runs.parquet")).fetchall()) == 3
    for line in (folder / "tables.tex").read_text().splitlines():
        assert line.startswith("%") or "</script>" not in line.replace("$<$", "")


def test_nothing_makes_a_table_without_lines(tmp_path):
    assert export.to_csv([]) == "\n" or export.to_csv([]) == ""
    export.to_parquet([], tmp_path / "none.parquet")
    assert not list(tmp_path.iterdir())
