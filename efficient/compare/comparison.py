"""Everything that rows say beside each other, found once and shown by whoever asks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from efficient.compare.decision import Decision, decide
from efficient.compare.difference import baseline_of
from efficient.compare.dominance import Dominance, dominance
from efficient.compare.example import Agreement, agreements, single_pairs, untested
from efficient.compare.front import Front, fronts
from efficient.compare.gate import Gate, gates
from efficient.compare.reading import readings
from efficient.compare.sentence import sentences
from efficient.compare.significance import Test, paired
from efficient.compare.summary import Row
from efficient.ledger.prediction import Correct, nothing
from efficient.ledger.record import Record


@dataclass(frozen=True)
class Comparison:
    """The arms of one workload.

    decisions, dominances  of every row that has a baseline, in the order of the rows; a baseline at
                           another budget makes no claim
    gates                  the same against the baseline's curve, where it has one
    agreements             of pairs of single runs whose predictions are stored
    sentences              the same in words, by label
    """

    workload: str
    rows: tuple[Row, ...]
    decisions: tuple[Decision, ...]
    gates: tuple[Gate, ...]
    dominances: tuple[Dominance, ...]
    fronts: tuple[Front, ...]
    agreements: tuple[Agreement, ...]
    sentences: dict[str, str]
    readings: tuple[str, ...]


def compare(
    rows: Sequence[Row],
    records: Sequence[Record] = (),
    test: Test = paired,
    correct: Correct = nothing,
) -> list[Comparison]:
    """One comparison for each workload, in the order of the rows.

    records: those of the rows, for what curves say. test: that of `decision.decide`. correct: the
    test examples that a run had right; asked only of arms of one seed.
    """
    return [_compare(*here, records, test, correct) for here in workloads(rows).items()]


def workloads(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Rows by workload, in their order."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.workload, []).append(row)
    return found


def _compare(
    workload: str, rows: Sequence[Row], records: Sequence[Record], test: Test, correct: Correct
) -> Comparison:
    decisions, judged = decide(rows, test), gates(rows, test)
    claims = [row for row in rows if not row.at_budget]
    sides = [(row, base) for row in claims if (base := baseline_of(row, rows))]
    shown = [dominance(*side, one, test) for side, one in zip(sides, decisions, strict=True)]
    lines = fronts(rows)
    alone = {side.run_ids[0] for pair in single_pairs(rows) for side in pair}
    right = {r.run_id: c for r in records if r.run_id in alone and (c := correct(r)) is not None}
    agreed = agreements(rows, right)
    return Comparison(
        workload=workload,
        rows=tuple(rows),
        decisions=tuple(decisions),
        gates=tuple(judged),
        dominances=tuple(shown),
        fronts=tuple(lines),
        agreements=tuple(agreed),
        sentences=sentences(rows, decisions, judged, agreed, test),
        readings=(*readings(rows, lines, shown, records, test), *untested(rows, agreed)),
    )
