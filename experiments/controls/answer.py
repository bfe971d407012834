"""Quality against seconds and bytes, networks and controls in one plot, and what stands out."""

from pathlib import Path

from efficient.compare.column import BY_KEY
from efficient.compare.comparison import workloads
from efficient.compare.front import pareto
from efficient.compare.summary import BASELINE, Row, rows
from efficient.ledger.record import Record
from efficient.ledger.store import write_text
from efficient.report import number, plot
from efficient.report.layout import Cell, Table
from efficient.report.table import to_markdown

FOLDER = Path(__file__).parent
COLUMNS = ("train_s", "stored_bytes")


def answer(records: list[Record]) -> str:
    parts = []
    for workload, here in workloads(rows(records)).items():
        parts += [f"## {workload}, in short", said(here), to_markdown(table(here))]
        for column in (BY_KEY[key] for key in COLUMNS):
            name = f"{workload}-{column.key}.svg"
            if picture := plot.svg(here, column):
                write_text(FOLDER / name, picture)
                parts.append(f"![{workload}: quality against {column.title}]({name})")
    return "\n\n".join([*parts, "# All tables"])


def table(here: list[Row]) -> Table:
    """Quality, seconds, bytes, and what one prediction of the test split took."""
    made = [
        (
            Cell(f"{row.label} ({row.model})" if row.arm == BASELINE else row.label),
            Cell(str(row.n)),
            Cell(number.quality_spread(row, row.quality)),
            *(Cell(number.cost(row, BY_KEY[key])) for key in COLUMNS),
            Cell(prediction(row)),
            Cell(number.cost(row, BY_KEY["flops_inference"])),
        )
        for row in here
    ]
    unit = here[0].unit
    columns = ("arm", "seeds", number.quality_title(here[0]), "train", "stored")
    return Table("", (*columns, f"us per {unit}", "FLOPs of an example"), tuple(made))


def prediction(row: Row) -> str:
    found = [float(e["predict_us"]) for e in row.evidence if "predict_us" in e]
    return number.significant(sum(found) / len(found)) if found else number.NONE


def said(here: list[Row]) -> str:
    """Which arms are no worse than the network, and who is on the front of seconds."""
    networks = [row for row in here if row.arm == BASELINE]
    if not networks:
        return "The network is not among the records."
    (network,) = networks
    sign = 1 if network.more_is_better else -1
    level = sign * network.quality.mean
    ahead = [row.label for row in here if row is not network and sign * row.quality.mean >= level]
    front = [row.label for row in here if row.label in pareto(here, "train_s")]
    return (
        f"At least as good as the baseline ({network.model}), in the mean: "
        f"{', '.join(ahead) or 'none'}. On the front of quality and train seconds: "
        f"{', '.join(front)}."
    )
