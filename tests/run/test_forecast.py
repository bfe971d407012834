"""What the runs of an experiment will take together, before those that they need are there."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tiny import DIGITS

from efficient.run.forecast import AROUND, LENGTHS, PARENTS, WARNINGS, together
from efficient.run.terms import Terms
from efficient.variants import Distill, Quantize

CONVERSION = replace(DIGITS, train_for="0 steps", variants=(Quantize(method="ptq"),))


@pytest.mark.parametrize("start", ["", "somebody"])
def test_a_conversion_of_a_run_that_is_not_there_takes_what_is_around_the_steps(tmp_path, start):
    configs = [replace(CONVERSION, start=start, seed=seed) for seed in (0, 1)]
    found = together(configs, tmp_path, None, Terms())
    assert (found.steps, found.flops_executed, found.train_s.high) == (0, 0, 0)
    assert found.total_s.central == 2 * AROUND.central
    assert (PARENTS in found.assumptions) == bool(start)


def test_a_teacher_that_nobody_knows_yet_is_left_out_and_said(tmp_path):
    found = together([replace(CONVERSION, variants=(Distill(),))], tmp_path, None, Terms())
    assert found.assumptions[PARENTS].startswith("1 runs are predicted without")


def test_a_length_that_is_not_known_yet_is_said(tmp_path):
    found = together([CONVERSION], tmp_path, None, Terms(), unresolved=3)
    assert found.assumptions[LENGTHS].startswith("3 runs are predicted for the length of their")
    assert set(WARNINGS) & set(found.assumptions) == {LENGTHS}
