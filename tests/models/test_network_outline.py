"""A network as shapes alone is the network that is built."""

import jax
import pytest
from flax import nnx
from small import SMALL

from efficient.models.gpt import GPTSpec
from efficient.models.outline import outline, parameters
from efficient.models.signature import Signature


def shapes(tree):
    return jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), tree)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", SMALL)
def test_outline_is_the_shape_of_the_network(name, training):
    spec, signature = SMALL[name]
    model = nnx.eval_shape(lambda: spec.build(signature, nnx.Rngs(0)))
    if not training:
        model.eval()
    expected, *states = nnx.split(model, nnx.Param, ...)
    graphdef, *trees = outline(spec, signature, training=training)
    assert [shapes(tree) for tree in trees] == [shapes(nnx.to_pure_dict(s)) for s in states]
    assert jax.tree.structure(nnx.merge(graphdef, *trees)) == jax.tree.structure(
        nnx.merge(expected, *map(nnx.to_pure_dict, states))
    )
    assert parameters(trees[0]) == parameters(states[0])


def test_nothing_is_allocated_for_175_billion_parameters():
    spec = GPTSpec(96, 12288, 96, 4 * 12288, bias=True)
    _, params, rest = outline(spec, Signature((2048,), 50257, "text"))
    assert parameters(params) == 174_604_259_328 and not rest
    assert all(isinstance(leaf, jax.ShapeDtypeStruct) for leaf in jax.tree.leaves(params))
