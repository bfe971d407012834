"""Only what may be averaged is averaged, and rows say what they are made of."""

from __future__ import annotations

import dataclasses
import math
import statistics

import pytest
from fabrication import MACHINE, record, records

from efficient.compare.error import CompareError
from efficient.compare.note import notes
from efficient.compare.spread import spread
from efficient.compare.summary import describe, rows
from efficient.ledger.record import Parent, Score


def change(made, **changes):
    return dataclasses.replace(made, **changes)


def cost(made, **changes):
    return change(made, cost=dataclasses.replace(made.cost, **changes))


def only(made):
    (row,) = rows(made)
    return row


def test_a_row_for_each_workload_and_arm_with_baselines_first():
    found = [(row.workload, row.label, row.n) for row in rows(records())]
    arms = [("baseline", 3), ("distilled", 3), ("pruned", 3), ("quantized", 3), ("teacher", 1)]
    assert found == [(w, a, n) for w in ("digits", "shakespeare") for a, n in arms]


def test_mean_and_sample_deviation_over_seeds():
    made = [record(seed=seed) for seed in (2, 0, 1)]
    row = only(made)
    values = [record(seed=seed).scores["test"].accuracy for seed in (0, 1, 2)]
    assert row.seeds == (0, 1, 2)
    assert row.quality_name == "accuracy" and row.more_is_better
    assert row.quality.values == tuple(values)
    assert row.quality.mean == pytest.approx(statistics.mean(values))
    assert row.quality.sd == pytest.approx(statistics.stdev(values))
    assert row.cost("train_s") == pytest.approx(statistics.mean(r.cost.train_s for r in made))


def test_one_seed_has_no_deviation():
    assert only([record()]).quality.sd is None
    assert spread([3.0]) == dataclasses.replace(spread([3.0, 3.0]), sd=None, values=(3.0,))


@pytest.mark.parametrize(
    ("unit", "details", "name"),
    [
        ("byte", {}, "bits/byte"),
        ("token", {"unit": "byte"}, "bits/byte"),
        ("token", {}, "bits/token"),
    ],
)
def test_text_is_scored_in_bits(unit, details, name):
    made = record("shakespeare")
    made = change(
        made,
        data=dataclasses.replace(made.data, unit=unit, details=details),
        scores={"test": Score(math.log(8), 0.4, 100)},
    )
    row = only([made])
    assert row.quality_name == name and not row.more_is_better
    assert row.quality.mean == pytest.approx(3.0)
    assert row.artefact_quality is None


def test_only_finished_runs_count():
    assert rows([change(record(), status=s) for s in ("interrupted", "nonfinite")]) == []


def test_latest_run_of_a_seed_counts_and_a_note_says_so():
    early = record()
    late = change(record(), run_id="later", started_utc="2026-01-01T00:00:00Z")
    row = only([late, early])
    assert row.run_ids == ("later",)
    assert row.notes == ("1 earlier runs of the same seeds are not averaged",)


def test_different_data_is_refused():
    one, other = record(seed=0), record(arm="pruned", seed=1)
    other = change(other, data=dataclasses.replace(other.data, fingerprint="ee" * 32))
    with pytest.raises(CompareError, match=r"data\.fingerprint d1d1d1d1d1d1 and eeee") as raised:
        rows([one, other])
    assert one.run_id in str(raised.value) and other.run_id in str(raised.value)


def test_different_configuration_is_refused_with_the_first_field():
    one, other = record(seed=0), record(seed=1)
    other = change(other, config=other.config | {"train": other.config["train"] | {"lr": 0.01}})
    with pytest.raises(CompareError, match=r"config\.train\.lr is 0\.001 and 0\.01") as raised:
        rows([one, other])
    assert one.run_id in str(raised.value) and other.run_id in str(raised.value)
    assert "\n" not in str(raised.value)


def test_each_seed_may_have_its_own_teacher_and_labels():
    made = []
    for seed in (0, 1):
        teacher = Parent("teacher", f"teacher-s{seed}", "ab")
        plain = record(arm="distilled", seed=seed)
        variants = [{"name": "distill", "teacher": f"runs/teacher-s{seed}"}]
        config = plain.config | {"variants": variants, "preset": f"p{seed}", "reference": str(seed)}
        made.append(change(plain, config=config, parents=(teacher,)))
    assert only(made).n == 2


def test_same_arm_of_two_models_is_two_rows_with_their_own_labels():
    other = change(record(), model="lenet5", run_id="other")
    assert [r.label for r in rows([record(), other])] == ["baseline lenet300", "baseline lenet5"]


def test_unknown_cost_has_its_reason_and_no_value():
    known, unknown = record(seed=0), cost(record(seed=1), flops_effective=None)
    row = only([known, unknown])
    assert row.cost("flops_effective") is None
    assert row.unknown["flops_effective"] == "not measured"
    assert row.unknown["memory_peak_bytes"] == "no allocator statistics on cpu"
    assert row.cost("flops_scoring") == 0, "a known 0 is a value"


def test_parents_are_charged_in_full_and_through_theirs():
    grand = change(record(arm="teacher"), run_id="grand", parents=())
    mother = change(record(arm="teacher", seed=1), run_id="mother")
    mother = change(mother, parents=(Parent("start", "grand", "ab"),))
    child = record(arm="distilled")
    twice = (Parent("teacher", "mother", "ab"), Parent("start", "grand", "ab"))
    child = change(child, parents=(*twice, Parent("reference", "elsewhere", "ab")))
    found = {row.arm: row for row in rows([grand, change(mother, arm="mother"), child])}
    assert found["distilled"].cost("flops_parents") == 2 * 9.6e12
    assert found["mother"].cost("flops_parents") == 9.6e12
    assert found["teacher"].cost("flops_parents") == 0


def test_circle_of_parents_is_refused():
    one, other = record(arm="pruned"), record(arm="quantized")
    one = change(one, parents=(Parent("start", other.run_id, "ab"),))
    other = change(other, parents=(Parent("start", one.run_id, "ab"),))
    with pytest.raises(CompareError, match=f"its own ancestor: .*{one.run_id}"):
        rows([one, other])


def test_absent_parent_makes_the_bill_unknown():
    row = only([record(arm="distilled")])
    assert row.cost("flops_parents") is None
    assert row.unknown["flops_parents"] == "a parent is not among these records"


def test_run_without_a_test_score_is_refused():
    with pytest.raises(CompareError, match="has no score on 'test'"):
        rows([change(record(), scores={})])


def test_notes_tell_of_machines_seeds_and_sources():
    fast = change(record(arm="pruned"), machine=dataclasses.replace(MACHINE, cpu="Apple M4"))
    new = change(record(seed=1), source=dataclasses.replace(record().source, digest="00"))
    found = "\n".join(notes(rows([record(), new, fast, record(arm="pruned", seed=2)])))
    assert (
        "digits: seconds come from different machines (AMD EPYC 9R14, 2 CPU cores; Apple" in found
    )
    assert "digits: the arms were not run with the same seeds" in found
    assert "digits, baseline: its runs were made by different versions" in found
    assert "one seed" not in found
    assert notes(rows([record()])) == ["digits: one seed, so the spread is unknown: baseline"]


@pytest.mark.parametrize("cores, said", [(1, "1 CPU core"), (2, "2 CPU cores")])
def test_a_machine_counts_its_cores_in_words(cores, said):
    assert describe(dataclasses.replace(MACHINE, cores=cores)).endswith(f", {said}")
