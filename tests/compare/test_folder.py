"""A folder is compared as a whole where that is allowed, else each of its folders by itself."""

from __future__ import annotations

import dataclasses
import json

import pytest
from fabrication import record, records

from efficient.cli import main
from efficient.compare.error import CompareError
from efficient.compare.folder import BENCHMARK, read
from efficient.compare.lineage import total
from efficient.ledger.notation import trial
from efficient.ledger.store import RECORD, write_json, write_record

LATENCY = {"subject": "baseline", "task": "predict", "calls": 9, "quantiles": {"p50": 0.002}}
MADE = {"workload": "digits", "versions": {}, "subjects": [], "latencies": [LATENCY]}


def keep(folder, found):
    for made in found:
        write_record(folder / made.run_id, made)


def other(made):
    """The same run with another question, by the same name."""
    config = made.config | {"train": {"steps": 7}}
    return dataclasses.replace(made, run_id=f"{made.run_id}-other", config=config)


def test_folders_that_may_be_compared_are_one(tmp_path):
    keep(tmp_path / "one", [record(arm="baseline", seed=0)])
    keep(tmp_path / "two", [record(arm="baseline", seed=1), record(arm="pruned")])
    found = read(tmp_path)
    assert [(row.workload, row.label, row.n) for row in found.rows] == [
        ("digits", "baseline", 2),
        ("digits", "pruned", 1),
    ]
    assert found.complaints == ()


def test_folders_that_may_not_be_are_apart_and_a_complaint_says_why(tmp_path):
    keep(tmp_path / "one", [record(arm="baseline")])
    keep(tmp_path / "two", [other(record(arm="baseline")), record(arm="pruned")])
    (tmp_path / "empty").mkdir()
    found = read(tmp_path)
    assert [row.workload for row in found.rows] == ["one/digits", "two/digits", "two/digits"]
    assert len(found.records) == 3
    assert "compared by itself, because runs" in found.complaints[0]
    assert "config.train.steps is 1200 and 7" in found.complaints[0]


def test_lineage_goes_across_folders_that_are_apart(tmp_path):
    everything = records()
    teacher = [r for r in everything if r.arm == "teacher" and r.workload == "digits"]
    keep(tmp_path / "one", [*teacher, record(arm="baseline")])
    keep(tmp_path / "two", [other(record(arm="baseline")), record(arm="distilled")])
    distilled = next(row for row in read(tmp_path).rows if row.label == "distilled")
    assert distilled.cost("flops_parents") == total(teacher, "flops_executed")


def test_trials_of_a_parent_are_charged_across_folders_that_are_apart(tmp_path):
    everything = records()
    teacher = [r for r in everything if r.arm == "teacher" and r.workload == "digits"]
    tried = dataclasses.replace(teacher[0], run_id="tried", arm=trial("teacher", 1))
    unrelated = dataclasses.replace(record(arm="distilled"), run_id="no", status="nonfinite")
    keep(tmp_path / "one", [*teacher, tried, unrelated, record(arm="baseline")])
    keep(tmp_path / "two", [other(record(arm="baseline")), record(arm="distilled")])
    distilled = next(row for row in read(tmp_path).rows if row.label == "distilled")
    outlay = distilled.outlays["flops_executed"]
    assert outlay.tuning == tried.cost.flops_executed
    assert outlay.failed == 0, "an attempt at another arm of that name"


def test_a_parent_is_looked_for_in_the_own_folder_first(tmp_path):
    """The same request trained twice, in two folders, has one id and two costs."""
    teacher = next(r for r in records() if r.arm == "teacher" and r.workload == "digits")
    slow = dataclasses.replace(teacher, cost=dataclasses.replace(teacher.cost, train_s=1e4))
    keep(tmp_path / "one", [teacher, record(arm="baseline"), record(arm="distilled")])
    keep(tmp_path / "two", [slow, other(record(arm="baseline")), record(arm="distilled")])
    spent = {r.workload: r.cost("train_s_parents") for r in read(tmp_path).rows if r.parents[0]}
    assert spent == {"one/digits": teacher.cost.train_s, "two/digits": 1e4}


def spoil(path, *places):
    """Write null in place of numbers."""
    plain = json.loads(path.read_text())
    for *outer, last in places:
        part = plain
        for key in outer:
            part = part[key]
        part[last] = None
    write_json(path, plain)


SECONDS = (
    ("cost", "train_s"),
    ("cost", "laps", "train"),
    ("cost", "processes", 0, "total_s"),
    ("cost", "estimate", "train_s", "central"),
    ("points", 0, "train_s"),
    ("scores", "artefact", "accuracy"),
)


def test_null_in_place_of_a_number_is_unknown_and_stops_no_report(tmp_path, capsys):
    made = [record(arm=arm, seed=seed) for arm in ("baseline", "pruned") for seed in (0, 1)]
    keep(tmp_path, made)
    spoil(tmp_path / made[3].run_id / RECORD, *SECONDS)
    assert main(["report", str(tmp_path), "--target", "0.9", "--clock", "all"]) == 0
    said = capsys.readouterr().out
    assert "nan" not in said.replace("nanogpt", "")
    assert "train unknown (not measured): pruned" in said


def test_a_run_without_a_quality_is_left_out_and_named(tmp_path, capsys):
    made = [record(arm=arm, seed=seed) for arm in ("baseline", "pruned") for seed in (0, 1)]
    keep(tmp_path, made)
    spoil(tmp_path / made[3].run_id / RECORD, ("scores", "test", "accuracy"))
    assert main(["report", str(tmp_path), "--json"]) == 0
    (why,) = json.loads(capsys.readouterr().out)["complaints"]
    assert why == f"run {made[3].run_id} has no number for its accuracy on 'test': repeat it"
    assert {row.label: row.n for row in read(tmp_path).rows} == {"baseline": 2, "pruned": 1}


def test_one_folder_that_may_not_be_compared_is_refused(tmp_path):
    keep(tmp_path, [record(arm="baseline"), other(record(arm="baseline"))])
    with pytest.raises(CompareError, match="differ in more than the seed"):
        read(tmp_path)


def test_folder_without_a_finished_run_is_refused(tmp_path):
    keep(tmp_path, [dataclasses.replace(record(), status="interrupted")])
    with pytest.raises(CompareError, match="holds no finished run; train some with --out"):
        read(tmp_path)


@pytest.mark.parametrize("several", [False, True])
def test_latencies_of_benchmarks_beside_the_records(tmp_path, several):
    made = record(arm="baseline")
    benchmark = MADE | {"machine": dataclasses.asdict(made.machine)}
    keep(tmp_path, [made])
    write_json(tmp_path / BENCHMARK, {"first": benchmark} if several else benchmark)
    assert read(tmp_path).latencies == {("digits", "baseline"): 0.002}


def test_benchmark_that_is_unfit_is_a_complaint(tmp_path):
    keep(tmp_path, [record(arm="baseline")])
    (tmp_path / BENCHMARK).write_text(json.dumps({"first": {"workload": "digits"}}))
    found = read(tmp_path)
    assert found.latencies == {} and "machine" in found.complaints[0]
