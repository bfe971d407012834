"""`efficient compare` and `efficient report`: many runs beside each other."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from efficient.cli import race
from efficient.cli.failure import UsageError, usage
from efficient.cli.fairness import bills, fair, taken
from efficient.cli.output import console, document, say, table, warn
from efficient.compare.column import BY_KEY
from efficient.compare.comparison import compare as comparisons
from efficient.compare.decision import decide
from efficient.compare.equality import Share
from efficient.compare.folder import Folder, latencies, read
from efficient.compare.gate import gates
from efficient.compare.sequential import FIRST, sequential
from efficient.compare.significance import Test, paired
from efficient.compare.summary import describe, rows
from efficient.compare.target import reaches
from efficient.compare.verdict import INCONCLUSIVE
from efficient.ledger.codec import to_dict
from efficient.ledger.place import is_remote
from efficient.ledger.prediction import below
from efficient.ledger.printable import printable
from efficient.report.export import as_json
from efficient.report.scatter import scatter
from efficient.report.site.build import Site, build
from efficient.report.table import terminal

if TYPE_CHECKING:
    from efficient.experiment import Experiment, Planned, Terms

#: Folder of the site below that of the runs, unless another is asked for.
SITE = "report"


def compare(arguments: argparse.Namespace) -> int:
    """Run what is missing of an experiment, then report its runs."""
    from efficient import experiment

    with usage():
        asked = experiment.load(_place(arguments.experiment)).at(arguments.scale)
    asked = fair(asked, arguments)
    targets = race.targets(arguments, {arm.config.workload.name for arm in asked.arms})
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
    shares = taken(found.rows, arguments)
    _publish(found, out / SITE, asked.title, arguments, targets, test, shares)
    return 0


def _until_decided(
    asked: Experiment, out: Path, terms: Terms, arguments: argparse.Namespace
) -> Folder:
    """A seed of every arm after the other, until each has a verdict or the seeds or the budget end.

    With --budgets an arm also waits for its verdicts against the curve. An arm that has fewer seeds
    by its own wish is not waited for. A budget that ends leaves the seeds that every arm has.
    """
    from efficient import experiment
    from efficient.predict.budget import BudgetError

    found = None
    for seeds in range(FIRST, arguments.max_seeds + 1):
        try:
            terms = experiment.run(asked, seeds, out, arguments.data_dir, _news, terms)
        except BudgetError as error:
            if found is None:
                raise
            warn(f"{error}; the verdicts are of {seeds - 1} seeds")
            break
        found = _finished(asked, seeds, out)
        made = decide(found.rows, sequential)
        judged = [*made, *gates(found.rows, sequential)]
        open_ = [one for one in judged if one.word == INCONCLUSIVE]
        waiting = {(one.workload, one.arm) for one in open_}
        say(f"after {seeds} seeds: {len(made) - len(waiting)} of {len(made)} arms decided")
        if all(one.seeds < seeds for one in open_):
            break
    assert found is not None, "--max-seeds is at least the first look"
    return found


def _news(line: str) -> None:
    """What an earlier round has said already is left out."""
    if not line.endswith("finished before"):
        say(line)


def _finished(asked: Experiment, seeds: int | None, out: Path) -> Folder:
    """The records of all runs, and of what else belongs on the bill of their arms.

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
    found = [item.record for item in planned if item.record is not None]
    others, complaints = bills(asked, out, found)
    every, timed = (*found, *others), latencies(out, complaints)
    return Folder(out, every, tuple(rows(every)), tuple(complaints), timed)


def report(arguments: argparse.Namespace) -> int:
    """Report every finished run below a folder or prefix."""
    folder = arguments.directory
    if is_remote(folder) and not arguments.out:
        raise UsageError(f"{folder} gets no site; give a folder for it with --out")
    title, targets = arguments.title or Path(folder).resolve().name, race.targets(arguments)
    _publish(read(folder), Path(arguments.out or Path(folder) / SITE), title, arguments, targets)
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
    from efficient.config import Config

    site, budget = site_and_budget(arguments)
    missing = [item for item in planned if not item.done]
    configs = [item.config or item.arm.config for item in missing]
    networks = [config for config in configs if isinstance(config, Config)]
    if budget.limits and len(networks) < len(configs):
        warn(f"budget: what {len(configs) - len(networks)} controls will take is not predicted")
    if budget.limits and networks:
        from efficient.cli.terms import terms
        from efficient.run.forecast import WARNINGS, together

        agreed = terms(arguments)
        unresolved = sum(item.config is None and bool(item.arm.as_long_as) for item in missing)
        estimate = together(networks, out, arguments.data_dir, agreed, unresolved)
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
    found: Folder,
    out: Path,
    title: str,
    arguments: argparse.Namespace,
    targets: Mapping[str, float],
    test: Test = paired,
    shares: Sequence[Share] = (),
) -> None:
    """The site on disk; tables, plots and verdicts on stdout.

    targets: of --target, by workload; test: that decides; shares: of the budget that all arms were
    to have.
    """
    made = comparisons(found.rows, found.records, test, below(found.place))
    reached = reaches(found.compared, targets)
    site = Site(
        records=found.records,
        comparisons=made,
        title=title,
        complaints=(*found.complaints, *(share.said for share in shares)),
        latencies=found.latencies,
        clock=arguments.clock,
        figures=getattr(arguments, "figures", False),
        tell=say,
    )
    path = build(site, out)
    if arguments.json:
        document(
            {
                "title": title,
                "page": str(path),
                **as_json(made),
                **race.document(reached),
                "equal": [
                    to_dict(share) | {"deviation": to_dict(share.deviation)} for share in shares
                ],
                "complaints": found.complaints,
            }
        )
        return
    devices = dict.fromkeys(describe(record.machine) for record in found.records)
    print(printable(f"{title}: {len(found.records)} runs on {'; '.join(devices)}"), end="\n\n")
    terminal(made, console(), arguments.clock)
    for one in made:
        print(f"\n{printable(one.workload)}: {scatter(one.rows, BY_KEY['flops_executed'])}")
    race.tell(reached, console())
    for share in shares:
        print(f"\nequal {share.axis}: {printable(share.said)}")
    for text in found.complaints:
        warn(text)
    print(f"\npage: {path}")
