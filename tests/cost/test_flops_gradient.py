"""The forward rule against the gradient as jax writes it, and what a gradient passes through."""

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from efficient.cost.flops import count, count_training

SQUARE = jax.ShapeDtypeStruct((4, 4), jnp.float32)
PRODUCT = 2 * 4**3  # of two squares


def products(function, *args):
    """How many products of two squares `function` executes."""
    total = count(jax.make_jaxpr(function)(*args or (SQUARE, SQUARE))).total
    return None if total is None else total / PRODUCT


def trained_products(loss, differentiated=(True, False)):
    """Products that a training step takes by the forward rule."""
    args = (SQUARE,) * len(differentiated)
    total = count_training(jax.make_jaxpr(loss)(*args), differentiated).total
    assert total is not None
    return total / PRODUCT


def gradient_products(loss, differentiated=(True, False)):
    """Products in the loss and the gradient that jax writes for it."""
    argnums = tuple(i for i, mark in enumerate(differentiated) if mark)
    return products(jax.value_and_grad(loss, argnums), *(SQUARE,) * len(differentiated))


def scanned(body, start, length=3):
    return lax.scan(body, start, None, length=length)


LOSSES = {  # of a weight and raw inputs, with the products that one gradient step takes
    "recurrent": (lambda w, x: scanned(lambda c, _: (jnp.tanh(c @ w), None), x)[0].sum(), 9),
    "stacked": (lambda w, x: scanned(lambda c, _: (c @ w, (c @ w).sum()), x)[1].sum(), 18),
    "carry in turn": (
        lambda w, x: scanned(lambda c, _: ((c[1], c[2], c[0] @ w), None), (x, x, x))[0][0].sum(),
        9,
    ),
    "carry without gradient": (
        lambda w, x: scanned(lambda c, _: (lax.stop_gradient(c @ w), (c @ w).sum()), x)[1].sum(),
        9,
    ),
    "nested": (
        lambda w, x: scanned(
            lambda c, _: (scanned(lambda d, _: (d @ w, None), c, 2)[0] @ w, None), x
        )[0].sum(),
        27,
    ),
    "dearest branch": (
        lambda w, x: lax.cond(x.sum() > 0, lambda: x @ w @ w, lambda: x @ w).sum(),
        5,
    ),
    "gram": (lambda w, x: ((x @ w) @ (x @ w).T).sum(), 7),
    "weights only": (lambda w, x: (w @ w).sum() + x.sum(), 3),
    "unused": (lambda w, x: x.sum(), 0),
    "relu": (lambda w, x: jax.nn.relu(jax.nn.relu(x @ w) @ w).sum(), 5),
    "mapped": (lambda w, x: lax.map(lambda row: row @ w, x).sum(), 2),
    "sorted": (lambda w, x: jnp.sort(x @ w)[:, 0].sum(), 2),
    "jit": (lambda w, x: jax.jit(lambda a, b: (a @ b, b @ b))(x, w)[0].sum(), 2),
    "second order": (
        lambda w, x: (jax.grad(lambda w: jnp.tanh(x @ w).sum())(w) ** 2).sum(),
        4,
    ),
    "narrow": (lambda w, x: jnp.matmul(*(a.astype(jnp.bfloat16) for a in (x, w))).sum(), 2),
}


@pytest.mark.parametrize("name", LOSSES)
def test_forward_rule_is_what_jax_differentiates(name):
    loss, expected = LOSSES[name]
    assert trained_products(loss) == gradient_products(loss) == expected


@jax.custom_vjp
def twice(inputs, weight):
    return inputs @ weight


def twice_forward(inputs, weight):
    return inputs @ weight, (inputs, weight)


def twice_backward(kept, gradient):
    inputs, weight = kept
    return gradient @ weight.T @ weight, inputs.T @ gradient


twice.defvjp(twice_forward, twice_backward)


def test_hand_written_backward_is_executed_and_is_no_model_cost():
    def loss(weight, inputs):
        return twice(jnp.tanh(inputs @ weight), weight).sum()

    assert trained_products(loss) == 2 + 3
    assert gradient_products(loss) == 2 + 4


@jax.custom_vjp
def rounded(inputs, weight):
    narrow = [jnp.round(x).astype(jnp.int8) for x in (inputs, weight)]
    return lax.dot(*narrow, preferred_element_type=jnp.int32).astype(jnp.float32)


rounded.defvjp(
    lambda inputs, weight: (rounded(inputs, weight), (inputs, weight)),
    lambda kept, gradient: (gradient @ kept[1].T, kept[0].T @ gradient),
)


def test_integer_forward_keeps_its_floating_gradient():
    def loss(weight, inputs):
        return rounded(rounded(inputs, weight), weight).sum()

    rule = count_training(jax.make_jaxpr(loss)(SQUARE, SQUARE), (True, False))
    assert rule.by_dtype == {"int8": 2 * PRODUCT, "float32": 3 * PRODUCT}
    executed = count(jax.make_jaxpr(jax.value_and_grad(loss))(SQUARE, SQUARE))
    assert executed.by_dtype == rule.by_dtype


@pytest.mark.parametrize(
    "cut",
    [lax.stop_gradient, jnp.round, jnp.sign, lambda x: x.astype(jnp.int8).astype(jnp.float32)],
    ids=["stop_gradient", "round", "sign", "integer"],
)
def test_gradients_stop(cut):
    """Neither what comes before the cut nor the operand behind it needs a gradient."""

    def loss(weight, inputs):
        return (cut(inputs @ weight) @ weight).sum()

    assert trained_products(loss) == gradient_products(loss) == 1 + 2


def test_straight_through_rounding_keeps_the_gradient():
    def loss(weight, inputs):
        quantized = weight + lax.stop_gradient(jnp.round(weight) - weight)
        return (jnp.tanh(inputs @ quantized) @ quantized).sum()

    assert trained_products(loss) == gradient_products(loss) == 2 + 3


def test_only_the_first_output_is_differentiated():
    def loss(weight, inputs):
        logits = inputs @ weight
        return logits.sum(), logits @ weight

    jaxpr = jax.make_jaxpr(loss)(SQUARE, SQUARE)
    assert count_training(jaxpr, (True, False)).total == 3 * PRODUCT
    assert products(jax.value_and_grad(loss, has_aux=True)) == 3


def test_frozen_teacher_costs_one_forward():
    def loss(student, teacher, inputs):
        target = jnp.tanh(inputs @ teacher) @ teacher
        return ((jnp.tanh(inputs @ student) @ student - target) ** 2).sum()

    differentiated = (True, False, False)
    assert trained_products(loss, differentiated) == 2 + 5
    assert gradient_products(loss, differentiated) == 2 + 5


def test_batch_says_what_is_a_weight():
    def loss(weight, mask, inputs):
        with jax.named_scope("layer"):
            return (jnp.tanh(inputs @ (weight * mask)) @ (weight * mask)).sum()

    jaxpr = jax.make_jaxpr(loss)(*(SQUARE,) * 3)
    masked = count_training(jaxpr, (True, False, False), batch=(False, False, True))
    plain = count_training(jaxpr, (True, False, False))
    layer = masked.layers["layer"]
    assert (layer.forward, layer.gradient_inputs) == (2 * PRODUCT, PRODUCT)
    assert layer.gradient_weights == 2 * PRODUCT
    assert plain.total == masked.total == layer.total


def test_marks_must_fit_the_inputs():
    jaxpr = jax.make_jaxpr(lambda x, y: (x @ y).sum())(SQUARE, SQUARE)
    with pytest.raises(ValueError, match="differentiated has 1 entries; give one for each of 2"):
        count_training(jaxpr, (True,))
    with pytest.raises(ValueError, match="batch has 3 entries"):
        count_training(jaxpr, (True, False), batch=(True,) * 3)
