"""A benchmark of tiny artefacts, on a clock that ticks once at every look."""

from __future__ import annotations

import dataclasses
import itertools

import pytest
from tiny import DIGITS, PRUNE, QUANTIZE, TEXT

from efficient.benchmark import BenchmarkError, process
from efficient.benchmark import bench as measure
from efficient.benchmark.contender import name_of, prepare, tasks
from efficient.benchmark.contest import _verdict, needed_bytes
from efficient.benchmark.examination import examples, recorded, workload_of
from efficient.data import load as load_dataset
from efficient.deploy import load
from efficient.ledger.benchmark import FASTER, NO_CLAIM, SLOWER, UNRESOLVED, Benchmark, Interval
from efficient.ledger.codec import from_dict, to_dict

TICK = 2.0**-10


def ticking():
    ticks = itertools.count()
    return lambda: next(ticks) * TICK


@pytest.fixture(scope="module")
def shipped(trained):
    """`shipped(name)`: the artefact of one of the smallest runs, by what was done to it."""
    variants = {"baseline": (), "int8": (QUANTIZE,), "pruned": (PRUNE,)}
    configs = {name: dataclasses.replace(DIGITS, variants=v) for name, v in variants.items()}
    configs |= {"text": TEXT, "text int8": dataclasses.replace(TEXT, variants=(QUANTIZE,))}
    return lambda name: trained.out / trained(configs[name]).run_id / "artefact"


@pytest.fixture
def here(monkeypatch):
    """Load and run in this process instead of one for each artefact, and end soon."""
    monkeypatch.setattr(process, "measure", process.observe)
    monkeypatch.setattr("efficient.benchmark.contest.MOST", 8)


def test_images(shipped, here, trained):
    said: list[str] = []
    folders = [shipped(name) for name in ("baseline", "int8", "pruned")]
    made = measure(folders, batches=(1, 4), seconds=0.01, tell=said.append, clock=ticking())
    baseline, int8, pruned = made.subjects
    assert baseline.score == baseline.recorded == trained(DIGITS).scores["test"]
    assert int8.recorded is not None
    assert int8.score.accuracy == int8.recorded.accuracy and int8.contraction.dtype == "int8"
    assert int8.score.loss == pytest.approx(int8.recorded.loss, rel=1e-6)
    assert baseline.claim == int8.claim == "" and "are 0 and are multiplied" in pruned.claim
    assert baseline.stored_bytes == sum(p.stat().st_size for p in folders[0].iterdir())
    assert min(baseline.load_s, baseline.compile_s) > 0
    assert {(rate.batch, rate.unit) for rate in made.rates} == {(b, "images") for b in (1, 4, 8)}
    verdicts = {found.subject: found.verdict for found in made.comparisons}
    assert verdicts == {int8.name: UNRESOLVED, pruned.name: NO_CLAIM}
    assert all(found.gain == found.null for found in made.comparisons)  # every call took a tick
    assert {(found.dtype, found.reference_dtype) for found in made.comparisons} == {
        ("int8", "float32"),
        ("float32", "float32"),
    }
    assert [latency.quantiles["p50"] for latency in made.latencies] == [TICK] * 3
    assert made.notes[-1] == "predict: no batch above 8: that is the most tried"
    assert "predict: throughput at batch 8" in said
    assert from_dict(Benchmark, to_dict(made)) == made


@pytest.mark.slow
def test_texts(shipped, here):
    folders = [shipped("text"), shipped("text int8")]
    made = measure(folders, batches=(2,), seconds=0.01, clock=ticking())
    assert {rate.task for rate in made.rates} == {"prefill", "decode"}
    per_s = {(r.task, r.batch): r for r in made.rates if r.subject == made.subjects[0].name}
    prefill, decode = per_s["prefill", 4], per_s["decode", 4]
    assert prefill.unit == decode.unit == "tokens"
    assert prefill.per_s == pytest.approx(16 * decode.per_s)  # a text has 16 tokens
    for subject in made.subjects:
        assert subject.recorded is not None
        assert subject.score.loss == pytest.approx(subject.recorded.loss, abs=1e-5)
    assert made.subjects[1].contraction.dtype == "int8"


def test_one_alone_has_no_ratio(shipped, here):
    made = measure([shipped("baseline")], batches=(8,), seconds=0.01, clock=ticking())
    assert len(made.rates) == 1 and made.comparisons == ()


def test_memory_ends(shipped, here, monkeypatch):
    monkeypatch.setattr("efficient.benchmark.contest.free_bytes", lambda: 30_000)
    monkeypatch.setattr("efficient.benchmark.contest.MOST", 1000)
    made = measure([shipped("baseline")], batches=(1, 1000), seconds=0.01, clock=ticking())
    assert [rate.batch for rate in made.rates] == [1]
    assert made.notes[-1] == "predict: no batch of 1000: memory ends"


def test_other_workloads_are_refused(shipped, here):
    with pytest.raises(BenchmarkError, match="learned different workloads: bench them apart"):
        measure([shipped("baseline"), shipped("text")])


def test_a_process_of_its_own(shipped):
    found = process.measure(shipped("baseline"), 2)
    memory = found.memory
    assert min(found.load_s, found.compile_s) > 0 and memory.batch == 2
    assert 0 < memory.imported_bytes <= memory.peak_bytes
    assert memory.running_bytes is None or memory.running_bytes <= memory.peak_bytes
    assert (memory.running_bytes is None) == bool(memory.reason)


def test_a_process_that_fails_says_why(tmp_path):
    with pytest.raises(BenchmarkError, match=r"cannot be loaded in a process of its own.*Artefact"):
        process.measure(tmp_path, 1)


def test_decoding_hands_its_cache_on(shipped):
    artefact = load(shipped("text"))
    workload = workload_of(artefact)
    dataset = load_dataset(workload.data)
    inputs = examples(workload, dataset, 3)
    assert tasks(artefact) == ("prefill", "decode") and inputs.shape == (3, 16)
    ready = prepare(artefact, "decode", inputs)
    ready.call()
    ready.call()
    assert 0 < ready.held_bytes < ready.planned_bytes
    assert needed_bytes([ready, ready]) == ready.planned_bytes + 2 * ready.held_bytes


def test_examples_begin_again(shipped):
    artefact = load(shipped("baseline"))
    workload = workload_of(artefact)
    dataset = load_dataset(workload.data)
    count = workload.examples(dataset, "test")
    inputs = examples(workload, dataset, count + 2)
    assert inputs.shape[0] == count + 2
    assert (inputs[-2:] == inputs[:2]).all() and (inputs[0] != inputs[1]).any()


def test_where_the_name_and_the_recorded_score_are_from(shipped, trained):
    artefact = load(shipped("baseline"))
    record = trained(DIGITS)
    assert name_of(artefact) == record.run_id and recorded(artefact) == record.scores["test"]
    score = {"loss": 0.5, "accuracy": 0.25, "units": 4, "reason": ""}
    carded = dataclasses.replace(artefact, card=artefact.card | {"scores": {"test": score}})
    assert to_dict(recorded(carded)) == score
    shipped_score = score | {"accuracy": 0.5}
    both = {"scores": {"test": score, "artefact": shipped_score}}
    assert to_dict(recorded(dataclasses.replace(artefact, card=both))) == shipped_score | {
        "reason": ""
    }
    moved = dataclasses.replace(artefact, folder=artefact.folder / "elsewhere")
    assert name_of(moved) == "elsewhere" and recorded(moved) is None


@pytest.mark.parametrize("plain", [None, {}, {"type": "nowhere:Thing"}, {"type": "images"}])
def test_a_card_without_its_workload_is_refused(shipped, plain):
    artefact = load(shipped("baseline"))
    card = artefact.card | {"workload": plain}
    with pytest.raises(BenchmarkError, match="its workload cannot be loaded"):
        workload_of(dataclasses.replace(artefact, card=card))


@pytest.mark.parametrize(
    "gain, null, verdict",
    [
        ((1.2, 1.3), (0.9, 1.1), FASTER),
        ((1.05, 1.3), (0.9, 1.1), UNRESOLVED),
        ((0.95, 1.3), (0.99, 1.01), UNRESOLVED),
        ((0.5, 0.8), (0.9, 1.1), SLOWER),
        ((0.5, 0.95), (0.9, 1.1), UNRESOLVED),
    ],
)
def test_verdicts(gain, null, verdict):
    gain, null = (Interval(sum(ends) / 2, ends[0], ends[1], 9) for ends in (gain, null))
    assert _verdict(gain, null, "") == verdict
    assert _verdict(gain, null, "zeros are multiplied") == NO_CLAIM
