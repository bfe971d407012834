"""Verdicts on tickets against the dense network and against their controls."""

from efficient.compare.verdict import Verdict, judge_direction, judge_same
from efficient.ledger.record import Record
from efficient.report.layout import Cell, Table
from efficient.report.table import to_markdown

#: Points of accuracy that do not matter, that fresh weights lose at 21.1 %, and that a ticket loses
#: at 1.19 % (an independent rerun with three seeds); that a ticket of 13.5 % gains.
MARGIN, PUBLISHED, LOST, GAINED = 0.3, 0.5, 1.1, 0.3


def answer(records: list[Record]) -> str:
    dense = points(records, "baseline")
    tickets = {share: points(records, f"ticket @ {share} %") for share in (21.1, 13.5, 3.58, 1.19)}
    fresh = {share: points(records, f"fresh weights @ {share} %") for share in (21.1, 3.58)}
    same = (
        row(
            f"the ticket of {share} % is as good as the dense network",
            f"within {MARGIN}",
            judge_same(less(tickets[share], dense), MARGIN),
        )
        for share in (21.1, 3.58)
    )
    better = row(
        "the ticket of 13.5 % is better than the dense network",
        f"{GAINED}",
        judge_direction(less(tickets[13.5], dense), GAINED),
    )
    lost = row(
        "at 1.19 % it is worse",
        f"{LOST} (a rerun)",
        judge_direction(less(dense, tickets[1.19]), LOST),
    )
    own = (
        row(
            f"at {share} % its own weights beat fresh ones",
            f"{PUBLISHED} at 21.1 %",
            judge_direction(less(tickets[share], fresh[share]), PUBLISHED),
        )
        for share in (21.1, 3.58)
    )
    columns = ("claim (points of test accuracy)", "published", "here", "95 %", "p", "verdict")
    table = to_markdown(Table("", columns, (*same, better, lost, *own)))
    return f"{table}\n\n{reading(records)}"


def row(claim: str, published: str, found: Verdict) -> tuple[Cell, ...]:
    interval = f"{found.low:+.2f} to {found.high:+.2f}"
    cells = (claim, published, f"{found.effect:+.2f}", interval, f"{found.p:.2g}", found.word)
    return tuple(Cell(text) for text in cells)


def points(records: list[Record], arm: str) -> list[float]:
    """Test accuracy in percent by seed, at the lowest loss on validation."""
    runs = sorted((r for r in records if r.arm == arm), key=lambda r: r.seed)
    return [100 * run.scores["test"].accuracy for run in runs]


def less(a: list[float], b: list[float]) -> list[float]:
    return [x - y for x, y in zip(a, b, strict=True)]


def reading(records: list[Record]) -> str:
    """What finding a ticket costs."""
    spent = {
        arm: [r.cost.flops_executed for r in records if r.arm == arm and r.cost.flops_executed]
        for arm in ("baseline", "ticket @ 3.58 %")
    }
    once, found = (sum(values) / len(values) for values in spent.values())
    return (
        f"Finding a ticket of 3.58 % executes {found / once:.0f} times the FLOPs of the dense "
        "network's training. Claims of sameness take two one-sided tests (their interval is the "
        "90 % one), the others a one-sided paired t-test at 5 %; an effect counts as "
        "the published one from half to twice of it."
    )
