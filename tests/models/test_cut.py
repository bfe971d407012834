"""A network without some units is the whole network with those units silenced."""

from __future__ import annotations

import dataclasses
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st
from small import SMALL

from efficient.models.cut import LAYER, Group, Member, cut
from efficient.models.lenet import LeNet5Spec
from efficient.models.mlp import MLPSpec
from efficient.models.outline import outline
from efficient.models.resnet import ResNetSpec
from efficient.models.signature import SpecError
from efficient.models.tree import flatten, nest
from efficient.models.vgg import VGGSpec
from efficient.models.vit import ViTSpec
from efficient.train.optimizer import Optimizer

#: Without dropout, whose noise depends on the number of heads; and what `small` has only once.
CASES = {
    name: (dataclasses.replace(spec, dropout=0.0) if hasattr(spec, "dropout") else spec, signature)
    for name, (spec, signature) in SMALL.items()
} | {
    "mlp-none": (MLPSpec(()), SMALL["mlp"][1]),
    "lenet5-head": (LeNet5Spec((2, 3), (4,)), SMALL["lenet5"][1]),
    "vgg-head": (VGGSpec(((3,), (4,)), ()), SMALL["vgg"][1]),
    "resnet-14": (ResNetSpec(14, (2, 3, 4)), SMALL["resnet-a"][1]),
    "vit-3": (ViTSpec(8, 3, 8, 4, 6, "token", (1, 4, 2), (6, 5, 4)), SMALL["vit"][1]),
}
every_case = pytest.mark.parametrize("name", CASES)


def arrays(name, seed=0):
    """Params and rest of a case, every entry drawn, so that no bias or statistic is a plain 0."""
    _, params, rest = outline(*CASES[name])
    rng = np.random.default_rng(seed)

    def draw(path, leaf):
        values = rng.normal(size=leaf.shape) * 0.5
        positive = "variance" in jax.tree_util.keystr(path)
        return jnp.asarray(np.abs(values) + 0.5 if positive else values, leaf.dtype)

    return jax.tree_util.tree_map_with_path(draw, (params, rest))


def inputs_of(signature):
    key = jax.random.key(1)
    if signature.kind == "text":
        return jax.random.randint(key, (3, *signature.input_shape), 0, signature.classes)
    return jax.random.normal(key, (3, *signature.input_shape))


def outputs_of(spec, signature, params, rest, training):
    """Logits, and the running statistics after them."""
    graphdef, _, _ = outline(spec, signature, training=training)

    @jax.jit
    def run(params, rest, inputs):
        model = nnx.merge(graphdef, params, rest)
        logits = model(inputs)
        return logits, nnx.to_pure_dict(nnx.state(model, nnx.Not(nnx.Param)))

    return run(params, rest, inputs_of(signature))


def silence(params, groups, keep):
    """The parameters with the outgoing weights of removed units at zero."""
    flat = flatten(params)
    for group in groups:
        gone = np.setdiff1d(np.arange(group.size), keep.get(group.name, range(group.size)))
        for member in group.outgoing:
            if member.axis is None:
                for unit in gone:
                    name = member.path.replace("*", str(unit))
                    if name in flat:
                        flat[name] = jnp.zeros_like(flat[name])
            elif member.path in flat:
                kernel = np.moveaxis(np.array(flat[member.path]), member.axis, 0)
                kernel[member.positions(gone, group.size)] = 0
                flat[member.path] = jnp.asarray(np.moveaxis(kernel, 0, member.axis))
    return nest(flat)


def draw_keep(groups, seed):
    """Some units of every group, by chance."""
    rng = np.random.default_rng(seed)
    return {
        g.name: np.sort(rng.permutation(g.size)[: rng.integers(1, g.size + 1)]).tolist()
        for g in groups
    }


def assert_close(found, expected):
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-4), found, expected
    )


def shapes(tree):
    return jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), tree)


@every_case
@pytest.mark.parametrize("training", [False, True])
def test_a_cut_network_is_the_whole_one_with_units_silenced(name, training):
    spec, signature = CASES[name]
    groups = spec.groups(signature)
    keep = draw_keep(groups, int(training))
    params, rest = arrays(name)
    smaller = spec.shrink(keep)
    left = cut((params, rest), groups, keep)
    assert shapes(left) == shapes(outline(smaller, signature)[1:])
    silent = silence(params, groups, keep)
    expected, after = outputs_of(spec, signature, silent, rest, training)
    found, statistics = outputs_of(smaller, signature, *left, training)
    assert_close(found, expected)
    assert_close(statistics, cut(after, groups, keep))


@every_case
def test_some_units_matter(name):
    """The comparison above could fail: silencing changes the function wherever units can go."""
    spec, signature = CASES[name]
    groups = spec.groups(signature)
    params, rest = arrays(name)
    expected, _ = outputs_of(spec, signature, params, rest, False)
    for group in groups:
        if group.size > 1:
            silent = silence(params, groups, {group.name: [0]})
            found, _ = outputs_of(spec, signature, silent, rest, False)
            assert jnp.abs(found - expected).max() > 1e-4, group.name


@every_case
def test_keeping_all_is_the_very_object(name):
    spec, signature = CASES[name]
    groups = spec.groups(signature)
    keep = {group.name: list(range(group.size)) for group in groups}
    tree = arrays(name)
    assert cut(tree, groups, keep) is tree
    assert cut(tree, groups, {}) is tree
    assert spec.shrink(keep) == spec
    assert spec.shrink({}) == spec


@every_case
def test_what_no_group_touches_stays_the_same_array(name):
    spec, signature = CASES[name]
    groups = [g for g in spec.groups(signature) if g.kind != LAYER and g.size > 1]
    params, _ = arrays(name)
    flat, touched = flatten(params), set()
    keep = {group.name: [0] for group in groups}
    for group in groups:
        touched |= {member.path for member in (*group.incoming, *group.outgoing)}
    for path, array in flatten(cut(params, groups, keep)).items():
        assert (array is flat[path]) == (path not in touched), path


@every_case
def test_streams_inputs_and_logits_are_in_no_group(name):
    spec, signature = CASES[name]
    smallest = spec.shrink({g.name: [0] for g in spec.groups(signature)})
    whole, small = (flatten(outline(s, signature)[1]) for s in (spec, smallest))
    stream = ("stem", "patches", "tokens", "positions", "norm")
    for path in small:
        if path.startswith(stream) or path == "head/bias":
            assert small[path].shape == whole[path].shape, path
    first = {"mlp": "hidden_0", "lenet5": "conv_0", "vgg": "conv_0_0"}.get(name.split("-")[0])
    if first and name != "mlp-none":
        kernel = f"{first}/kernel"
        assert small[kernel].shape[-2] == whole[kernel].shape[-2]
        assert small[kernel].shape[-1] == 1


@pytest.mark.parametrize("rule", ["adam", "adamw", "sgd", "muon"])
@pytest.mark.parametrize("name", ["vgg", "vit-3", "gpt-untied"])
def test_moments_are_cut_like_the_parameters(name, rule):
    """With moments that equal the parameters, cut state and cut parameters still agree."""
    spec, signature = CASES[name]
    groups = spec.groups(signature)
    keep = draw_keep(groups, 5)
    tx = Optimizer(rule, clip_norm=1.0).build(10)

    def state_of(params):
        flat = flatten(params)

        def fill(path, leaf):
            name = jax.tree_util.keystr(path, simple=True, separator="/")
            return next((flat[n] for n in flat if name.endswith(f"/{n}")), leaf)

        return jax.tree_util.tree_map_with_path(fill, tx.init(params))

    params, _ = arrays(name)
    found, expected = cut(state_of(params), groups, keep), state_of(cut(params, groups, keep))
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    jax.tree.map(np.testing.assert_array_equal, found, expected)
    assert any(leaf.ndim and jnp.any(leaf != 0) for leaf in jax.tree.leaves(found))


def test_masks_by_joined_name_are_cut_like_the_weights():
    spec, signature = CASES["gpt"]
    groups = spec.groups(signature)
    keep = {"block": [1], "block_1/perceptron": [0, 2], "block_1/attention": [1]}
    params, _ = arrays("gpt")
    masks = {path: array > 0 for path, array in flatten(params).items() if "kernel" in path}
    found = cut({"masks": masks, "count": jnp.int32(3)}, groups, keep)
    small = flatten(cut(params, groups, keep))
    assert found["count"] == 3
    assert sorted(found["masks"]) == sorted(path for path in small if "kernel" in path)
    for path, mask in found["masks"].items():
        np.testing.assert_array_equal(mask, small[path] > 0)


def test_slots_along_the_outputs_go_too_and_one_step_for_all_stays():
    spec, signature = CASES["mlp"]
    groups = spec.groups(signature)
    slots = {"kernel_step": jnp.arange(5.0), "input_step": jnp.float32(2)}
    tree = {"hidden_0": {"slots": slots}, "hidden_1": {"slots": {"kernel_step": jnp.float32(3)}}}
    found = cut(tree, groups, {"hidden_0": [1, 4], "hidden_1": [0]})
    assert found["hidden_0"]["slots"]["kernel_step"].tolist() == [1, 4]
    assert found["hidden_0"]["slots"]["input_step"] is slots["input_step"]
    assert found["hidden_1"]["slots"]["kernel_step"] == 3


def test_layers_are_renumbered_and_keep_their_own_sizes():
    spec, signature = CASES["vit-3"]
    smaller = spec.shrink({"block": [0, 2], "block_2/attention": [1]})
    assert (smaller.depth, smaller.layer_heads, smaller.layer_hidden) == (2, (1, 1), (6, 4))
    params, _ = arrays("vit-3")
    found = cut(params, spec.groups(signature), {"block": [0, 2]})
    assert found["block_1"] is params["block_2"]
    assert set(found) == set(params) - {"block_2"}


def test_equal_hidden_sizes_are_one_number():
    spec, _ = CASES["gpt-untied"]
    smaller = spec.shrink({"block_0/perceptron": [1, 3]})
    assert (smaller.hidden, smaller.layer_hidden, smaller.layer_heads) == (2, (), ())


def test_similar_names_are_not_confused():
    group = Group("block_1/conv_0", "channel", 2, (Member("block_1/conv_0/kernel", 0),), ())
    tree = {"block_11": {"conv_0": {"kernel": jnp.ones(2)}}, "xblock_1/conv_0/kernel": jnp.ones(2)}
    found = cut(tree, (group,), {group.name: [0]})
    assert jax.tree.map(jnp.shape, found) == jax.tree.map(jnp.shape, tree)


@settings(max_examples=50)
@given(
    st.integers(1, 3),
    st.integers(1, 5),
    st.integers(1, 3),
    st.sampled_from([0, 1, 2]),
    st.data(),
)
def test_an_axis_is_indexed_by_unit_in_the_middle(outer, size, inner, axis, data):
    units = data.draw(st.lists(st.integers(0, size - 1), min_size=1, unique=True).map(sorted))
    rest = [2, 3]
    rest.insert(axis, outer * size * inner)
    array = np.arange(np.prod(rest), dtype=np.float32).reshape(rest)
    member = Member("x/kernel", axis, outer, inner)
    group = Group("x", "head", size, (member,), ())
    found = np.asarray(cut({"x": {"kernel": array}}, (group,), {"x": units})["x"]["kernel"])
    parts = array.reshape(*rest[:axis], outer, size, inner, *rest[axis + 1 :])
    taken = parts.take(units, axis + 1)
    np.testing.assert_array_equal(found, taken.reshape(found.shape))
    sums = group.sums({"x/kernel": array}, group.incoming)
    others = tuple(a for a in range(parts.ndim) if a != axis + 1)
    np.testing.assert_allclose(sums, parts.sum(others), rtol=1e-5)


REFUSED = {
    "keep names group 'hidden_9': there are hidden_0, hidden_1": {"hidden_9": [0]},
    "keep of hidden_0 is []: give rising numbers from 0 to 4": {"hidden_0": []},
    "keep of hidden_0 is [5]": {"hidden_0": [5]},
    "keep of hidden_0 is [-1, 2]": {"hidden_0": [-1, 2]},
    "keep of hidden_0 is [2, 1]": {"hidden_0": [2, 1]},
    "keep of hidden_1 is [1, 1]": {"hidden_1": [1, 1]},
}


@pytest.mark.parametrize("message", REFUSED)
def test_units_that_are_not_there_are_refused_in_one_line(message):
    spec, signature = CASES["mlp"]
    with pytest.raises(SpecError, match=re.escape(message)) as error:
        cut(arrays("mlp"), spec.groups(signature), REFUSED[message])
    assert "\n" not in str(error.value)


def test_an_array_of_another_size_is_refused():
    spec, signature = CASES["mlp"]
    tree = {"hidden_0": {"kernel": jnp.ones((3, 4))}}
    with pytest.raises(SpecError, match=r"hidden_0/kernel has shape \(3, 4\): it needs 5 entries"):
        cut(tree, spec.groups(signature), {"hidden_0": [1]})
