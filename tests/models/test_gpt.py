"""What a language model may see, and how text is drawn from it."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from efficient.models.generation import generate
from efficient.models.gpt import GPTSpec
from efficient.models.layers import weighted_layers
from efficient.models.operand import Cast, wrap
from efficient.models.signature import Signature, SpecError

CONTEXT, VOCABULARY = 6, 11


@pytest.fixture(scope="module")
def model():
    return GPTSpec(2, 8, 2, 16).build(Signature((CONTEXT,), VOCABULARY, "text"), nnx.Rngs(0))


@pytest.fixture(scope="module")
def apply(model):
    graphdef, state = nnx.split(model)
    return jax.jit(lambda tokens: nnx.merge(graphdef, state)(tokens))


def test_gradients_reach_the_past_and_never_the_future(model):
    tokens = jnp.arange(CONTEXT)[None]

    def logit(extra, time):
        embedded = model.positions(model.tokens(tokens) + extra)
        for number in range(model.depth):
            embedded = getattr(model, f"block_{number}")(embedded)
        return model.norm(embedded)[0, time].sum(where=jnp.arange(8) < 3)

    influence = jax.jit(jax.vmap(jax.grad(logit), (None, 0)))
    gradients = influence(jnp.zeros((1, CONTEXT, 8)), jnp.arange(CONTEXT))
    reached = jnp.abs(gradients[:, 0]).max(-1) > 0
    np.testing.assert_array_equal(reached, np.tri(CONTEXT, dtype=bool))


def test_a_prefix_has_the_logits_of_the_whole(apply):
    tokens = jnp.arange(2 * CONTEXT).reshape(2, CONTEXT) % VOCABULARY
    np.testing.assert_allclose(apply(tokens[:, :4]), apply(tokens)[:, :4], rtol=1e-4, atol=1e-5)


def test_too_long_a_text_is_refused(model):
    with pytest.raises(SpecError, match="gpt has context 6, got 7 tokens"):
        model(jnp.zeros((1, 7), jnp.int32))


def test_a_token_outside_the_vocabulary_is_seen(apply):
    assert jnp.isnan(apply(jnp.array([[1, VOCABULARY]]))).any()


def test_greedy_text_is_the_one_of_a_plain_loop(apply):
    text = start = jnp.array([[1, 2], [3, 4]])
    for _ in range(7):
        token = apply(text[:, -CONTEXT:])[:, -1].argmax(-1)
        text = jnp.concatenate([text, token[:, None]], axis=1)
    key = jax.random.key(0)
    greedy = generate(apply, start, 7, key, context=CONTEXT, temperature=0.0)
    np.testing.assert_array_equal(greedy, text)
    only = generate(apply, start, 7, key, context=CONTEXT, top_k=1)
    np.testing.assert_array_equal(only, text)


def test_text_is_deterministic_in_the_key(apply):
    def draw(seed):
        start = jnp.array([[1], [1]])
        return np.asarray(generate(apply, start, 8, jax.random.key(seed), context=CONTEXT))

    first, again, other = draw(0), draw(0), draw(1)
    np.testing.assert_array_equal(first, again)
    assert (first != other).any() and (first[0] != first[1]).any()
    assert first.shape == (2, 9) and (first[:, 0] == 1).all()


def test_samples_follow_the_logits():
    logits = jnp.log(jnp.array([0.1, 0.2, 0.7]))

    def apply(tokens):
        return jnp.broadcast_to(logits, (*tokens.shape, 3))

    start = jnp.zeros((400, 1), jnp.int32)
    text = generate(apply, start, 2, jax.random.key(0), context=2, top_k=2)[:, 1:]
    shares = np.bincount(np.asarray(text).ravel(), minlength=3) / text.size
    np.testing.assert_allclose(shares, [0, 2 / 9, 7 / 9], atol=0.04)


@pytest.mark.parametrize(
    "options", [{"temperature": -1.0}, {"top_k": 0}, {"tokens": jnp.zeros((1, 0), jnp.int32)}]
)
def test_impossible_sampling_is_refused(apply, options):
    arguments = {"tokens": jnp.zeros((1, 1), jnp.int32), **options}
    with pytest.raises(SpecError, match="generate got"):
        generate(apply, steps=1, key=jax.random.key(0), context=CONTEXT, **arguments)


SPECS = {
    "tied": GPTSpec(2, 8, 2, 16),
    "untied, biases": GPTSpec(2, 8, 2, 16, tied=False, bias=True),
    "pruned": GPTSpec(2, 8, 4, 16, layer_heads=(1, 3), layer_hidden=(5, 16)),
}
WRAPPERS = {
    "float32": None,
    "bfloat16": partial(Cast, dtype="bfloat16"),
}


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("spec", SPECS)
def test_token_by_token_has_the_logits_of_the_whole(spec, wrapper):
    made = SPECS[spec].build(Signature((CONTEXT,), VOCABULARY, "text"), nnx.Rngs(1))
    if WRAPPERS[wrapper]:
        for layer in weighted_layers(made).values():
            wrap(layer, WRAPPERS[wrapper])
    made.eval()
    tokens = jax.random.randint(jax.random.key(0), (2, CONTEXT), 0, VOCABULARY)
    graphdef, state = nnx.split(made)

    @partial(jax.jit, static_argnames="method")
    def run(*inputs, method="__call__"):
        return getattr(nnx.merge(graphdef, state), method)(*inputs)

    whole = run(tokens)
    logits, caches = run(tokens[:, :2], method="prefill")
    np.testing.assert_allclose(logits, whole[:, :2], rtol=1e-5, atol=1e-6)
    shapes = jax.tree.map(jnp.shape, caches)
    for time in range(2, CONTEXT):
        logits, caches = run(tokens[:, time], jnp.int32(time), caches, method="decode")
        # A value that rounds the other way in bfloat16 moves the logits by a step of it.
        tolerance = 1e-5 if wrapper == "float32" else 3e-3
        np.testing.assert_allclose(logits, whole[:, time], rtol=tolerance, atol=tolerance)
    assert jax.tree.map(jnp.shape, caches) == shapes


def test_too_long_a_text_is_refused_with_a_cache(model):
    with pytest.raises(SpecError, match="gpt has context 6, got 7 tokens"):
        model.prefill(jnp.zeros((1, 7), jnp.int32))
