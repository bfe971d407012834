"""What was asked of shipped models, what was found, and the tables of `efficient bench`."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from efficient.benchmark.timing import interval
from efficient.ledger.benchmark import Benchmark, Comparison, Interval, Subject
from efficient.ledger.codec import from_dict
from efficient.ledger.record import Record
from efficient.report.benchmark import tables
from efficient.report.layout import Cell, Table
from efficient.report.number import scaled
from efficient.report.table import to_markdown

FOUND = Path(__file__).with_name("benchmark.json")
FORMS = Path(__file__).with_name("forms.json")
#: Least gain of int8 over float32 at the larger batches, and of the MLP's over bf16.
GAINS, OVER_BF16 = {"MLP": 3.0, "LeNet-5": 2.0, "GPT": 1.8}, 1.2
#: Most that rounding may take: points of accuracy, or nats.
LOSS = {"MLP": 0.2, "LeNet-5": 0.2, "GPT": 0.02}
#: Least share of the theoretical gain that a smaller network realises.
REALISED = 0.6
#: Least compression of all three together, and most points below the baseline.
SMALLER, WORSE = 16.0, 0.5


def answer(records: list[Record]) -> str:
    made = {
        name: from_dict(Benchmark, found, FOUND.name)
        for name, found in json.loads(FOUND.read_text()).items()
    }
    rows = cells(judged(made, records))
    columns = ("network", "batch", "asked", "found", "verdict")
    parts = [to_markdown(Table("", columns, rows)), forms()]
    for name, one in made.items():
        parts.append(f"## {name}, as shipped")
        for table in tables(one):
            parts += [f"### {table.title}", to_markdown(table)]
            parts += ["  \n".join(table.footnotes)] * bool(table.footnotes)
    return "\n\n".join(parts)


def judged(made: dict[str, Benchmark], records: list[Record]) -> Iterator[tuple[str, ...]]:
    for name, least in GAINS.items():
        for kind in ("int8", "int8 dynamic"):
            for found in compared(made[name], f"{name}, {kind}"):
                yield speed(name, found, f"{kind} >= {least:g}x float32", found.gain, least)
            yield from exported(name, kind, least)
        yield loss(name, made[name])
    for batch, gain in over(made["MLP"], "MLP, int8", "MLP, bf16"):
        asked = f"int8 >= {OVER_BF16}x bf16"
        yield ("MLP", str(batch), asked, times(gain), verdict(gain.low, gain.median, OVER_BF16))
    for name in ("wide LeNet", "GPT"):
        for found in compared(made[name], f"{name}, smaller"):
            share = found.gain.low / found.theoretical
            said = f"{found.realised:.2f} of {found.theoretical:.2f}x"
            asked = f"smaller: >= {REALISED} of the FLOP gain"
            yield (*place(name, found), asked, said, verdict(share, found.realised, REALISED))
    for found in compared(made["MLP"], "MLP, masked"):
        said = f"{times(found.gain)}, {found.verdict}"
        good = found.verdict == "no speed claim" and found.gain.low <= 1.1
        asked = "masks: about 1.0 and no claim"
        yield (*place("MLP", found), asked, said, "met" if good else "missed")
    yield composed(records)


def forms() -> str:
    """How much of LeNet-5's gain is the number type, and how much the form of its convolutions."""
    made = json.loads(FORMS.read_text())["lines"]
    rows = [
        (
            str(one["batch"]),
            f"{one['artefact']}, {one['form']}",
            scaled(one["per_s"], "").strip(),
            times(Interval(**one["gain"])),
        )
        for one in made
    ]
    table = Table("", ("batch", "artefact", "images/s", "over float32 as exported"), cells(rows))
    return (
        "### Number type or form\n\nAs exported, convolutions of floats are XLA's own; `efficient "
        "bench` and the tables below gather pixels and multiply matrices where that is faster, for "
        "floats as for integers. Without that, what the form gains would count as int8's:\n\n"
        f"{to_markdown(table)}"
    )


def cells(rows: Iterable[tuple[str, ...]]) -> tuple[tuple[Cell, ...], ...]:
    return tuple(tuple(Cell(text) for text in row) for row in rows)


def compared(made: Benchmark, subject: str) -> Iterator[Comparison]:
    """At the larger batches, decoding left out."""
    for found in made.comparisons:
        if found.subject == subject and found.task != "decode" and found.batch > 1:
            yield found


def exported(name: str, kind: str, least: float) -> Iterator[tuple[str, ...]]:
    """The same of the files as anybody runs them, where the form was compared."""
    for one in json.loads(FORMS.read_text())["lines"]:
        if (one["artefact"], one["form"]) == (f"{name}, {kind}", "exported"):
            gain, asked = Interval(**one["gain"]), f"{kind} >= {least:g}x float32"
            found = verdict(gain.low, gain.median, least)
            yield (f"{name}, as exported", str(one["batch"]), asked, times(gain), found)


def place(name: str, found: Comparison) -> tuple[str, str]:
    return f"{name}, {found.task}", str(found.batch)


def speed(name: str, found: Comparison, asked: str, gain: Interval, least: float):
    return (*place(name, found), asked, times(gain), verdict(gain.low, gain.median, least))


def verdict(low: float, middle: float, least: float) -> str:
    """Met where even the low end of the interval is; by the median alone it is named so."""
    return "met" if low >= least else "met by the median" if middle >= least else "missed"


def times(gain: Interval) -> str:
    return f"{gain.median:.2f}x [{gain.low:.2f}, {gain.high:.2f}]"


def over(made: Benchmark, subject: str, other: str) -> Iterator[tuple[int, Interval]]:
    """Gain of one subject over another, from rounds in which both took their turn."""
    seconds = {(rate.subject, rate.batch): rate.seconds for rate in made.rates}
    for batch in sorted({rate.batch for rate in made.rates} - {1}):
        pairs = zip(seconds[other, batch], seconds[subject, batch], strict=True)
        yield batch, interval([slow / fast for slow, fast in pairs])


def loss(name: str, made: Benchmark) -> tuple[str, ...]:
    """What rounding to int8 takes, on the whole test split."""
    whole, rounded = (subject(made, label).score for label in (name, f"{name}, int8"))
    if name == "GPT":
        taken, unit = rounded.loss - whole.loss, "nats"
    else:
        taken, unit = 100 * (whole.accuracy - rounded.accuracy), "points"
    asked = f"int8 takes <= {LOSS[name]} {unit}"
    good = taken <= LOSS[name]
    return (name, "", asked, f"{taken:+.4f} {unit}", "met" if good else "missed")


def subject(made: Benchmark, name: str) -> Subject:
    return next(one for one in made.subjects if one.name == name)


def composed(records: list[Record]) -> tuple[str, ...]:
    """Pruned, quantized and distilled in one run, against the baseline's artefact."""
    runs = {record.arm: record for record in records}
    before, after = runs["LeNet-5"], runs["LeNet-5, all three"]
    assert before.cost.stored_bytes and after.cost.stored_bytes
    smaller = before.cost.stored_bytes / after.cost.stored_bytes
    scores = [100 * run.scores["artefact"].accuracy for run in (before, after)]
    worse = scores[0] - scores[1]
    good = smaller >= SMALLER and worse <= WORSE
    asked = f"all three: >= {SMALLER:g}x smaller, <= {WORSE} points below"
    found = f"{smaller:.1f}x, {worse:+.2f} points ({scores[1]:.2f} %)"
    return ("LeNet-5", "", asked, found, "met" if good else "missed")
