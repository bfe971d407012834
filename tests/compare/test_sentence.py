"""Sentences and proofs say what the columns say, and no more."""

from __future__ import annotations

import dataclasses

import pytest
from fabrication import MACHINE, record, records

from efficient.compare.decision import decide
from efficient.compare.evidence import proof
from efficient.compare.sentence import sentences
from efficient.compare.summary import rows

X = "\N{MULTIPLICATION SIGN}"
NO_SPEED = "executed FLOPs did not fall: no speed claim"


@pytest.fixture(scope="module")
def digits():
    return {row.label: row for row in rows(records()) if row.workload == "digits"}


def said(digits, label):
    return of(digits[label], digits["baseline"])


def of(row, baseline):
    return sentences([baseline, row], decide([baseline, row]))[row.label]


def pair(**changes):
    """A row of three seeds against the baseline, both equal but for `changes` of its cost."""
    made = [record(seed=seed) for seed in range(3)]
    others = [
        dataclasses.replace(
            r, arm="other", run_id=f"{r.run_id}o", cost=dataclasses.replace(r.cost, **changes)
        )
        for r in made
    ]
    baseline, other = rows([*made, *others])
    return other, baseline


def test_every_sentence_has_quality_with_spread_and_four_costs(digits):
    for label in ("pruned", "quantized", "distilled", "teacher"):
        text = said(digits, label)
        for column in ("executed training FLOPs", "effective training FLOPs", "train seconds"):
            assert f"{column} {X}" in text
        assert f"stored bytes {X}" in text
        assert ("points" in text or "one seed" in text) and text.endswith(".") and "\n" not in text


def test_masked_arm_makes_no_claim_of_speed(digits):
    text = said(digits, "pruned")
    assert f"gained effective training FLOPs {X}0.38 and stored bytes {X}0.20" in text
    assert f"unchanged executed training FLOPs {X}1.00" in text
    assert "(INCONCLUSIVE, -0.0371 points [" in text
    assert NO_SPEED in text


def test_quantized_arm_makes_no_claim_of_speed(digits):
    text = said(digits, "quantized")
    assert f"gained stored bytes {X}0.26; paid train seconds {X}1.19" in text
    assert NO_SPEED in text


def test_speed_is_not_denied_where_executed_flops_fell():
    masked = [record(arm="pruned", seed=s) for s in range(3)]
    masked = [
        dataclasses.replace(r, cost=dataclasses.replace(r.cost, flops_executed=10)) for r in masked
    ]
    baseline, row = rows([*(record(seed=s) for s in range(3)), *masked])
    assert NO_SPEED not in of(row, baseline)


def test_distilled_arm_shows_both_bills_of_the_teacher(digits):
    text = said(digits, "distilled")
    assert "a teacher's forward in the steps is 3.33" in text
    assert "the parents' own training 10.00 and the whole lineage 14.33" in text
    assert "gained a better accuracy" in text


def test_absent_teacher_is_said():
    made = [record(arm=arm, seed=s) for s in range(3) for arm in ("baseline", "distilled")]
    baseline, row = rows(made)
    assert "the parents' own training is unknown" in of(row, baseline)


def test_nothing_gained_is_said():
    text = of(*pair())
    assert "; no gain shown; unchanged " in text
    assert "gained" not in text and "paid" not in text


def test_quality_that_is_decided_is_gained_or_paid():
    text = {
        row.label: of(row, base)
        for base, *others in [[r for r in rows(records()) if r.workload == "shakespeare"]]
        for row in others
    }
    assert "gained a better bits/byte" in text["distilled"]
    assert "paid a worse bits/byte" in text["pruned"]
    assert "a better" not in text["quantized"] and "a worse" not in text["quantized"]


def test_seconds_of_another_machine_are_no_gain():
    made = [record(seed=s) for s in range(3)]
    fast = dataclasses.replace(MACHINE, cpu="Apple M4")
    others = [
        dataclasses.replace(
            r,
            arm="other",
            run_id=f"o{r.seed}",
            machine=fast,
            cost=dataclasses.replace(r.cost, train_s=1),
        )
        for r in made
    ]
    baseline, row = rows([*made, *others])
    text = of(row, baseline)
    assert f"undecided train seconds {X}0.12 (different machines)" in text
    assert "no gain shown" in text


def test_one_seed_leaves_quality_and_seconds_undecided(digits):
    text = said(digits, "teacher")
    assert "(INCONCLUSIVE, +0.977 points (no test: 1 seed))" in text
    assert f"undecided train seconds {X}4.88 (one seed)" in text


def test_unknown_cost_is_said_with_its_reason():
    reasons = {"stored_bytes": "no artefact was written"}
    text = of(*pair(stored_bytes=None, unknown=reasons))
    assert "undecided stored bytes unknown (no artefact was written)" in text


# -- proofs ----------------------------------------------------------------------------------------


def test_proof_of_a_mask(digits):
    assert proof(digits["pruned"]) == (
        "kept 26,661 of 266,200 weights (asked 26,661), removed all exactly 0 in the file"
    )


def with_evidence(arm, *evidence):
    made = [
        dataclasses.replace(record(arm=arm, seed=s), evidence=e) for s, e in enumerate(evidence)
    ]
    return rows(made)[0]


def test_proof_tells_what_failed():
    kept = {"weights_kept": 10, "weights_removed_nonzero": 0}
    row = with_evidence("pruned", kept, kept | {"weights_kept": 12, "weights_removed_nonzero": 3})
    assert (
        proof(row)
        == "kept 10-12 weights of 266,610 params, 3 removed weights are NOT 0 in the file"
    )


def test_proof_of_integers(digits):
    assert proof(digits["quantized"]) == "integer arrays 3, weight bytes 0.256 of float32"


def test_proof_of_two_mechanisms_is_both():
    row = with_evidence("pruned", {"weights_kept": 10, "weights_prunable": 20, "integer_arrays": 2})
    assert proof(row) == "kept 10 of 20 weights; integer arrays 2"


def test_proof_of_distillation_is_against_the_same_teacher(digits):
    everything = list(digits.values())
    text = proof(digits["distilled"], everything)
    assert text == "KL to teacher 0.028 vs 0.111 of the undistilled, nearer on 3 of 3 seeds"
    elsewhere = dataclasses.replace(
        digits["baseline"],
        parents=tuple(
            tuple(dataclasses.replace(p, run_id="another") for p in parents)
            for parents in digits["baseline"].parents
        ),
    )
    alone = "KL to teacher 0.028; no undistilled run was measured against the same teacher"
    assert proof(digits["distilled"], [elsewhere, digits["distilled"]]) == alone
    assert proof(digits["distilled"]) == alone


def test_reference_that_the_evidence_names_counts_before_the_parents(digits):
    named = ({"reference": "teacher-x", **e} for e in digits["distilled"].evidence)
    row = dataclasses.replace(digits["distilled"], evidence=tuple(named))
    assert "no undistilled run" in proof(row, [digits["baseline"], row])


def test_no_mechanism_has_no_proof(digits):
    assert proof(digits["baseline"], list(digits.values())) == ""
    assert proof(digits["teacher"], list(digits.values())) == ""
