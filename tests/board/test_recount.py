"""FLOPs counted again, phase by phase."""

from __future__ import annotations

from dataclasses import replace

import pytest

from efficient.board import configuration, recount
from efficient.board.entry import open_entry
from efficient.board.error import BoardError
from efficient.variants import Lottery


def test_a_run_of_many_phases_counts_as_one_of_as_many_steps_and_too_many_are_refused(entered):
    one = next(iter(configuration.decode(open_entry(entered[1])).values()))

    def counted(steps, *variants):
        config = replace(one.config, train_for=f"{steps} steps", variants=variants)
        return recount.recount(replace(one, config=config), {})

    many = counted(2000, Lottery(sparsity=0.5, rounds=recount.MOST_PHASES - 1))
    assert many.steps == 2000
    assert many.least["flops_model"] == counted(2000).least["flops_model"]
    with pytest.raises(BoardError, match=r"1,001 phases; at most 1,000 are counted"):
        counted(2000, Lottery(sparsity=0.5, rounds=recount.MOST_PHASES))
