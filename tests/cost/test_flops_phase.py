"""Forward, backward, update; what is computed twice; and how a count reads."""

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from efficient.cost.flops import count, count_training, flops
from efficient.cost.summary import scaled
from efficient.cost.value import bucket

SQUARE = jax.ShapeDtypeStruct((4, 4), jnp.float32)
PRODUCT = 2 * 4**3  # of two squares


def phases(function, *args):
    """Products of two squares: forward, backward, update."""
    found = count(jax.make_jaxpr(function)(*args or (SQUARE, SQUARE)))
    assert list(found.by_phase) == ["forward", "backward", "update"]
    assert sum(found.by_phase.values()) == found.total
    return tuple(part // PRODUCT for part in found.by_phase.values())


@jax.custom_vjp
def product(left, right):
    return left @ right


def backward(kept, gradient):
    left, right = kept
    return gradient @ right.T @ right, left.T @ gradient


product.defvjp(lambda left, right: (left @ right, (left, right)), backward)


@jax.custom_jvp
def tangent(left, right):
    return left @ right


@tangent.defjvp
def _(primals, tangents):
    (left, right), (d_left, d_right) = primals, tangents
    return left @ right, d_left @ right + left @ d_right


def layer(weight, inputs):
    return jnp.tanh(inputs @ weight)


def scanned(weight, inputs):
    return lax.scan(lambda c, _: (jnp.tanh(c @ weight), None), inputs, None, length=3)[0]


def branched(weight, inputs):
    return lax.cond(inputs.sum() > 0, lambda: inputs @ weight, lambda: inputs)


GRADIENTS = {  # of a weight and raw inputs: products forward and backward
    "matmul": (layer, 1, 1),
    "two": (lambda w, x: layer(w, layer(w, x)), 2, 3),
    "jit": (lambda w, x: jax.jit(layer)(w, jax.jit(layer)(w, x)), 2, 3),
    "vmap": (lambda w, x: jax.vmap(layer, (None, 0))(w, x[None]), 1, 1),
    "scan": (scanned, 3, 6),
    "cond": (branched, 1, 1),
    "custom_vjp": (lambda w, x: product(layer(w, x), w), 2, 4),
    "custom_jvp": (lambda w, x: tangent(layer(w, x), w), 2, 3),
}


@pytest.mark.parametrize("name", GRADIENTS)
def test_what_a_transposition_made_is_the_backward_pass(name):
    function, forward, back = GRADIENTS[name]

    def loss(weight, inputs):
        return function(weight, inputs).sum()

    assert phases(loss) == (forward, 0, 0)
    assert phases(jax.value_and_grad(loss)) == (forward, back, 0)
    assert phases(jax.jit(jax.value_and_grad(loss))) == (forward, back, 0)


def step(weight, inputs):
    def loss(weight):  # a layer of that name is no optimizer
        return jax.jit(jax.named_scope("update")(layer))(weight, inputs).sum()

    gradient = jax.grad(loss)(weight)
    with jax.named_scope("update"):
        return weight - jax.jit(jnp.matmul)(gradient @ gradient, gradient)


def test_update_is_what_stands_in_its_scope_outside_of_the_gradient():
    assert phases(step) == (1, 1, 2)
    chunk = lambda w, x: lax.scan(lambda w, _: (step(w, x), None), w, None, length=5)[0]  # noqa: E731
    assert phases(chunk) == (5, 5, 10)


@pytest.mark.parametrize("jitted", [False, True])
@pytest.mark.parametrize("nested", [False, True])
def test_rematerialisation_can_be_left_out(jitted, nested):
    def blocks(wrap, weight, inputs):
        block = wrap(lambda w, x: layer(w, product(jax.jit(layer)(w, x), w)))
        for _ in range(2):
            inputs = wrap(block)(weight, inputs) if nested else block(weight, inputs)
        return inputs.sum()

    def executed(wrap):
        gradient = jax.value_and_grad(lambda w, x: blocks(wrap, w, x))
        return count(jax.make_jaxpr(jax.jit(gradient) if jitted else gradient)(SQUARE, SQUARE))

    plain, remat = executed(lambda f: f), executed(jax.checkpoint)
    assert plain.recomputed == 0 < remat.recomputed
    assert remat.total - remat.recomputed == plain.total
    assert remat.by_phase["forward"] == plain.by_phase["forward"]
    saving = jax.checkpoint_policies.everything_saveable
    saved = executed(lambda f: jax.checkpoint(f, policy=saving))
    assert (saved.total, saved.recomputed) == (plain.total, 0)


def test_phases_of_the_forward_rule_are_those_of_the_gradient():
    def loss(weight, inputs):
        with jax.named_scope("update"):
            return layer(weight, layer(weight, inputs)).sum()

    rule = count_training(jax.make_jaxpr(loss)(SQUARE, SQUARE), (True, False))
    executed = count(jax.make_jaxpr(jax.value_and_grad(loss))(SQUARE, SQUARE))
    assert rule.by_phase == executed.by_phase
    assert rule.recomputed == executed.recomputed == 0
    assert rule.by_phase["forward"] == sum(part.forward for part in rule.layers.values())


BUCKETS = {
    "float32": "f32",
    "float64": "f64",
    "float16": "f16",
    "bfloat16": "bf16",
    "float8_e4m3fn": "fp8",
    "float8_e5m2": "fp8",
    "float4_e2m1fn": "fp4",
    "int8": "int8",
    "uint8": "int8",
    "int4": "int4",
    "int32": "int32",
    "complex64": "c64",
    "bool": "bool",
    "bfloat16*int8": "bf16*int8",
    "int8*uint8": "int8",
}


@pytest.mark.parametrize("name", BUCKETS)
def test_dtypes_have_short_names(name):
    assert bucket(name) == BUCKETS[name]
    assert all(part == "bool" or jnp.dtype(part) for part in name.split("*"))


def test_a_count_reads_as_a_few_lines_and_keeps_the_integers():
    @jax.checkpoint
    def block(weight, inputs):
        with jax.named_scope("dense"):
            return jnp.tanh(layer(weight, inputs) @ weight)

    found = flops(jax.value_and_grad(lambda w, x: block(w, x).sum()), SQUARE, SQUARE)
    assert found.total == 7 * PRODUCT
    assert repr(found).splitlines() == [
        "896 FLOPs (896 FLOP; a multiply-add is 2, padding counted)",
        "  phase  forward     256   29%",
        "         backward    640   71%",
        "  remat  recomputed  256   29%",
        "  dtype  f32         896  100%",
        "  scope  dense       896  100%",
    ]


def test_a_count_says_what_it_leaves_out():
    found = flops(lambda x: jnp.linalg.cholesky(x @ x), SQUARE)
    lines = str(found).splitlines()
    assert lines[0].startswith("at least 128 FLOPs")
    assert lines[-1] == "  unpriced  cholesky"
    assert str(flops(jnp.sin, SQUARE)).startswith("0 FLOPs (0 FLOP;")


def test_only_the_dearest_scopes_are_shown():
    def deep(x):
        for index in range(9):
            with jax.named_scope(f"layer_{index}"):
                x = x @ x
        return x

    lines = str(flops(deep, SQUARE)).splitlines()
    assert lines[-1].split()[:2] == ["(3", "more)"]
    assert len(lines) == 1 + 1 + 1 + 6 + 1


@pytest.mark.parametrize(
    ("flops", "text"),
    [(0, "0 FLOP"), (999, "999 FLOP"), (999_600, "1 MFLOP"), (2_263_920, "2.26 MFLOP")],
)
def test_scaled(flops, text):
    assert scaled(flops) == text
