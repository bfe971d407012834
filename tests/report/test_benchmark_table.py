"""The tables of a benchmark say which number types stand against each other."""

import dataclasses

from efficient.ledger.benchmark import (
    FASTER,
    NO_CLAIM,
    Benchmark,
    Comparison,
    Contraction,
    Interval,
    Latency,
    Memory,
    Rate,
    Subject,
)
from efficient.ledger.record import Machine, Score
from efficient.report.benchmark import tables
from efficient.report.number import NONE

MACHINE = Machine("cpu", "Some CPU", 1, "Some CPU", (), 2, 10**9, "linux x86_64")
MEMORY = Memory(128, 150_000_000, 300_000_000, 200_000_000, "process VmHWM")


def subject(name, dtypes, score, recorded, claim=""):
    first = next(iter(dtypes))
    made = Contraction(first, dtypes, sum(dtypes.values()), 1, 0.0, 1.0, 1.0)
    files = {"weights.safetensors": 1000, "card.json": 234}
    return Subject(name, name, score, recorded, files, 0.1, 0.2, MEMORY, made, claim)


def comparison(name, dtype, task, gain, basis, verdict):
    ends = Interval(gain, gain - 0.1, gain + 0.1, 11)
    null = Interval(1.0, 0.98, 1.03, 11)
    return Comparison(
        name, dtype, "full", "float32", task, 128, ends, null, 16.0, basis, gain / 16, verdict
    )


def benchmark(task="predict"):
    score = Score(0.5, 0.9712, 100)
    subjects = (
        subject("full", {"float32": 100}, score, score),
        subject("small", {"int8": 98, "float32": 2}, score, Score(0.4, 0.97, 100)),
        subject("masked", {"float32": 100}, score, None, "no speed claim: 90 % are 0"),
    )
    rates = [Rate(s.name, task, 128, "images", 12_345.0, (0.01,)) for s in subjects]
    compared = (
        comparison("small", "int8", task, 3.2, "bit operations", FASTER),
        comparison("masked", "float32", task, 1.0, "FLOPs", NO_CLAIM),
    )
    quantiles = {"p50": 0.00123, "p90": 0.002}
    latencies = (Latency("full", task, 20, quantiles),)
    return Benchmark(
        "mnist", MACHINE, {}, subjects, latencies, tuple(rates), compared, ("no VNNI",)
    )


def text_of(table):
    return [[cell.text for cell in row] for row in table.rows]


def test_images():
    shipped, latency, throughput = tables(benchmark())
    rows = text_of(shipped)
    assert rows[0][1:5] == ["float32", "97.12 %", "the same", "1.23 kB"]
    assert rows[1][1:4] == ["int8 (98 %), float32", "97.12 %", "+0.12 points"]
    assert rows[2][3] == "unknown" and rows[0][6] == "200 MB, 300 MB"
    assert "masked: no speed claim: 90 % are 0" in shipped.footnotes
    assert shipped.footnotes[-1] == "no VNNI"
    assert text_of(latency) == [["full", "float32", "1.23 ms", "2.00 ms", NONE, "20"]]
    rows = text_of(throughput)
    assert rows[0] == ["128", "full", "float32", "12.3 k", "reference", "", "", ""]
    assert rows[1] == [
        "",
        "small",
        "int8 against float32",
        "12.3 k",
        "3.20x [3.10, 3.30]",
        "16.00x BOPs",
        "0.20",
        FASTER,
    ]
    assert rows[2][2] == "float32 against float32" and rows[2][5:] == [
        "16.00x FLOPs",
        "0.06",
        NO_CLAIM,
    ]
    assert "full against itself: 0.98x to 1.03x" in throughput.footnotes[-1]


def test_one_alone_and_texts():
    made = benchmark("prefill")
    alone = dataclasses.replace(made, subjects=made.subjects[1:2], rates=made.rates[1:2])
    latencies = tuple(
        dataclasses.replace(made.latencies[0], subject="small", task=task)
        for task in ("prefill", "decode")
    )
    alone = dataclasses.replace(alone, comparisons=(), latencies=latencies)
    shipped, latency, throughput = tables(alone)
    assert text_of(shipped)[0][2:4] == ["0.7213 bits", "+1e-01 bits"]
    assert throughput.columns == (">batch", "artefact", "multiplies", ">tokens/s")
    assert text_of(throughput) == [["128", "small", "int8", "12.3 k"]]
    assert latency.title == "Latency of prefill at batch 1"
