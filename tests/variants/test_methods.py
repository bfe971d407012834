"""The contract of every method on tiny images and tiny text."""

from __future__ import annotations

import pytest
from methods import FIRST, METHODS, cases

from efficient.check import check
from efficient.cli.override import variant


def keeps_its_contract(name, tried):
    text = METHODS[name]
    findings = check(text.partition(":")[0], cases=tried, variant=variant(text))
    assert [f"{f.name}: {f.detail}" for f in findings if not f.passed] == []


@pytest.mark.parametrize("name", FIRST)
def test_a_method_keeps_its_contract(name):
    keeps_its_contract(name, {"images": cases(name)["images"]})


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_every_method_keeps_its_contract(name):
    keeps_its_contract(name, cases(name))
