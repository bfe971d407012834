"""What a teacher adds at every size of the student, and whether it has to be a larger one."""

from collections.abc import Sequence

from efficient.compare.comparison import workloads
from efficient.compare.difference import gains
from efficient.compare.spread import spread
from efficient.compare.summary import Row, rows
from efficient.compare.verdict import judge_direction
from efficient.ledger.record import Record
from efficient.report.layout import Cell, Table
from efficient.report.table import to_markdown

COMPRESSIONS = (2, 4, 8, 16, 32)
#: Name of a comparison, and its two arms.
PAIRS = (
    ("large teacher less none", "distilled", "alone"),
    ("its own size less none", "self-distilled", "alone"),
    ("large less its own size", "distilled", "self-distilled"),
)


def answer(records: Sequence[Record]) -> str:
    found = {
        workload: {row.label: row for row in here}
        for workload, here in workloads(rows(records)).items()
    }
    columns = ("workload", "student", *(name for name, _, _ in PAIRS))
    made = tuple(
        compared(here, workload, compression)
        for workload, here in found.items()
        for compression in COMPRESSIONS
    )
    said = [pooled(here, workload) for workload, here in found.items()]
    return "\n\n".join(
        [
            to_markdown(Table("", columns, made)),
            "Points of accuracy, or bits per character turned so that more is better: mean and "
            "deviation of the differences by seed.",
            *said,
        ]
    )


def compared(here: dict[str, Row], workload: str, compression: int) -> tuple[Cell, ...]:
    pairs = (
        gains(here[f"{a} @ {compression}x"], here[f"{b} @ {compression}x"]) for _, a, b in PAIRS
    )
    texts = (f"{one.mean:+.3f} ± {one.sd or 0.0:.3f}" for one in map(spread, pairs))
    return tuple(Cell(text) for text in (workload, f"{compression}x smaller", *texts))


def pooled(here: dict[str, Row], workload: str) -> str:
    """All sizes together; the mean over sizes is taken first, so that a seed counts once."""
    parts = []
    for name, a, b in PAIRS:
        sizes = [gains(here[f"{a} @ {c}x"], here[f"{b} @ {c}x"]) for c in COMPRESSIONS]
        judged = judge_direction([sum(s) / len(s) for s in zip(*sizes, strict=True)], 1.0)
        parts.append(
            f"{name} {judged.effect:+.3f} [{judged.low:+.3f}, {judged.high:+.3f}], "
            f"p = {judged.p:.2g}"
        )
    return f"{workload}, mean of all sizes by seed (95 %, one-sided p): {'; '.join(parts)}."
