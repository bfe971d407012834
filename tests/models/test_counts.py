"""Parameters and FLOPs of the networks that papers count, exactly."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import pytest
from flax import nnx

from efficient.cost.flops import count, count_training
from efficient.cost.literature import model_flops
from efficient.models.gpt import GPTSpec
from efficient.models.outline import outline, parameters
from efficient.models.reference import REFERENCES, reference
from efficient.models.signature import Signature

TEXT = Signature((1024,), 50257, "text")
#: Smaller inputs than the published ones, which also fit.
OTHER = {
    "alexnet": (64, 64, 3),
    "vgg16": (64, 48, 3),
    "resnet50": (65, 64, 3),
    "resnet20_cifar": (28, 28, 1),
    "wrn16_4": (33, 16, 1),
    "mobilenet_v2": (33, 64, 3),
    "efficientnet_b0": (64, 33, 1),
    "vit_ti16": (64, 32, 3),
    "bert_base": (16,),
}


def trace(spec, signature, transform=lambda loss: loss):
    """The transformed loss of one example as a jaxpr, which inputs are trained, and the params."""
    graphdef, params, rest = outline(spec, signature, training=False)
    dtype = jnp.int32 if signature.kind == "text" else jnp.float32
    inputs = jax.ShapeDtypeStruct((1, *signature.input_shape), dtype)

    def loss(params, rest, inputs):
        return nnx.merge(graphdef, params, rest)(inputs).sum()

    traced = jax.make_jaxpr(transform(loss))(params, rest, inputs)
    leaves = [len(jax.tree.leaves(tree)) for tree in (params, rest, inputs)]
    return traced, [True] * leaves[0] + [False] * sum(leaves[1:]), params


def sized(row):
    found = reference(row.model, row.shortcut or None)
    return found.spec, replace(found.signature, input_shape=row.input_shape)


def label(row):
    return "-".join(filter(None, (row.model, row.shortcut, row.input)))


@pytest.mark.parametrize("row", model_flops(), ids=label)
def test_published_networks_are_counted_exactly(row):
    traced, trained, params = trace(*sized(row))
    assert parameters(params) == row.params
    for padded, forward, training in (
        (True, row.flops_forward, row.flops_train),
        (False, row.flops_forward_unpadded, row.flops_train_unpadded),
    ):
        assert count(traced, padded=padded, platform="default").total == forward
        assert count_training(traced, trained, padded=padded).total == training


@pytest.mark.parametrize("row", model_flops(), ids=label)
def test_the_table_agrees_with_what_was_published(row):
    """Parameters to the unit where they are printed to the unit; multiply-adds within 0.5 %, for
    they are printed in three digits and some count normalisation as well."""
    known = {row.published_params, row.published_macs} - {None}
    assert row.status in ("verified", "recalled", "computed")
    assert (row.status == "computed") == (not known)
    if row.status != "verified":
        return
    if row.published_params is not None:
        rounded = row.published_params % 10_000 == 0
        assert row.published_params == pytest.approx(row.params, rel=5e-3 if rounded else 0)
    if row.published_macs is not None:
        assert row.published_macs == pytest.approx(row.flops_forward / 2, rel=5e-3)


def test_every_reference_has_a_row_at_its_own_inputs():
    assert {(row.model, row.input_shape) for row in model_flops()} >= {
        (name, found.signature.input_shape) for name, found in REFERENCES.items()
    }


@pytest.mark.parametrize("name", OTHER)
def test_gradient_executes_the_forward_rule_at_other_inputs(name):
    found = REFERENCES[name]
    signature = replace(found.signature, input_shape=OTHER[name])
    traced, trained, _ = trace(found.spec, signature)
    gradient, _, _ = trace(found.spec, signature, jax.value_and_grad)
    rule = count_training(traced, trained, padded=False)
    assert count(gradient, platform="cpu").total == rule.total
    assert 2 * count(traced).priced < rule.priced <= 3 * count(traced).priced


def test_gpt_without_biases_has_the_parameters_of_nanogpt():
    spec = GPTSpec(depth=12, width=768, heads=12, hidden=3072)
    assert parameters(outline(spec, TEXT)[1]) == 124_337_664


def test_what_is_left_of_a_layer_is_what_it_costs():
    whole = parameters(outline(GPTSpec(2, 8, 4, 16), TEXT)[1])
    less = GPTSpec(2, 8, 4, 16, layer_heads=(4, 3), layer_hidden=(16, 15))
    assert whole - parameters(outline(less, TEXT)[1]) == 4 * 2 * 8 + 2 * 8
