"""Half of the units go, the rest stays as it was, and everything fits the smaller network."""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import tiny
from flax import nnx

from efficient.deploy.format import load_arrays
from efficient.models.gpt import GPTSpec
from efficient.models.lenet import LeNet5Spec
from efficient.models.mlp import MLPSpec
from efficient.models.outline import outline
from efficient.models.resnet import ResNetSpec
from efficient.models.signature import Signature
from efficient.models.tree import flatten, nest
from efficient.models.vgg import VGGSpec
from efficient.models.vit import ViTSpec
from efficient.train.optimizer import Optimizer
from efficient.variants import Phase, Prune, VariantError, Work
from efficient.variants.prune.removal import Remove, magnitudes, survivors, taylor
from efficient.variants.variant import weight_table

IMAGE, TEXT = Signature((16, 16, 1), 4, "image"), Signature((6,), 11, "text")
PLAN = (Phase("train", 10),)
CASES = {
    "mlp": (MLPSpec((6, 4)), IMAGE, MLPSpec((3, 2))),
    "lenet5": (LeNet5Spec((2, 4), (6,)), IMAGE, LeNet5Spec((1, 2), (3,))),
    "vgg": (VGGSpec(((4, 2), (6,)), (5,)), IMAGE, VGGSpec(((2, 1), (3,)), (2,))),
    "resnet": (
        ResNetSpec(8, (2, 4, 6)),
        IMAGE,
        ResNetSpec(8, (2, 4, 6), inner=((1,), (2,), (3,))),
    ),
    "vit": (ViTSpec(8, 2, 8, 2, 6), IMAGE, ViTSpec(8, 2, 8, 2, 3, layer_heads=(1, 1))),
    "gpt": (GPTSpec(1, 8, 4, 10), TEXT, GPTSpec(1, 8, 4, 5, layer_heads=(2,))),
}


class Batches:
    """A probe of a network with a loss that every logit moves."""

    def __init__(self, spec, signature):
        self.graphdef, self.signature = outline(spec, signature)[0], signature

    def loss_of(self, params, rest, batch):
        return jnp.square(nnx.merge(self.graphdef, params, rest)(batch) - 1).mean()

    def batch(self, number):
        key = jax.random.key(number)
        if self.signature.kind == "text":
            return jax.random.randint(key, (3, *self.signature.input_shape), 0, 11)
        return jax.random.normal(key, (3, *self.signature.input_shape))

    def measure(self, fn, params, batches):
        run = jax.jit(fn)
        return [run(params, self.rest, self.batch(i)) for i in range(batches)]


@functools.cache
def prepare(name, depth=None):
    """Work of a network of drawn weights with Adam's state, and the probe of its loss."""
    spec, signature, _ = CASES[name]
    spec = dataclasses.replace(spec, depth=depth) if depth else spec
    rng = np.random.default_rng(0)
    params, rest = jax.tree.map(
        lambda leaf: jnp.asarray(rng.normal(size=leaf.shape), leaf.dtype),
        outline(spec, signature)[1:],
    )
    probe = Batches(spec, signature)
    probe.rest = rest
    state = jax.jit(Optimizer("adam").build(10).init)(params)
    return Work(spec, signature, params, rest, state, {}, {}), probe


def enter(variant, work, probe):
    """The one phase that removes."""
    plan = variant.phases(PLAN)
    (phase,) = (p for p in plan if p.name in ("smaller", "removal"))
    return phase.enter(work, probe)


def shapes(tree):
    return jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), tree)


@pytest.mark.parametrize("criterion", ["l1", "random", "taylor"])
@pytest.mark.parametrize("name", CASES)
def test_half_of_everything_fits_the_network_of_half_the_size(name, criterion):
    work, probe = prepare(name)
    found = enter(Remove(criterion=criterion, batches=1), work, probe)
    assert found.spec == CASES[name][2]
    _, params, rest = outline(found.spec, work.signature)
    assert shapes((found.params, found.rest)) == shapes((params, rest))
    fresh = jax.eval_shape(Optimizer("adam").build(10).init, params)
    assert jax.tree.structure(found.opt_state) == jax.tree.structure(fresh)
    assert shapes(found.opt_state) == shapes(fresh)


@pytest.mark.parametrize("criterion, stays", [("last", "block_0"), ("l1", "block_1")])
def test_layers_go_whole(criterion, stays):
    work, probe = prepare("gpt", depth=2)
    scale = {"block_0": 1.0, "block_1": 2.0}
    params = {
        k: jax.tree.map(lambda x, k=k: x * scale.get(k, 1), v) for k, v in work.params.items()
    }
    work = dataclasses.replace(work, params=params)
    found = enter(Remove(kind="layer", criterion=criterion), work, probe)
    assert found.spec == dataclasses.replace(work.spec, depth=1)
    assert found.params["block_0"] is params[stays]
    assert shapes(found.params) == shapes(outline(found.spec, TEXT)[1])


def test_the_largest_filters_stay_and_keep_their_values():
    work, probe = prepare("lenet5")
    found = enter(Remove(units="conv_1"), work, probe)
    kernel = np.asarray(work.params["conv_1"]["kernel"])
    stay = np.sort(np.argsort(-np.abs(kernel).sum((0, 1, 2)))[:2])
    np.testing.assert_array_equal(found.params["conv_1"]["kernel"], kernel[..., stay])
    readers = (
        np.asarray(work.params["hidden_0"]["kernel"]).reshape(25, 4, 6)[:, stay].reshape(50, 6)
    )
    np.testing.assert_array_equal(found.params["hidden_0"]["kernel"], readers)
    assert found.spec == dataclasses.replace(work.spec, channels=(2, 2))
    assert found.params["conv_0"]["kernel"] is work.params["conv_0"]["kernel"]


def test_kind_chooses_between_heads_and_neurons():
    work, probe = prepare("gpt")
    heads = enter(Remove(kind="head", share=0.25), work, probe).spec
    neurons = enter(Remove(kind="neuron", share=0.8), work, probe).spec
    assert heads == dataclasses.replace(work.spec, layer_heads=(3,))
    assert neurons == dataclasses.replace(work.spec, hidden=2)


def gate(group, scale, params):
    """The parameters with what a unit gives multiplied by its gate."""
    flat = flatten(params)
    for member in group.outgoing:
        array = flat[member.path]
        factor = jnp.tile(jnp.repeat(scale, member.inner), member.outer)
        shape = [1] * array.ndim
        shape[member.axis] = -1
        flat[member.path] = array * factor.reshape(shape)
    return nest(flat)


@pytest.mark.parametrize("name", ["lenet5", "resnet", "gpt"])
def test_taylor_is_the_derivative_by_a_gate(name):
    work, probe = prepare(name)
    groups = [g for g in work.spec.groups(work.signature) if g.kind != "layer"]
    found = taylor(tuple(groups), work.params, probe, batches=2)
    for group in groups:

        def loss(scale, batch, group=group):
            return probe.loss_of(gate(group, scale, work.params), work.rest, batch)

        ones = jnp.ones(group.size)
        slopes = [jnp.abs(jax.jit(jax.grad(loss))(ones, probe.batch(i))) for i in range(2)]
        expected = (slopes[0] + slopes[1]) / 2
        np.testing.assert_allclose(found[group.name], expected, rtol=1e-3, atol=1e-6)
        assert expected.max() > 1e-6


def test_magnitudes_of_heads_are_those_of_query_key_and_value():
    work, _ = prepare("gpt")
    group = next(g for g in work.spec.groups(TEXT) if g.kind == "head")
    attention = work.params["block_0"]["attention"]
    kernels = [np.abs(attention[n]["kernel"]).reshape(8, 4, 2) for n in ("query", "key", "value")]
    expected = sum(kernel.sum((0, 2)) for kernel in kernels)
    np.testing.assert_allclose(magnitudes((group,), work.params)[group.name], expected, rtol=1e-5)


def test_chance_depends_on_the_seed_alone():
    work, probe = prepare("vgg")
    first, again, other = (
        enter(Remove(criterion="random", seed=s), work, probe).params for s in (0, 0, 1)
    )
    jax.tree.map(np.testing.assert_array_equal, first, again)
    assert not np.array_equal(first["conv_1_0"]["kernel"], other["conv_1_0"]["kernel"])


def test_of_equal_scores_the_first_stay():
    assert survivors(np.array([1.0, 3.0, 1.0, 2.0, 1.0]), 3) == [0, 1, 3]


def test_masks_and_kept_arrays_are_cut_and_counted_again():
    work, probe = prepare("mlp")
    model = work.spec.build(IMAGE, nnx.Rngs(0))
    plan = (Phase("train", 10),)
    tx = Prune(sparsity=0.5).extend(optax.adam(0.1), weight_table(model), plan)
    state = tx.init(work.params)
    masks = {n: flatten(work.params)[n] > 0 for n in state.masks}
    state = optax.tree.set(state, masks=masks)
    work = dataclasses.replace(work, opt_state=state, kept={"initial": work.params})
    found = enter(Remove(), work, probe)
    jax.tree.map(np.testing.assert_array_equal, found.kept["initial"], found.params)
    after = found.opt_state
    flat = flatten(found.params)
    assert after.kept.tolist() == [int((flat[n] > 0).sum()) for n in sorted(masks)]
    assert all(np.array_equal(mask, flat[n] > 0) for n, mask in after.masks.items())


def test_nothing_changes_at_share_0():
    assert Remove(share=0.0).phases(PLAN) is PLAN
    assert Remove(share=0.0, begin=0.0).phases(PLAN) is PLAN


def test_units_go_after_a_fraction_of_the_run_or_before_it():
    plan = Remove(begin=0.3).phases(PLAN)
    assert [(p.name, p.steps) for p in plan] == [("whole", 3), ("smaller", 7)]
    plan = Remove(begin=0.0).phases(PLAN)
    assert [(p.name, p.steps) for p in plan] == [("removal", 0), ("train", 10)]


@pytest.mark.parametrize(
    "settings, words",
    [
        (dict(share=1.0), "share 1.0"),
        (dict(share=-0.1), "share -0.1"),
        (dict(kind="row"), "kind 'row' is unknown; choose one of channel, neuron, head, layer"),
        (dict(criterion="best"), "criterion 'best' is unknown"),
        (dict(criterion="last"), "set kind=layer"),
        (dict(begin=1.0), "begin 1.0"),
        (dict(batches=0), "batches 0"),
    ],
)
def test_settings_out_of_range_are_refused(settings, words):
    with pytest.raises(VariantError, match=words):
        Remove(**settings)


@pytest.mark.parametrize(
    "name, settings, words",
    [
        ("mlp", dict(units="conv*"), r"'conv\*' match no group; there are: hidden_0, hidden_1"),
        ("mlp", dict(kind="head"), "the network has no head that can go"),
        ("gpt", dict(kind="layer"), "takes nothing from groups of at most 1 units"),
        ("mlp", dict(share=0.01), "takes nothing from groups of at most 6 units"),
    ],
)
def test_what_the_network_does_not_have_is_refused_before_the_first_step(name, settings, words):
    work, probe = prepare(name)
    for begin, phase in ((0.3, "whole"), (0.0, "removal")):
        plan = Remove(begin=begin, **settings).phases(PLAN)
        assert plan[0].name == phase
        with pytest.raises(VariantError, match=words) as error:
            plan[0].enter(work, probe)
        assert "\n" not in str(error.value)


def test_a_network_without_groups_is_refused():
    work, probe = prepare("mlp")
    with pytest.raises(VariantError, match="object does not say what can go"):
        enter(Remove(), dataclasses.replace(work, spec=object()), probe)


def test_a_run_goes_on_with_the_smaller_network(trained):
    variant = Remove(criterion="taylor", begin=1 / 3, batches=2)
    record, whole = (
        trained(dataclasses.replace(tiny.DIGITS, variants=v)) for v in ((variant,), ())
    )
    assert record.status == "finished"
    assert [p.phase for p in record.points] == ["whole", "smaller", "smaller"]
    arrays = load_arrays(trained.out / record.run_id / "artefact" / "weights.safetensors")
    _, params, _ = outline(MLPSpec((8,)), Signature((8, 8, 1), 10, "image"))
    assert {n: a.shape for n, a in arrays.items()} == {
        n: a.shape for n, a in flatten(params).items()
    }
    assert record.cost.flops_model < whole.cost.flops_model
    assert record.cost.flops_scoring > 0
    assert record.scores["artefact"].loss == pytest.approx(record.scores["test"].loss, abs=1e-5)
