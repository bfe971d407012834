"""Units: what is pooled into one score comes back as one piece of the mask."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from efficient.variants import VariantError
from efficient.variants.prune.pattern import highest_of, parse
from efficient.variants.variant import Weight

DENSE, CONVOLUTION = (8, 6), (3, 3, 4, 6)
FEW = st.integers(-3, 3).map(float)


@pytest.mark.parametrize("shape", [DENSE, CONVOLUTION])
@pytest.mark.parametrize("text, size", [("unstructured", 1), ("2x3", 6), ("4x1", 4)])
def test_pooling_and_spreading_are_inverse(text, size, shape):
    pattern = parse(text)
    values = jnp.arange(np.prod(shape), dtype=jnp.float32).reshape(shape)
    pooled = pattern.pool(values)
    assert pooled.size * size == values.size and pattern.unit_size(shape) == size
    assert float(pooled.sum()) == float(values.sum())
    chosen = jnp.arange(pooled.size).reshape(pooled.shape) % 3 == 0
    mask = pattern.spread(chosen, shape)
    assert mask.shape == shape
    np.testing.assert_array_equal(pattern.pool(mask.astype(jnp.int32)), chosen * size)


def test_a_block_is_a_tile_of_inputs_and_outputs():
    units = jnp.zeros((4, 2), bool).at[1, 0].set(True)
    mask = np.zeros(DENSE, bool)
    mask[2:4, 0:3] = True
    np.testing.assert_array_equal(parse("2x3").spread(units, DENSE), mask)


@pytest.mark.parametrize("shape", [DENSE, CONVOLUTION])
@pytest.mark.parametrize("text", ["filter", "channel"])
def test_a_filter_is_all_that_leads_to_one_output(text, shape):
    pattern = parse(text)
    values = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    wanted = values.reshape(-1, shape[-1]).sum(0)
    np.testing.assert_allclose(pattern.pool(values), wanted, rtol=1e-4, atol=1e-5)
    assert pattern.unit_size(shape) == np.prod(shape[:-1])
    chosen = jnp.arange(6) < 2
    mask = np.asarray(pattern.spread(chosen, shape))
    assert mask[..., :2].all() and not mask[..., 2:].any()


@pytest.mark.parametrize("shape", [DENSE, CONVOLUTION])
@given(data=st.data(), count=st.integers(0, 4))
def test_n_of_m_keeps_the_highest_of_every_group_along_the_inputs(shape, data, count):
    size = int(np.prod(shape))
    flat = data.draw(st.lists(FEW, min_size=size, max_size=size))
    values = np.array(flat, np.float32).reshape(shape)
    mask = np.asarray(highest_of(jnp.asarray(values), jnp.int32(count), 4))
    lines = np.moveaxis(values, -2, -1).reshape(-1, 4)
    order = np.argsort(-lines, axis=1, kind="stable")[:, :count]
    wanted = np.zeros(lines.shape, bool)
    np.put_along_axis(wanted, order, True, axis=1)
    np.testing.assert_array_equal(np.moveaxis(mask, -2, -1).reshape(-1, 4), wanted)


@pytest.mark.parametrize(
    "text", ["", "diagonal", "2:", "0:4", "2x", "0x4", "2:4:8", "-1:4", "block:4x4", "2.0:4"]
)
def test_an_unknown_pattern_lists_what_there_is(text):
    with pytest.raises(VariantError, match=r"is unknown; choose unstructured, filter, N:M"):
        parse(text)


@pytest.mark.parametrize("text", ["4:4", "5:4"])
def test_n_of_m_must_remove_something(text):
    with pytest.raises(VariantError, match="removes nothing"):
        parse(text)


@pytest.mark.parametrize(
    "text, shape, words",
    [
        ("2:4", (10, 8), "2:4 does not divide the 10 inputs of some/layer; leave that layer out"),
        ("1:3", (3, 3, 4, 8), "1:3 does not divide the 4 inputs of some/layer"),
        ("4x4", (6, 8), "4x4 does not divide the 6 inputs"),
        ("4x4", (8, 10), "4x4 does not divide the 10 outputs"),
    ],
)
def test_a_pattern_that_does_not_divide_names_the_layer_and_its_size(text, shape, words):
    with pytest.raises(VariantError, match=words) as caught:
        parse(text).check(Weight("some/layer", shape, "linear"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["unstructured", "filter", "2:4", "4x2"])
def test_a_pattern_that_divides_passes(text):
    parse(text).check(Weight("some/layer", (3, 3, 8, 6), "convolution"))
