"""Large and sparse, or small and dense? (Zhu and Gupta 2017, arXiv 1710.01878)"""

from collections.abc import Sequence

from efficient.compare.comparison import workloads
from efficient.compare.difference import gains
from efficient.compare.summary import ACCURACY, Row, rows
from efficient.compare.verdict import judge_direction
from efficient.ledger.record import Record
from efficient.report.layout import Cell, Table
from efficient.report.table import to_markdown

COMPRESSIONS = (2, 4, 8, 16, 32)
COLUMNS = ("workload", "control", "better at", "mean difference", "95 %", "p")


def answer(records: Sequence[Record]) -> str:
    made, said = [], []
    for workload, here in workloads(rows(records)).items():
        found = {row.label: row for row in here}
        made += [compared(found, workload, control) for control in ("random", "small dense")]
        if f"small dense, equal time @ {COMPRESSIONS[0]}x" in found:
            said.append(equal_time(found))
    table = to_markdown(Table("", COLUMNS, tuple(made)))
    return "\n\n".join([f"Gradual magnitude pruning against its controls:\n\n{table}", *said])


def compared(found: dict[str, Row], workload: str, control: str) -> tuple[Cell, ...]:
    """Paired by seed at every compression, and the mean of all by seed: one run is seen once."""
    pairs = [gains(found[f"magnitude @ {c}x"], found[f"{control} @ {c}x"]) for c in COMPRESSIONS]
    better = sum(sum(differences) > 0 for differences in pairs)
    by_seed = [sum(differences) / len(differences) for differences in zip(*pairs, strict=True)]
    judged = judge_direction(by_seed, published=1.0)  # the size of the effect is not judged here
    accuracy = found[f"{control} @ {COMPRESSIONS[0]}x"].quality_name == ACCURACY
    texts = (
        workload,
        f"{control}, as many non-zeros",
        f"{better} of {len(pairs)} compressions",
        f"{judged.effect:+.2f} {'points' if accuracy else 'bits'}",
        f"{judged.low:+.2f} to {judged.high:+.2f}",
        f"{judged.p:.1g}",
    )
    return tuple(Cell(text) for text in texts)


def equal_time(found: dict[str, Row]) -> str:
    """What the arms of equal time really took, since their steps were planned beforehand."""
    ratios = []
    for c in COMPRESSIONS:
        names = (f"small dense, equal time @ {c}x", f"magnitude @ {c}x")
        mine, whole = (found[name].costs["train_s"] for name in names)
        ratios.append(f"{mine.mean / whole.values[0]:.2f} at {c}x")
    return (
        "Steps of the arms of equal time are planned from a prediction. They took, of the seconds "
        f"of the pruned network that they should equal: {', '.join(ratios)}."
    )
