"""Bills of a lineage: a teacher, its student, the pruned student and its int8 conversion."""

import dataclasses
from dataclasses import replace

import pytest
import tiny
from fabrication import record
from hypothesis import given
from hypothesis import strategies as st

from efficient.compare.error import CompareError
from efficient.compare.lineage import bill, lineage
from efficient.ledger.record import Parent
from efficient.variants import Distill, Quantize

COSTS = {"teacher": 1000, "student": 300, "pruned": 31, "int8": 7}
NEEDS = {
    "student": ("teacher", "teacher"),
    "pruned": ("student", "start"),
    "int8": ("pruned", "start"),
}


def run(name, flops, *parents):
    made = record()
    return dataclasses.replace(
        made,
        run_id=name,
        cost=dataclasses.replace(made.cost, flops_executed=flops),
        parents=tuple(dataclasses.replace(PARENT, run_id=i, role=role) for i, role in parents),
    )


PARENT = Parent(**{f.name: "" for f in dataclasses.fields(Parent)})
CHAIN = {
    name: run(name, flops, *([NEEDS[name]] if name in NEEDS else []))
    for name, flops in COSTS.items()
}


def test_three_views_add_up_to_the_integer():
    found = bill(CHAIN["int8"], CHAIN, "flops_executed")
    assert (found.marginal, found.parents, found.full) == (7, 1331, 1338)
    assert found.amortised(11) == 7 + 121 and isinstance(found.amortised(11), int)
    assert found.amortised(2) == 7 + 665.5
    assert found.missing == ()
    assert bill(CHAIN["teacher"], CHAIN, "flops_executed").full == 1000


def test_without_the_teachers_record_the_full_cost_is_unknown():
    known = {name: one for name, one in CHAIN.items() if name != "teacher"}
    found = bill(CHAIN["int8"], known, "flops_executed")
    assert found.marginal == 7 and found.full is None and found.amortised(10**9) is None
    assert found.missing == ("teacher",)


def test_a_parent_of_unknown_cost_is_not_free():
    known = CHAIN | {"student": run("student", None, NEEDS["student"])}
    found = bill(CHAIN["int8"], known, "flops_executed")
    assert found.full is None and found.missing == ()


def test_a_run_that_two_needed_is_paid_once():
    both = run("both", 5, ("student", "teacher"), ("pruned", "teacher"))
    assert bill(both, CHAIN, "flops_executed").full == 5 + 31 + 300 + 1000


def test_a_reference_is_no_ancestor():
    assert lineage(run("alone", 5, ("teacher", "reference")), CHAIN) == {}


@pytest.mark.parametrize("closing", ["student", "int8"])
def test_a_cycle_is_refused_by_its_names(closing):
    known = CHAIN | {"teacher": run("teacher", 1, (closing, "start"))}
    with pytest.raises(CompareError, match=r"cannot be its own ancestor: .*teacher"):
        bill(CHAIN["int8"], known, "flops_executed")


def test_a_lineage_of_any_depth_is_read():
    long = {str(i): run(str(i), 1, (str(i + 1), "start")) for i in range(5000)}
    long["5000"] = run("5000", 1)
    assert bill(long["0"], long, "flops_executed").full == 5001


@given(st.integers(1, 50))
def test_sharing_never_costs_less_than_the_run_nor_more_than_everything(runs):
    found = bill(CHAIN["int8"], CHAIN, "flops_executed")
    assert found.marginal <= found.amortised(runs) <= found.full


def test_nobody_shares_with_nobody():
    with pytest.raises(CompareError, match="shared by 0 runs"):
        bill(CHAIN["int8"], CHAIN, "flops_executed").amortised(0)


def test_a_chain_that_was_trained_adds_up(trained):
    """A teacher, its student, the pruned student and its int8 conversion, as four real runs."""
    teacher = trained(tiny.DIGITS)
    student = trained(replace(tiny.DIGITS, variants=(Distill(teacher=teacher.run_id),)))
    half = replace(tiny.DIGITS, variants=(tiny.ONE_SHOT,), start=student.run_id)
    pruned = trained(half)
    conversion = (Quantize(method="ptq"),)
    int8 = trained(replace(half, variants=conversion, start=pruned.run_id, train_for="0 steps"))
    chain = (teacher, student, pruned, int8)
    spent = [one.cost.flops_executed for one in chain]
    by_id = {one.run_id: one for one in chain}
    found = bill(int8, by_id, "flops_executed")
    assert all(isinstance(flops, int) for flops in spent)
    assert (found.marginal, found.parents, found.full) == (spent[3], sum(spent[:3]), sum(spent))
    assert found.amortised(sum(spent[:3])) == spent[3] + 1
    del by_id[teacher.run_id]
    unknown = bill(int8, by_id, "flops_executed")
    assert (unknown.marginal, unknown.full, unknown.missing) == (spent[3], None, (teacher.run_id,))
