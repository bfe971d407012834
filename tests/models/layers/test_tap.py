"""Tapped layers: what an onlooker collects, and that the network does not notice."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from efficient.models.layers import PROJECTION, ConvNorm, collect, name_layers, project, tap
from efficient.models.mlp import MLPSpec
from efficient.models.signature import Signature, SpecError

DIGITS = Signature((8, 8, 1), 10, "image")
IMAGES = jax.random.normal(jax.random.key(1), (3, 8, 8, 1))


def build():
    return MLPSpec((6, 5)).build(DIGITS, nnx.Rngs(0))


def test_an_untapped_network_leaves_nothing():
    model = build()
    model(IMAGES)
    assert collect(model) == {}


def test_a_tapped_layer_gives_its_outputs_with_their_bias():
    model, plain = build(), build()
    tap(model, ["hidden_1"])
    logits = model(IMAGES)
    found = collect(model)
    np.testing.assert_array_equal(logits, plain(IMAGES))
    layer = model.hidden_1
    before = nnx.relu(plain.hidden_0(IMAGES.reshape(3, -1)))
    np.testing.assert_array_equal(found["hidden_1"], layer(before))
    assert list(found) == ["hidden_1"]


def test_collecting_leaves_the_state_as_it_was():
    model = nnx.Module()
    model.first = ConvNorm(1, 2, (3, 3), rngs=nnx.Rngs(0))
    name_layers(model)
    tap(model, ["first"])
    graph, params, rest = nnx.split(model, nnx.Param, ...)
    module = nnx.merge(graph, params, rest)
    outputs = module.first(IMAGES)
    np.testing.assert_array_equal(collect(module)["first"], outputs)
    after = nnx.to_pure_dict(nnx.state(module, nnx.Not(nnx.Param)))
    assert jax.tree.structure(after) == jax.tree.structure(nnx.to_pure_dict(rest))


def test_a_projection_changes_the_width_of_what_is_collected_and_not_the_logits():
    model, plain = build(), build()
    tap(model, ["hidden_0"])
    project(model, "hidden_0", 9)
    slot = model.hidden_0.slots[PROJECTION]
    assert slot.shape == (6, 9) and not slot[...].any()
    slot[...] = jnp.eye(6, 9)
    np.testing.assert_array_equal(model(IMAGES), plain(IMAGES))
    outputs = plain.hidden_0(IMAGES.reshape(3, -1))
    wide = jnp.pad(outputs, ((0, 0), (0, 3)))
    np.testing.assert_allclose(collect(model)["hidden_0"], wide, rtol=1e-6)


def test_a_layer_that_does_not_exist_is_refused_with_those_that_do():
    with pytest.raises(SpecError, match=r"the student has no layer 'hidden_7'.*hidden_0, hidden_1"):
        tap(build(), ["hidden_7"], "the student")
