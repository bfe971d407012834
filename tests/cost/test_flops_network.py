"""Whole networks, written from scratch, against published counts and against their own gradient."""

import functools
import math

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from efficient.cost.flops import count, count_training, flops


def array(*shape, dtype=jnp.float32):
    return jax.ShapeDtypeStruct(shape, dtype)


def dense(inputs, kernel):
    return jnp.matmul(inputs, kernel)


def convolve(images, kernel, stride=1, padding="SAME"):
    numbers = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(
        images, kernel, (stride, stride), padding, dimension_numbers=numbers
    )


def halve(images):
    batch, height, width, features = images.shape
    return images.reshape(batch, height // 2, 2, width // 2, 2, features).mean((2, 4))


def lenet_300_100():
    params = [array(784, 300), array(300, 100), array(100, 10)]

    def apply(params, images):
        hidden = images.reshape(images.shape[0], -1)
        for kernel in params[:-1]:
            hidden = jax.nn.relu(dense(hidden, kernel))
        return dense(hidden, params[-1])

    return apply, params, array(1, 28, 28, 1)


def lenet_5():
    kernels = [array(5, 5, 1, 6), array(5, 5, 6, 16)]
    params = (kernels, [array(400, 120), array(120, 84), array(84, 10)])

    def apply(params, images):
        kernels, (first, second, third) = params
        hidden = images
        for kernel in kernels:
            hidden = halve(jnp.tanh(convolve(hidden, kernel, padding="VALID")))
        hidden = jnp.tanh(dense(hidden.reshape(hidden.shape[0], -1), first))
        return dense(jnp.tanh(dense(hidden, second)), third)

    return apply, params, array(1, 32, 32, 1)


def resnet_20(size=32, blocks=3):
    widths = [width for width in (16, 32, 64) for _ in range(blocks)]
    befores = [16, *widths[:-1]]
    pairs = [
        (array(3, 3, before, width), array(3, 3, width, width))
        for before, width in zip(befores, widths, strict=True)
    ]
    params = (array(3, 3, 3, 16), pairs, array(64, 10))

    def apply(params, images):
        stem, pairs, head = params
        hidden = jax.nn.relu(convolve(images, stem))
        for first, second in pairs:
            stride = first.shape[3] // first.shape[2]
            extra = first.shape[3] - first.shape[2]
            shortcut = jnp.pad(
                hidden[:, ::stride, ::stride],
                ((0, 0), (0, 0), (0, 0), (extra // 2, extra - extra // 2)),
            )
            inner = jax.nn.relu(convolve(hidden, first, stride))
            hidden = jax.nn.relu(convolve(inner, second) + shortcut)
        return dense(hidden.mean((1, 2)), head)

    return apply, params, array(1, size, size, 3)


def gpt_2(layers=12, width=768, heads=12, time=1024, vocabulary=50257, scanned=False, remat=False):
    block = {
        "attention": array(layers, width, 3 * width),
        "projection": array(layers, width, width),
        "expand": array(layers, width, 4 * width),
        "contract": array(layers, 4 * width, width),
    }
    params = {"tokens": array(vocabulary, width), "places": array(time, width), "blocks": block}

    def step(hidden, weights):
        batch = hidden.shape[0]
        with jax.named_scope("attention"):
            mixed = dense(jax.nn.standardize(hidden), weights["attention"])
            query, key, value = jnp.split(mixed, 3, -1)
            query, key, value = (
                part.reshape(batch, time, heads, -1).swapaxes(1, 2) for part in (query, key, value)
            )
            scores = dense(query, key.swapaxes(2, 3)) / math.sqrt(width // heads)
            mask = jnp.tril(jnp.ones((time, time), bool))[None, None]
            shares = jax.nn.softmax(jnp.where(mask, scores, -1e9))
            mixed = dense(shares, value).swapaxes(1, 2).reshape(batch, time, width)
            hidden = hidden + dense(mixed, weights["projection"])
        with jax.named_scope("perceptron"):
            inner = jax.nn.gelu(dense(jax.nn.standardize(hidden), weights["expand"]))
            return hidden + dense(inner, weights["contract"]), None

    def apply(params, tokens):
        hidden = params["tokens"][tokens] + params["places"][None]
        advance = jax.checkpoint(step) if remat else step
        if scanned:
            hidden, _ = lax.scan(advance, hidden, params["blocks"])
        else:
            for layer in range(layers):
                take = functools.partial(lax.index_in_dim, index=layer, keepdims=False)
                hidden, _ = advance(hidden, jax.tree.map(take, params["blocks"]))
        with jax.named_scope("unembed"):
            return dense(jax.nn.standardize(hidden), params["tokens"].T)

    return apply, params, array(1, time, dtype=jnp.int32)


def tiny_gpt(**options):
    return gpt_2(layers=3, width=8, heads=2, time=6, vocabulary=11, **options)


def loss_of(apply):
    def loss(params, inputs):
        logits = apply(params, inputs)
        return -jnp.mean(jax.nn.log_softmax(logits)[..., 0])

    return loss


def trained(params, inputs):
    return [True] * len(jax.tree.leaves(params)) + [False] * len(jax.tree.leaves(inputs))


def train(network, **options):
    apply, params, inputs = network
    jaxpr = jax.make_jaxpr(loss_of(apply))(params, inputs)
    return count_training(jaxpr, trained(params, inputs), **options)


def gradient_walk(network):
    apply, params, inputs = network
    return count(jax.make_jaxpr(jax.value_and_grad(loss_of(apply)))(params, inputs))


REFERENCE = {  # padded and un-padded forward, padded and un-padded training, of one example
    "LeNet-300-100": (lenet_300_100, 532_400, 532_400, 1_126_800, 1_126_800),
    "LeNet-5": (lenet_5, 833_040, 833_040, 2_263_920, 2_263_920),
    "ResNet-20": (resnet_20, 81_102_080, 73_915_008, 242_421_504, 220_896_768),
    "GPT-2": (gpt_2, 291_648_307_200, 291_648_307_200, 874_944_921_600, 874_944_921_600),
}


@pytest.mark.parametrize("name", REFERENCE)
def test_counts_are_the_published_integers(name):
    build, padded, exact, train_padded, train_exact = REFERENCE[name]
    network = build()
    assert flops(*network).total == padded
    assert count(jax.make_jaxpr(network[0])(*network[1:])).total == exact
    assert train(network).total == train_padded
    assert train(network, padded=False).total == train_exact
    assert gradient_walk(network).total == train_exact


def test_scanned_layers_cost_what_unrolled_layers_cost():
    unrolled, scanned = tiny_gpt(), tiny_gpt(scanned=True)
    assert flops(*scanned).total == flops(*unrolled).total
    assert train(scanned).total == train(unrolled).total
    assert train(scanned).layers == train(unrolled).layers
    assert gradient_walk(scanned).total == gradient_walk(unrolled).total
    assert gradient_walk(scanned).by_scope == gradient_walk(unrolled).by_scope


@pytest.mark.parametrize("scanned", [False, True])
def test_rematerialisation_is_executed_and_is_no_model_cost(scanned):
    plain, remat = tiny_gpt(scanned=scanned), tiny_gpt(scanned=scanned, remat=True)
    assert train(remat).layers == train(plain).layers
    executed, once = gradient_walk(remat), gradient_walk(plain)
    assert once.total < executed.total <= once.total + flops(*plain).total
    assert executed.by_scope.keys() == once.by_scope.keys()


def test_layers_split_into_forward_and_the_two_gradients():
    time, width, vocabulary = 6, 8, 11
    layers = train(tiny_gpt()).layers
    assert layers.keys() == {"attention", "perceptron", "unembed"}
    unembed = 2 * time * width * vocabulary
    assert (layers["unembed"].forward, layers["unembed"].total) == (unembed, 3 * unembed)
    assert layers["unembed"].gradient_inputs == layers["unembed"].gradient_weights == unembed
    weights, pairs = 3 * 2 * time * width * 4 * width, 3 * 2 * 2 * time * time * width
    assert layers["attention"].forward == weights + pairs
    assert layers["attention"].gradient_weights == weights
    assert layers["attention"].gradient_inputs == weights + 2 * pairs


def test_scopes_of_the_gradient_are_those_of_the_forward_rule():
    assert gradient_walk(tiny_gpt()).by_scope == train(tiny_gpt(), padded=False).by_scope


@pytest.mark.parametrize(
    ("name", "positions"), [("LeNet-300-100", 1), ("LeNet-5", 28 * 28), ("ResNet-20", 32 * 32)]
)
def test_training_costs_three_forwards_less_the_gradient_of_raw_inputs(name, positions):
    network = REFERENCE[name][0]()
    first = jax.tree.leaves(network[1])[0]
    raw = 2 * math.prod(first.shape) * positions
    assert train(network).total == 3 * flops(*network).total - raw


def test_xla_agrees_on_a_matmul_network():
    assert 1.0 <= xla_ratio(lenet_300_100()) <= 1.02


def test_xla_agrees_on_a_residual_network():
    assert 1.0 <= xla_ratio(resnet_20(size=16, blocks=1)) <= 1.02


def xla_ratio(network):
    apply, params, inputs = network
    gradient = jax.value_and_grad(loss_of(apply))
    analysis = jax.jit(gradient).lower(params, inputs).cost_analysis()
    return analysis["flops"] / gradient_walk(network).total
