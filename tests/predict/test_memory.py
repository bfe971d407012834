"""What a chip holds, and the smallest change that makes it hold it."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from efficient.predict.language import Attention
from efficient.predict.memory import (
    CHANGES,
    MOST_CHIPS,
    Memory,
    fit,
    recomputed_by_segments,
    transformer_memory,
)

#: State 1,600 bytes; 8 examples of 100 bytes, 20 recomputed.
SMALL = Memory(
    weights_bytes=400,
    gradients_bytes=400,
    optimizer_bytes=800,
    activation_bytes=100,
    recomputed_bytes=20,
    examples=8,
    activation_bits=32,
    model="",
)
sizes = st.integers(0, 10**12)
memories = st.builds(
    Memory,
    weights_bytes=sizes,
    gradients_bytes=sizes,
    optimizer_bytes=sizes,
    activation_bytes=st.integers(1, 10**10),
    recomputed_bytes=st.integers(0, 10**10),
    examples=st.integers(1, 4096),
    activation_bits=st.sampled_from([16, 32]),
    model=st.just(""),
    data_bytes=st.integers(0, 10**9),
)


def test_a_chip_holds_the_state_and_its_examples():
    assert fit(SMALL, 2400, 1).chip_bytes == 1600 + 8 * 100
    assert fit(SMALL, 2400, 1).fits is True and fit(SMALL, 2400, 1).remedies == ()
    assert fit(SMALL, 2400, 3).chip_bytes == 1600 + 3 * 100
    assert fit(dataclasses.replace(SMALL, data_bytes=7), 2400, 1).chip_bytes == 2407


def test_every_change_that_suffices_alone_is_named():
    found = fit(SMALL, 2000, 1)
    assert found.fits is False
    assert {remedy.change: (remedy.chips, remedy.chip_bytes) for remedy in found.remedies} == {
        CHANGES["one_at_a_time"]: (1, 1700),
        CHANGES["recomputed"]: (1, 1760),
        CHANGES["halved"]: (1, 2000),
        CHANGES["sharded"]: (2, 1200),
    }


def test_changes_are_joined_where_none_suffices_alone():
    found = fit(SMALL, 1650, 1)
    alone = [remedy for remedy in found.remedies if "+" not in remedy.change]
    assert [(remedy.change, remedy.chips) for remedy in alone] == [(CHANGES["sharded"], 2)]
    on_one = fit(SMALL, 60, 1).remedies
    assert {remedy.change for remedy in on_one} == {
        f"{CHANGES['recomputed']} + {CHANGES['sharded']}",
        f"{CHANGES['halved']} + {CHANGES['sharded']}",
    }


def test_sharding_takes_the_smallest_power_of_two():
    state = dataclasses.replace(SMALL, activation_bytes=1, recomputed_bytes=1, examples=1)
    for capacity, chips in ((1601, 1), (801, 2), (800, 4), (402, 4), (102, 16)):
        found = fit(state, capacity, 1)
        assert (found.remedies[0].chips if found.remedies else 1) == chips
    assert fit(state, 500, 5).remedies[-1].chips == 8


def test_nothing_is_proposed_where_nothing_fits():
    assert fit(SMALL, 9, 1).remedies == () and fit(SMALL, 9, 1).fits is False


@given(memories, st.integers(1, 10**13), st.integers(1, 64))
def test_remedies_fit_and_are_given_only_where_they_are_needed(memory, capacity, chips):
    found = fit(memory, capacity, chips)
    assert found.fits == (found.chip_bytes <= capacity)
    assert not (found.fits and found.remedies)
    for remedy in found.remedies:
        assert remedy.chip_bytes <= capacity < found.chip_bytes
        assert remedy.chips == chips or (
            chips <= remedy.chips <= MOST_CHIPS and remedy.chips & (remedy.chips - 1) == 0
        )
    assert len({remedy.change.count("+") for remedy in found.remedies}) <= 1


@given(memories, st.integers(1, 64))
def test_more_chips_never_hold_more_each(memory, chips):
    assert fit(memory, 1, chips + 1).chip_bytes <= fit(memory, 1, chips).chip_bytes


def test_a_transformer_takes_16_bytes_a_parameter_and_the_formula_of_korthikanti():
    """The 22B model of their table: 48 layers, width 6144, 64 heads, 2,048 tokens."""
    sizes = Attention(layers=48, heads=64, head_width=96, context=2048)
    found = transformer_memory(22e9, sizes, 4)
    assert found.state_bytes == 16 * 22_000_000_000
    s, h, a = 2048, 6144, 64
    assert found.activation_bytes == 48 * int(s * h * (34 + 5 * a * s / h))
    assert found.recomputed_bytes == 48 * 2 * s * h + int(s * h * (34 + 5 * a * s / h))


def test_unknown_activations_are_not_taken_for_none():
    found = fit(transformer_memory(1e9, None, 1), 10**12, 1)
    assert found.fits is None and found.remedies == ()
    assert found.chip_bytes == 16 * 10**9
    tight = fit(transformer_memory(1e9, None, 1), 10**10, 1)
    assert tight.fits is False
    assert [(r.change, r.chips) for r in tight.remedies] == [(CHANGES["sharded"], 2)]


@pytest.mark.parametrize(("layers", "kept"), [(1, 1000), (4, 1000), (16, 500), (100, 200)])
def test_recomputing_by_segments_keeps_the_root(layers, kept):
    assert recomputed_by_segments(1000, layers) == kept
