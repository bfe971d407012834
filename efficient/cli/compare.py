"""`efficient compare` and `efficient report`: many runs beside each other."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from efficient.cli.failure import UsageError, usage
from efficient.cli.output import console, document, say, table, warn
from efficient.compare.column import BY_KEY
from efficient.compare.comparison import compare as comparisons
from efficient.compare.decision import decide
from efficient.compare.error import CompareError
from efficient.compare.sequential import FIRST, sequential
from efficient.compare.significance import Test, paired
from efficient.compare.summary import describe, rows
from efficient.compare.verdict import INCONCLUSIVE
from efficient.ledger.prediction import below
from efficient.ledger.record import FINISHED, Record
from efficient.ledger.store import records
from efficient.report import page
from efficient.report.export import as_json
from efficient.report.scatter import scatter
from efficient.report.table import terminal

if TYPE_CHECKING:
    from efficient.experiment import Experiment, Planned, Terms


def compare(arguments: argparse.Namespace) -> int:
    """Run what is missing of an experiment, then report its runs."""
    from efficient import experiment

    with usage():
        asked = experiment.load(_place(arguments.experiment)).at(arguments.scale)
    if arguments.max_seeds < FIRST:
        raise UsageError(f"--max-seeds {arguments.max_seeds} is below {FIRST}, the first look")
    out = Path(arguments.out or Path("runs") / asked.name)
    seeds = FIRST if arguments.until_decided else arguments.seeds
    planned = experiment.plan(asked, seeds, out)
    if arguments.dry_run:
        _dry_run(planned, arguments.json)
        return 0
    terms = _terms(planned, out, arguments)
    if arguments.until_decided:
        found = _until_decided(asked, out, terms, arguments)
    else:
        experiment.run(asked, seeds, out, arguments.data_dir, say, terms)
        found = _finished(asked, seeds, out)
    test = sequential if arguments.until_decided else paired
    _publish(found, out, out, asked.title, [], arguments, test)
    return 0


def _until_decided(
    asked: Experiment, out: Path, terms: Terms, arguments: argparse.Namespace
) -> list[Record]:
    """A seed of every arm after the other, until each has a verdict or the seeds or the budget end.

    An arm that has fewer seeds by its own wish is not waited for. A budget that ends leaves the
    seeds that every arm has.
    """
    from efficient import experiment
    from efficient.predict.budget import BudgetError

    found: list[Record] = []
    for seeds in range(FIRST, arguments.max_seeds + 1):
        try:
            terms = experiment.run(asked, seeds, out, arguments.data_dir, _news, terms)
        except BudgetError as error:
            if not found:
                raise
            warn(f"{error}; the verdicts are of {seeds - 1} seeds")
            break
        found = _finished(asked, seeds, out)
        made = decide(rows(found), sequential)
        open_ = [one for one in made if one.word == INCONCLUSIVE]
        say(f"after {seeds} seeds: {len(made) - len(open_)} of {len(made)} arms decided")
        if all(one.seeds < seeds for one in open_):
            break
    return found


def _news(line: str) -> None:
    """What an earlier round has said already is left out."""
    if not line.endswith("finished before"):
        say(line)


def _finished(asked: Experiment, seeds: int | None, out: Path) -> list[Record]:
    """The records of all runs.

    Raises:
        ExperimentError: one is missing, though all were trained.
    """
    from efficient import experiment

    planned = experiment.plan(asked, seeds, out)
    if missing := [item.label for item in planned if not item.done]:
        raise experiment.ExperimentError(
            f"{missing[0]} was trained by other code, which changed meanwhile; give the same "
            "command again"
        )
    return [item.record for item in planned if item.record is not None]


def report(arguments: argparse.Namespace) -> int:
    """Report every finished run below a folder."""
    folder = Path(arguments.directory)
    found, complaints = records(folder)
    if not any(record.status == FINISHED for record in found):
        why = f": {complaints[0]}" if complaints else ""
        raise CompareError(f"{folder} holds no finished run; train some with --out {folder}{why}")
    title = arguments.title or folder.resolve().name
    _publish(found, folder, Path(arguments.out or folder), title, complaints, arguments)
    return 0


def _place(name: str) -> Path:
    """A path, or the name of a folder of `experiments`."""
    path, named = Path(name), Path("experiments") / name
    return named if not path.exists() and named.exists() else path


def _terms(planned: Sequence[Planned], out: Path, arguments: argparse.Namespace) -> Terms:
    """What the missing runs may cost, agreed to before the first of them.

    Raises:
        BudgetError: the prediction is over the budget and nobody agreed.
    """
    from efficient import experiment
    from efficient.cli.terms import site_and_budget

    site, budget = site_and_budget(arguments)
    missing = [item for item in planned if not item.done]
    configs = [item.config or item.arm.config for item in missing]
    if budget.limits and configs:
        from efficient.cli.terms import terms
        from efficient.run.forecast import WARNINGS, together

        agreed = terms(arguments)
        unresolved = sum(item.config is None and bool(item.arm.as_long_as) for item in missing)
        estimate = together(configs, out, arguments.data_dir, agreed, unresolved)
        for key in (key for key in WARNINGS if key in estimate.assumptions):
            warn(f"budget: {estimate.assumptions[key]}")
        agreed.check(estimate)
    return experiment.Terms(budget, site.to_environment(), arguments.peak == "measured")


def _dry_run(planned: Sequence[Planned], as_document: bool) -> None:
    missing = [item for item in planned if not item.done]
    minutes = sum(item.minutes for item in missing)
    runs = [
        {"label": item.label, "done": item.done, "minutes": round(item.minutes, 2)}
        for item in planned
    ]
    if as_document:
        document({"runs": runs, "missing": len(missing), "minutes": round(minutes, 2)})
        return
    out = console()
    state = [(r["label"], "finished" if r["done"] else "missing", r["minutes"]) for r in runs]
    table(out, ("run", "state", ">minutes"), state)
    out.print(f"{len(planned)} runs, {len(missing)} missing, about {minutes:.1f} minutes")


def _publish(
    found: Sequence[Record],
    runs: Path,
    out: Path,
    title: str,
    complaints: Sequence[str],
    arguments: argparse.Namespace,
    test: Test = paired,
) -> None:
    """The page on disk; tables, plots and verdicts on stdout.

    runs: where predictions lie, if anywhere. test: that decides.
    """
    made = comparisons(rows(found), found, test, below(runs))
    path = page.write(found, made, out, title, complaints, arguments.clock)
    if arguments.json:
        document(
            {
                "title": title,
                "page": str(path),
                **as_json(made),
                "complaints": complaints,
            }
        )
        return
    devices = dict.fromkeys(describe(record.machine) for record in found)
    print(f"{title}: {len(found)} runs on {'; '.join(devices)}\n")
    terminal(made, console(), arguments.clock)
    for one in made:
        print(f"\n{one.workload}: {scatter(one.rows, BY_KEY['flops_executed'])}")
    for text in complaints:
        warn(text)
    print(f"\npage: {path}")
