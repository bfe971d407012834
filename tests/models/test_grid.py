"""The grids: their code-books, their steps, and what the ways to clip promise."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from efficient.models.clip import (
    clipped_scale,
    integer_scale,
    is_clip,
    largest_integer,
    magnitude_at,
    round_to_grid,
)
from efficient.models.grid import KERNEL_STEP, integers_of, mean_magnitude, place
from efficient.models.layers import Linear, Storage

BITS = (2, 3, 4, 6, 8)
SHAPE = (6, 5)
weights = arrays(
    np.float32,
    SHAPE,
    elements=st.floats(-4, 4, width=32).map(lambda x: 0.0 if abs(x) < 1e-6 else x),
)


@given(kernel=weights, bits=st.sampled_from(BITS), clip=st.sampled_from(["absmax", "mse", "90%"]))
def test_integers_stay_within_their_bits(kernel, bits, clip):
    integers, step = place(jnp.asarray(kernel), Storage("int8", bits, 1, clip=clip))
    assert step.shape == (1, 5)
    assert np.all(np.asarray(step) > 0)
    assert np.array_equal(integers, np.round(integers))
    assert np.abs(integers).max() <= 2 ** (bits - 1) - 1


def test_every_number_of_bits_has_its_levels():
    kernel = jnp.linspace(-1, 1, 1001).reshape(-1, 1)
    levels = [len(np.unique(place(kernel, Storage("int8", bits, 1))[0])) for bits in BITS]
    assert levels == [3, 7, 15, 63, 255]


@given(kernel=weights, bits=st.sampled_from(BITS))
def test_absmax_cuts_nothing_off(kernel, bits):
    step = integer_scale(jnp.asarray(kernel), bits, (0,))
    error = np.abs(round_to_grid(jnp.asarray(kernel), step, bits) * step - kernel)
    assert np.all(error <= np.asarray(step) * 0.5001)


@given(kernel=weights, bits=st.sampled_from(BITS))
def test_no_clip_has_a_smaller_squared_error_than_mse(kernel, bits):
    kernel = jnp.asarray(kernel)

    def error(clip):
        step = clipped_scale(kernel, bits, (0,), clip)
        return np.square(round_to_grid(kernel, step, bits) * step - kernel).sum(0)

    assert np.all(error("mse") <= error("absmax"))


def test_mse_cuts_off_an_outlier_where_that_pays():
    kernel = jnp.asarray([[0.1]] * 200 + [[-0.1]] * 200 + [[1.0]])
    wide, narrow = (clipped_scale(kernel, 2, (0,), clip).item() for clip in ("absmax", "mse"))
    assert wide == 1.0
    assert narrow == pytest.approx(0.1, abs=0.06)


@given(values=weights, percent=st.floats(1, 100))
def test_a_percentage_of_magnitudes_is_an_order_statistic(values, percent):
    rank = max(1, int(np.ceil(round(values.size * percent / 100, 6))))
    found = magnitude_at(jnp.asarray(values), percent, (0, 1))
    assert found.shape == (1, 1)
    assert found.item() == np.sort(np.abs(values).ravel())[rank - 1]


def test_a_percentage_reaches_less_far_than_absmax_and_never_to_nothing():
    kernel = jnp.arange(1.0, 101.0).reshape(-1, 1)
    assert clipped_scale(kernel, 8, (0,), "99%").item() == pytest.approx(99 / 127)
    assert clipped_scale(kernel, 8, (0,), "100%") == integer_scale(kernel, 8, (0,))
    sparse = jnp.zeros((100, 1)).at[3].set(2.0)
    assert clipped_scale(sparse, 8, (0,), "90%") == integer_scale(sparse, 8, (0,))


@pytest.mark.parametrize("clip", ["100.1%", "0%", "-1%", "%", "nan%", "99.9", "", "max"])
def test_what_is_no_way_to_clip(clip):
    assert not is_clip(clip)


def test_ternary_by_hand():
    kernel = jnp.asarray([[1.0, -2.0, 0.5, 0.1]]).T
    integers, step = place(kernel, Storage("int8", 2, 1, grid="ternary"))
    assert integers.ravel().tolist() == [1, -1, 0, 0]  # 0.7 * 0.9 = 0.63
    assert step.item() == pytest.approx(1.5)


def test_binary_by_hand():
    kernel = jnp.asarray([[1.0, -2.0, 0.5, -0.1]]).T
    integers, step = place(kernel, Storage("int8", 1, 1, grid="binary"))
    assert integers.ravel().tolist() == [1, -1, 1, -1]
    assert step.item() == pytest.approx(0.9)


@pytest.mark.parametrize("grid", ["integer", "ternary", "binary"])
def test_what_was_pruned_stays_away_and_moves_no_mean(grid):
    kernel = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    alone = place(jnp.asarray(kernel), Storage("int8", 2, 1, grid=grid))
    padded = np.concatenate([kernel, np.zeros((60, 3), np.float32)])
    integers, step = place(jnp.asarray(padded), Storage("int8", 2, 1, grid=grid))
    np.testing.assert_array_equal(integers[:40], alone[0])
    assert not np.any(integers[40:])
    np.testing.assert_allclose(step, alone[1], rtol=1e-5)


def test_a_layer_of_zeros_has_a_step():
    assert mean_magnitude(jnp.zeros((3, 2)), (0,)).tolist() == [[1.0, 1.0]]
    for grid in ("integer", "ternary", "binary"):
        integers, step = place(jnp.zeros((3, 2)), Storage("int8", 2, 1, grid=grid))
        assert not np.any(integers)
        assert np.all(np.isfinite(step) & (np.asarray(step) > 0))


@pytest.mark.parametrize("axis", [1, None])
@pytest.mark.parametrize("grid", ["integer", "ternary", "binary"])
def test_integers_of_a_layer(grid, axis):
    layer = Linear(7, 3, rngs=nnx.Rngs(0))
    layer.storage = Storage("int8", 3, axis, grid=grid)
    integers, step = integers_of(layer)
    assert (integers.dtype, step.dtype) == (jnp.int8, jnp.float32)
    assert (integers.shape, step.shape) == ((7, 3), (3,))
    assert len(set(step.tolist())) == (3 if axis == 1 else 1)
    assert np.abs(integers).max() <= largest_integer(3)


@pytest.mark.parametrize("axis, given", [(1, [0.1, 0.2, 0.4]), (None, 0.3)])
def test_a_step_in_a_slot_wins(axis, given):
    layer = Linear(7, 3, rngs=nnx.Rngs(0))
    layer.storage = Storage("int8", 4, axis)
    layer.slots[KERNEL_STEP] = nnx.Param(jnp.asarray(given))
    integers, step = integers_of(layer)
    np.testing.assert_allclose(step, np.broadcast_to(np.float32(given), 3))
    expected = np.clip(np.round(np.asarray(layer.kernel[...]) / np.asarray(step)[None]), -7, 7)
    np.testing.assert_array_equal(integers, expected)
