"""Is training with few bits ever worse than rounding afterwards?"""

from collections.abc import Sequence

from efficient.compare.comparison import workloads
from efficient.compare.difference import gains
from efficient.compare.spread import spread
from efficient.compare.summary import Row, rows
from efficient.ledger.record import Record
from efficient.report.layout import Cell, Table
from efficient.report.table import to_markdown

BITS = (8, 6, 4, 3, 2)
COLUMNS = ("workload", "bits", "QAT less PTQ", "less PTQ of least error", "QAT is")


def answer(records: Sequence[Record]) -> str:
    made = [
        compared({row.label: row for row in here}, workload, bits)
        for workload, here in workloads(rows(records)).items()
        for bits in BITS
    ]
    return (
        f"{to_markdown(Table('', COLUMNS, tuple(made)))}\n\nPoints of accuracy, or bits per "
        "character turned so that more is better: mean and deviation of the differences by seed. "
        "*Worse* is beyond that deviation."
    )


def compared(here: dict[str, Row], workload: str, bits: int) -> tuple[Cell, ...]:
    trained = here[f"QAT @ {bits} bits"]
    others = (here[f"PTQ @ {bits} bits"], here[f"PTQ, least error @ {bits} bits"])
    found = [spread(gains(trained, other)) for other in others]
    worse = any(one.mean < 0 and -one.mean > (one.sd or 0.0) for one in found)
    texts = (*(f"{one.mean:+.3f} ± {one.sd or 0.0:.3f}" for one in found), "worse" * worse)
    return tuple(Cell(text) for text in (workload, str(bits), *texts))
