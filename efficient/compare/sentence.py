"""One sentence for an arm: what was gained, what it cost, and what may not be claimed.

The words come from the columns and the evidence of a row, not from the names of variants.
"""

from __future__ import annotations

from collections.abc import Sequence

from efficient.compare import breakeven
from efficient.compare.column import BY_KEY
from efficient.compare.contrast import MEASURED, UNDECIDED, UNKNOWN, contrast
from efficient.compare.decision import BETTER, WORSE, Decision
from efficient.compare.difference import SAME, Difference, baseline_of, difference, times
from efficient.compare.evidence import is_masked, is_quantized
from efficient.compare.example import Agreement
from efficient.compare.gate import Gate, against
from efficient.compare.significance import Test, paired
from efficient.compare.summary import Row

#: The columns every sentence names, in this order.
NAMED = ("flops_executed", "flops_effective", "train_s", "stored_bytes")


def sentences(
    rows: Sequence[Row],
    decisions: Sequence[Decision],
    gates: Sequence[Gate] = (),
    agreements: Sequence[Agreement] = (),
    test: Test = paired,
) -> dict[str, str]:
    """One sentence for each row of a workload that has a baseline among `rows`, by its label.

    decisions, gates, agreements: those of the rows. test: by which they were made.
    """
    by_arm = {one.arm: one for one in agreements}
    claims = [row for row in rows if not row.at_budget]
    pairs = [(row, base) for row in claims if (base := baseline_of(row, rows))]
    made = zip(pairs, decisions, strict=True)
    return {
        row.label: sentence(
            row,
            base,
            decision,
            [one for one in gates if one.arm == row.label],
            by_arm.get(row.label),
            test,
        )
        for (row, base), decision in made
    }


def listed(words: Sequence[str]) -> str:
    """`a, b and c`, of one word or more."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def sentence(
    row: Row,
    baseline: Row,
    decision: Decision,
    gates: Sequence[Gate] = (),
    agreement: Agreement | None = None,
    test: Test = paired,
) -> str:
    """One sentence: quality with its verdict, four cost ratios, and the bounds of the claim.

    gates: against the baseline's curve, on each axis of cost.
    """
    gap = difference(row, baseline)
    sides: dict[str, list[str]] = {"gained": [], "paid": [], "unchanged": [], "undecided": []}
    if decision.word in (BETTER, WORSE):
        side = "gained" if decision.word == BETTER else "paid"
        sides[side].append(f"a {decision.word.lower()} {row.quality_name}")
    for key in NAMED:
        side, words = _cost(key, row, baseline, gap, test)
        sides[side].append(words)
    parts = [
        f"{row.quality_name} {_value(row)} against {_value(baseline)} ({decision.said})",
    ]
    parts += [agreement.said] if agreement else []
    parts += [] if sides["gained"] else ["no gain shown"]
    parts += [f"{side} {listed(words)}" for side, words in sides.items() if words]
    if gates:
        parts.append(f"against the baseline's curve {against(gates)}")
    parts += _bounds(row, baseline, gap)
    return f"{row.label} against {baseline.label}: {'; '.join(parts)}."


def _value(row: Row) -> str:
    sd = "" if row.quality.sd is None else f" ± {row.quality.sd:.4f}"
    return f"{row.quality.mean:.4f}{sd}"


def _cost(key: str, row: Row, baseline: Row, gap: Difference, test: Test) -> tuple[str, str]:
    """Of the arm's own runs: the side of the sentence, and the ratio in words."""
    title = BY_KEY[key].title
    if key not in gap.ratios:
        reason = row.unknown.get(key) or baseline.unknown.get(key) or "the baseline's is 0"
        return "undecided", f"{title} unknown ({reason})"
    words = f"{title} {times(gap.ratios[key])}"
    if key in MEASURED:
        found = contrast(row, baseline, key, test, lineage=False)
        if found.word in (UNDECIDED, UNKNOWN):
            return "undecided", f"{words} ({found.reason or 'no difference shown'})"
    if abs(gap.ratios[key] - 1) <= SAME:
        return "unchanged", words
    return ("gained" if gap.ratios[key] < 1 else "paid"), words


def _bounds(row: Row, baseline: Row, gap: Difference) -> list[str]:
    """What limits the claim: FLOPs that did not fall, a teacher's bill, when it is paid back."""
    found = []
    executed = gap.ratios.get("flops_executed")
    fell = executed is not None and executed < 1 - SAME
    if not fell and (is_masked(row) or is_quantized(row)):
        found.append("executed FLOPs did not fall: no speed claim")
    if bill := _teacher(row, baseline):
        found.append(bill)
    if search := _search(row, baseline):
        found.append(search)
    if (predictions := breakeven.break_even(row, baseline)) is not None:
        found.append(breakeven.said(predictions))
    return found


def _teacher(row: Row, baseline: Row) -> str:
    """The bill of a teacher: its forward inside the steps, and its own training."""
    whole, forward = baseline.cost("flops_executed"), row.cost("flops_teacher")
    training, executed = row.cost("flops_parents"), row.cost("flops_executed")
    if not whole or not (forward or training or "flops_parents" in row.unknown):
        return ""
    parts = [f"a teacher's forward in the steps is {forward / whole:.2f}"] if forward else []
    if training is None:
        parts.append("the parents' own training is unknown (not among these records)")
        return f"of the baseline's executed FLOPs, {listed(parts)}"
    parts.append(f"the parents' own training {training / whole:.2f}")
    if executed is not None:
        parts.append(f"the whole lineage {(executed + training) / whole:.2f}")
    return f"of the baseline's executed FLOPs, {listed(parts)}"


def _search(row: Row, baseline: Row) -> str:
    """What the first model of the arm needed beside its own run and its parents."""
    whole = baseline.cost("flops_executed")
    outlay = row.outlays.get("flops_executed")
    if not whole or outlay is None or outlay.tuning == outlay.failed == 0:
        return ""
    shares = {"trials": outlay.tuning, "failed attempts": outlay.failed}
    parts = [f"{name} {_share(spent, whole)}" for name, spent in shares.items() if spent != 0]
    first = _share(outlay.first, whole)
    return (
        f"its first model cost {first} times the baseline's executed FLOPs, of it {listed(parts)}"
    )


def _share(spent: float | None, whole: float) -> str:
    return "unknown" if spent is None else f"{spent / whole:.2f}"
