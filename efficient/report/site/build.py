"""Writes a site: pages first and the overview last, which so never points at what is not there."""

from __future__ import annotations

import importlib.resources
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from efficient.compare.comparison import Comparison
from efficient.compare.error import CompareError
from efficient.compare.note import notes
from efficient.compare.summary import Row, describe
from efficient.ledger.record import FINISHED, Record
from efficient.ledger.store import write_text
from efficient.report import number, table
from efficient.report.site import comparison, difference, export, overview, plotted, run
from efficient.report.site.address import stem
from efficient.report.site.file import Files
from efficient.report.site.legible import legible
from efficient.report.site.series import SHAPES
from efficient.report.site.template import render, script

#: What an overview of ours has in its head, and what lists the files that a build made.
GENERATOR = '<meta name="generator" content="efficient report">'
MADE = "files.json"
#: Files that a later build may remove where it no longer makes them.
_REMOVABLE = re.compile(r"(runs|comparisons|exports)/[a-z0-9._~-]+\.(html|js|json|svg|csv|parquet)")
#: Run pages between two lines of progress.
_EVERY = 1000


@dataclass(frozen=True)
class Site:
    """What a site is made of. complaints: a line for each record that is unfit.

    latencies: as `compare.folder.Folder` has them; figures: whether matplotlib draws some, which
    takes seconds; tell: gets lines of progress.
    """

    records: Sequence[Record]
    comparisons: Sequence[Comparison]
    title: str
    complaints: Sequence[str] = ()
    latencies: Mapping[tuple[str, str], float] = field(default_factory=dict)
    clock: str = "train"
    figures: bool = False
    tell: Callable[[str], None] = lambda line: None


def build(site: Site, folder: Path | str) -> Path:
    """Write the site into `folder`; returns the path of its overview.

    Raises:
        CompareError: `folder` has an index.html that is not of a report.
        StoreError: a file cannot be written.
    """
    folder = Path(folder)
    index = folder / "index.html"
    if index.is_file() and GENERATOR not in index.read_text(errors="replace")[:2000]:
        raise CompareError(f"{index} is not the page of a report: give another --out")
    before = _listed(folder)
    files = Files(folder)
    _assets(files)
    compared = _comparisons(site, files)
    _runs(site, files)
    _exports(site, files)
    page = _overview(site, files, compared)
    for name in before - files.made:
        (folder / name).unlink(missing_ok=True)
    write_text(folder / MADE, json.dumps(sorted(files.made)) + "\n")
    write_text(index, page)
    return index


def _assets(files: Files) -> None:
    folder = importlib.resources.files("efficient.report.site") / "assets"
    for source in (folder, folder / "vendor"):
        for item in source.iterdir():
            if item.is_file():
                files.write(f"assets/{item.name}", item.read_bytes())


def _comparisons(site: Site, files: Files) -> list[overview.Section]:
    """A page for each workload, and its part of the overview."""
    made = []
    for found in site.comparisons:
        page = comparison.page(found, site.clock)
        page["remarks"] = _remarks(found)
        page["facts"] = _facts(site.records, found.rows)
        name = page.pop("page")
        files.write(name, render("comparison.html", site=_about(site, "../"), **page))
        of = found.workload
        latencies = {arm: value for (work, arm), value in site.latencies.items() if work == of}
        made.append(overview.section(found, page["remarks"], page["facts"], latencies))
    return made


def _remarks(found: Comparison) -> overview.Remarks:
    """What is said of a workload as a whole: titles and lists of sentences, in their order."""
    return [("What the numbers say together", found.readings), ("Notes", notes(found.rows))]


def _runs(site: Site, files: Files) -> None:
    """A page for each run, what the page of differences reads of it, and its configuration."""
    by_id = {record.run_id: record for record in site.records if record.status == FINISHED}
    compared = {
        run_id: row.workload
        for found in site.comparisons
        for row in found.rows
        for run_id in row.run_ids
    }
    about = _about(site, "../")
    for count, record in enumerate(site.records, 1):
        page = run.page(record, by_id, compared.get(record.run_id, ""))
        name = f"runs/{page['name']}"
        files.write(f"{name}.html", render("run.html", site=about, **page))
        files.write(
            f"{name}.js",
            script("efficient.loaded", page["name"], difference.run(record, page["config"])),
        )
        files.write(f"{name}.json", json.dumps(record.config, indent=1, allow_nan=False) + "\n")
        if count % _EVERY == 0:
            site.tell(f"report: {count:,} of {len(site.records):,} pages of runs")
    listed = sorted((difference.listed(r) for r in site.records), key=lambda line: line[1])
    files.write("runs.js", script("efficient.listed", listed))
    lines = [(stem(r.run_id), r, number.seconds(r.cost.total_s)) for r in site.records]
    files.write("runs.html", render("runs.html", site=_about(site, ""), lines=lines))
    files.write("diff.html", render("diff.html", site=_about(site, "")))


def _exports(site: Site, files: Files) -> None:
    arms, runs = export.arms(site.comparisons), export.runs(site.records)
    title = legible(site.title)
    for name, lines in (("arms", arms), ("runs", runs)):
        files.write(f"exports/{name}.csv", export.to_csv(lines))
        if lines:
            export.to_parquet(lines, files.path(f"exports/{name}.parquet"))
    tables = table.markdown(site.comparisons, site.clock)
    files.write("exports/tables.md", _legible_lines(f"# {table.plain(title)}\n\n{tables}"))
    files.write("exports/tables.tex", export.to_latex(site.comparisons, site.clock))
    files.write("exports/summary.json", export.to_json(site.comparisons, title, site.complaints))
    for name, drawn in export.figures(site.comparisons) if site.figures else ():
        files.write(f"exports/{name}", drawn)


def _overview(site: Site, files: Files, sections: Sequence[overview.Section]) -> str:
    data = {
        "axes": plotted.axes(),
        "shapes": SHAPES,
        "workloads": {s.key: s.data for s in sections},
    }
    files.write("overview.js", script("efficient.start", data))
    devices = dict.fromkeys(describe(record.machine) for record in site.records)
    unfinished = sum(record.status != FINISHED for record in site.records)
    return render(
        "index.html",
        site=_about(site, ""),
        sections=sections,
        runs=len(site.records),
        unfinished=unfinished,
        devices=list(devices),
        complaints=list(site.complaints),
        exports=sorted(name for name in files.made if name.startswith("exports/")),
    )


def _about(site: Site, root: str) -> dict[str, Any]:
    """What every page needs: the title, and the way to the root of the site."""
    return {"title": site.title, "root": root}


def _facts(records: Sequence[Record], rows: Sequence[Row]) -> str:
    """What the runs of a workload were fed."""
    record = next(r for r in records if r.run_id == rows[0].run_ids[0])
    splits = ", ".join(f"{s.examples:,} {name}" for name, s in record.data.splits.items())
    return (
        f"{record.data.name} {record.data.version}, examples: {splits}; "
        f"{record.data.overlap:,} test examples also stand in training; "
        f"fingerprint {record.data.fingerprint[:12]}"
    )


def _listed(folder: Path) -> set[str]:
    """Files that an earlier build made and this one may remove."""
    try:
        found = json.loads((folder / MADE).read_text())
    except (OSError, ValueError):
        return set()
    names = found if isinstance(found, list) else []
    return {name for name in names if isinstance(name, str) and _REMOVABLE.fullmatch(name)}


def _legible_lines(text: str) -> str:
    """Each line of a long text made legible by itself."""
    return "\n".join(legible(line) for line in text.split("\n"))
