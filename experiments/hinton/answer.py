"""Errors beside the printed ones, and the verdict on the claim."""

import runpy
import statistics
from pathlib import Path

from efficient.compare.verdict import judge_direction
from efficient.ledger.record import Record
from efficient.report.layout import Cell, Table
from efficient.report.table import to_markdown

PUBLISHED = {"teacher": 67, "hard student": 146, "soft student": 74}
#: Errors by which the teacher must be better, else there is nothing to pass on.
GATE = 30


def errors(record: Record, split: str = "test") -> int:
    score = record.scores[split]
    return round((1 - score.accuracy) * score.units)


def answer(records: list[Record]) -> str:
    found = {arm: by_seed(records, arm) for arm in PUBLISHED}
    mean = {arm: statistics.mean(runs.values()) for arm, runs in found.items()}
    rows = [
        (Cell(arm), Cell(", ".join(map(str, runs.values()))), Cell(f"{mean[arm]:.1f}"), printed)
        for arm, runs in found.items()
        for printed in [Cell(str(PUBLISHED[arm]))]
    ]
    columns = ("errors of 10,000", "by seed", "mean", "published")
    parts = [to_markdown(Table("", columns, tuple(rows))), verdict(found, mean)]
    searched = [r for r in records if r.arm.startswith("search")]
    cost = sum(r.cost.train_s for r in searched)
    parts.append(
        f"Learning rates were searched by {len(searched)} runs of {cost:.0f} s of training in all: "
        + "; ".join(f"{r.arm.removeprefix('search, ')}: {wrong(r)}" for r in searched)
        + f" errors on validation. {chosen(searched)}"
    )
    return "\n\n".join(parts)


def chosen(searched: list[Record]) -> str:
    """Whether the students have the rates that the search says."""
    found = runpy.run_path(str(Path(__file__).with_name("experiment.py")))["FOUND"]
    best = {
        labels: min(
            (r for r in searched if r.arm.startswith(f"search, {labels}")), key=wrong
        ).config["optimizer"]["lr"]
        for labels in found
    }
    if best == found:
        return "The students have the best of them."
    return f"**The best are {best}, and the students have {found}: train them again.**"


def by_seed(records: list[Record], arm: str) -> dict[int, int]:
    return {r.seed: errors(r) for r in sorted(records, key=lambda r: r.seed) if r.arm == arm}


def wrong(record: Record) -> int:
    return errors(record, "validation")


def verdict(found: dict[str, dict[int, int]], mean: dict[str, float]) -> str:
    teacher, hard, soft = (mean[arm] for arm in PUBLISHED)
    if teacher > hard - GATE:
        return (
            f"**No verdict.** The teacher makes {hard - teacher:.0f} errors fewer than the hard "
            f"student, and the gate asks for {GATE}: there is too little to pass on."
        )
    hard_by, soft_by = found["hard student"], found["soft student"]
    published = PUBLISHED["hard student"] - PUBLISHED["soft student"]
    judged = judge_direction([hard_by[seed] - soft_by[seed] for seed in hard_by], published)
    share = (hard - soft) / (hard - teacher)
    printed = published / (PUBLISHED["hard student"] - PUBLISHED["teacher"])
    return (
        f"**{judged.word}.** Soft labels save {judged.effect:.1f} errors "
        f"[{judged.low:.0f}, {judged.high:.0f}], p = {judged.p:.2g}, {judged.pairs} pairs; "
        f"published: {published}. Of the gap to the teacher they close {share:.2f}; "
        f"published: {printed:.2f}. (One-sided paired t-test at 5 %; the effect counts as the same "
        "from half to twice the published one.)"
    )
