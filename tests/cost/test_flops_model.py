"""The networks of this project: their hand-written gradients cost what the forward rule says."""

import jax
import jax.numpy as jnp
import pytest
from flax import nnx

from efficient.cost.flops import count, count_training
from efficient.models.gpt import GPTSpec
from efficient.models.lenet import LeNet5Spec
from efficient.models.mlp import MLPSpec
from efficient.models.resnet import ResNetSpec
from efficient.models.signature import Signature
from efficient.models.vgg import VGGSpec
from efficient.models.vit import ViTSpec

DIGITS = Signature((28, 28, 1), 10, "image")
PHOTOS = Signature((32, 32, 3), 10, "image")
TEXT = Signature((8,), 11, "text")

NETWORKS = {
    "mlp": (MLPSpec(), DIGITS),
    "lenet": (LeNet5Spec(), DIGITS),
    "vgg": (VGGSpec(), PHOTOS),
    "resnet": (ResNetSpec(), PHOTOS),
    "vit": (ViTSpec(), PHOTOS),
    "gpt": (GPTSpec(), TEXT),
}


@pytest.fixture(scope="module", params=NETWORKS)
def traced(request):
    """A loss and its gradient as jaxprs, which inputs are trained, and the paths of the weights."""
    spec, signature = NETWORKS[request.param]
    model = nnx.eval_shape(lambda: spec.build(signature, nnx.Rngs(0)))
    graph, *parts = nnx.split(model, nnx.Param, ...)
    params, rest = map(nnx.to_pure_dict, parts)
    dtype = jnp.float32 if signature.kind == "image" else jnp.int32
    inputs = jax.ShapeDtypeStruct((2, *signature.input_shape), dtype)

    def loss(params, rest, inputs):
        return nnx.merge(graph, params, rest, copy=True)(inputs).mean()

    leaves = jax.tree.leaves((params, rest, inputs))
    trained = [index < len(jax.tree.leaves(params)) for index in range(len(leaves))]
    forward = jax.make_jaxpr(loss)(params, rest, inputs)
    gradient = jax.make_jaxpr(jax.value_and_grad(loss))(params, rest, inputs)
    return forward, gradient, trained


@pytest.mark.parametrize("platform", ["default", "cpu", "cuda", "tpu"])
def test_gradient_executes_the_forward_rule_on_every_platform(traced, platform):
    forward, gradient, trained = traced
    rule = count_training(forward, trained, padded=False)
    executed = count(gradient, platform=platform)
    assert executed.total == rule.total
    assert executed.by_scope == rule.by_scope


def test_every_layer_trains_at_three_forwards_but_the_first(traced):
    forward, _, trained = traced
    layers = count_training(forward, trained).layers
    raw = [path for path, layer in layers.items() if not layer.gradient_inputs]
    assert len(raw) <= 1
    assert all(path and layer.total % layer.forward == 0 for path, layer in layers.items())
    for path, layer in layers.items():
        assert layer.total == (2 if path in raw else 3) * layer.forward
