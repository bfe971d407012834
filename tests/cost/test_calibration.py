"""Three micro-benchmarks and nothing else; a calibration that is kept, found again, and expires."""

from __future__ import annotations

import dataclasses
import datetime
import itertools

import jax
import pytest

from efficient.cost import calibration as module
from efficient.cost.calibration import (
    calibrate,
    current,
    description,
    load,
    machine_key,
    save,
)
from efficient.cost.flops import count
from efficient.cost.microbenchmark import Benchmark, Timer, benchmarks
from efficient.cost.value import program
from efficient.ledger.bill import Calibration

MADE = Calibration(
    machine="a machine",
    measured_utc="2026-01-01T00:00:00+00:00",
    seconds=20.0,
    matmul={"float32 forward 8x8x8": 1e9},
    convolution={"float32 forward 64x8x64x64x3": 1e10},
    copy={"straight 1024": 1e10},
    dispatch_s=1e-5,
    spread=0.05,
)
ALL = benchmarks()
#: What a turn may do beside its work: bring one number of the last result into the next operands.
CHAINING = {"slice", "min", "max", "neg", "broadcast_in_dim", "dynamic_update_slice"}
WORK = {
    "matmul": {"dot_general"},
    "convolution": {"conv_general_dilated"},
    "copy": {"mul", "transpose"},
}


def traced(benchmark: Benchmark):
    return jax.make_jaxpr(benchmark.body)(jax.eval_shape(benchmark.start))


def by_name(name: str) -> Benchmark:
    return next(made for made in ALL if made.name == name)


@pytest.mark.parametrize("benchmark", ALL, ids=lambda made: made.name)
def test_work_of_a_turn_is_what_it_executes(benchmark):
    jaxpr = traced(benchmark)
    if benchmark.kind == "copy":
        array = jax.eval_shape(benchmark.start)[0]
        assert benchmark.work == 2 * array.size * array.dtype.itemsize
        assert count(jaxpr).priced == 0
    else:
        assert benchmark.work == count(jaxpr, padded=True).total


@pytest.mark.parametrize("benchmark", ALL, ids=lambda made: made.name)
def test_a_turn_is_one_product_one_convolution_or_one_copy(benchmark):
    names = [equation.primitive.name for equation in program(traced(benchmark)).eqns]
    work = [name for name in names if name in WORK[benchmark.kind]]
    assert len(work) == len(set(work)) and work
    assert set(names) - set(work) <= CHAINING | {"convert_element_type"}
    assert benchmark.kind != "copy" or names == work


@pytest.mark.parametrize("benchmark", ALL, ids=lambda made: made.name)
def test_a_turn_ends_where_the_next_begins(benchmark):
    start = jax.eval_shape(benchmark.start)
    end = jax.eval_shape(benchmark.body, start)
    assert jax.tree.map(lambda x: (x.shape, x.dtype), tuple(start)) == jax.tree.map(
        lambda x: (x.shape, x.dtype), tuple(end)
    )


def test_names_are_distinct_and_every_kind_is_there():
    names = [made.name for made in ALL]
    assert len(names) == len(set(names))
    assert {made.kind for made in ALL} == {"matmul", "convolution", "copy"}


def test_a_timer_turns_its_loop_as_often_as_it_says():
    benchmark = by_name("straight 1024")
    doubling = dataclasses.replace(benchmark, body=lambda carry: (carry[0] + 1, carry[1]))
    timer = Timer(doubling, 0.0)
    before = float(timer._carry[0][0])
    timer.turns = 5
    assert timer.measure() > 0
    assert float(timer._carry[0][0]) == before + 5


def test_repeats_are_interleaved_and_medians_are_kept(monkeypatch):
    """A stand-in for the clock: the repeats of a benchmark take 1, 2, 9, ... seconds of work."""
    calls: list[str] = []
    repeats = {made.name: iter([1.0, 2.0, 9.0, 2.0, 2.0]) for made in ALL[:3]}

    class Fake:
        def __init__(self, benchmark, slice_s):
            self.benchmark = benchmark

        def measure(self):
            calls.append(self.benchmark.name)
            return next(repeats[self.benchmark.name])

    monkeypatch.setattr(module, "Timer", Fake)
    monkeypatch.setattr(module, "benchmarks", lambda: ALL[:3])
    monkeypatch.setattr(module, "dispatch", lambda: [1e-6, 2e-6, 3e-6])
    monkeypatch.setattr(module, "BUDGET_S", 0.0)
    told: list[str] = []
    made = calibrate(told.append)
    names = [benchmark.name for benchmark in ALL[:3]]
    assert calls == names * module.ROUNDS
    assert made.copy == {benchmark.name: benchmark.work / 2.0 for benchmark in ALL[:3]}
    assert made.dispatch_s == 2e-6
    assert made.spread == pytest.approx((5.5 - 1.5) / 2 / 2.0)  # quartiles of 1, 2, 2, 2, 9
    assert made.machine == description() and len(told) == len(names) + module.ROUNDS


def test_calibrate_measures_for_real(monkeypatch):
    few = [by_name("straight 1024"), by_name("float32 forward 8x8x8")]
    monkeypatch.setattr(module, "benchmarks", lambda: few)
    monkeypatch.setattr(module, "BUDGET_S", 0.0)
    monkeypatch.setattr(module, "SLICE_S", 1e-4)
    made = calibrate()
    assert set(made.copy) | set(made.matmul) == {benchmark.name for benchmark in few}
    assert min([*made.copy.values(), *made.matmul.values(), made.dispatch_s, made.seconds]) > 0
    assert made.spread >= 0


def test_what_is_saved_is_found_again(tmp_path):
    path = save(MADE, tmp_path)
    assert load(tmp_path, machine_key(MADE.machine)) == MADE
    assert [path] == [found for found in tmp_path.rglob("*") if found.is_file()]


def test_no_calibration_and_a_broken_one_are_none(tmp_path):
    assert load(tmp_path, "0" * 16) is None
    path = save(MADE, tmp_path)
    for text in ("", "[]", "{}", '{"machine": 1, "other": 2}'):
        path.write_text(text)
        assert load(tmp_path, machine_key(MADE.machine)) is None


def test_a_calibration_is_this_machines_and_expires(tmp_path):
    now = datetime.datetime.now(datetime.UTC)
    old = (now - datetime.timedelta(hours=2)).isoformat()
    save(MADE, tmp_path)
    assert current(tmp_path, 1e9) is None  # of another machine
    here = dataclasses.replace(MADE, machine=description(), measured_utc=old)
    save(here, tmp_path)
    assert current(tmp_path, 3 * 3600) == here
    assert current(tmp_path, 3600) is None


def test_machines_differ_by_their_words():
    words = ["a cpu, jax 1", "a cpu, jax 2", "a gpu, jax 1"]
    assert all(machine_key(a) != machine_key(b) for a, b in itertools.combinations(words, 2))
