"""The pure step, called directly, against the same update written by hand."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import softmax

from efficient.train.optimizer import Optimizer, Schedule
from efficient.train.step import chunk, evaluate, train_step
from efficient.workloads import Batch

STEPS = 10


def _batch(size: int = 24) -> Batch:
    return softmax.sample(softmax.data(), jnp.arange(size), jax.random.key(1))


def _gradient(params, batch):
    """Softmax regression's, from the textbook: (p - onehot) averaged over the batch."""
    inputs, targets = np.asarray(batch.inputs, np.float64), np.asarray(batch.targets)
    scores = inputs @ np.asarray(params["kernel"], np.float64) + np.asarray(params["bias"])
    scores -= scores.max(axis=1, keepdims=True)
    p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    loss = -np.log(p[np.arange(len(targets)), targets]).mean()
    delta = (p - np.eye(softmax.CLASSES)[targets]) / len(targets)
    return loss, {"kernel": inputs.T @ delta, "bias": delta.sum(axis=0)}


def test_one_step_is_plain_gradient_descent():
    program = softmax.program(Optimizer("sgd", 0.5, Schedule("constant"), momentum=0).build(STEPS))
    state, batch = softmax.initial(program), _batch()
    after, metrics = train_step(program, state, batch, None)
    loss, gradient = _gradient(state.params, batch)
    assert float(metrics.loss) == pytest.approx(loss, rel=1e-5)
    for name, value in after.params.items():
        expected = np.asarray(state.params[name]) - 0.5 * gradient[name]
        np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-6)
    assert int(after.step) == 1
    assert metrics.kept.shape == (0,)


def test_adamw_decays_the_matrix_and_not_the_bias():
    """First step of Adam moves by lr * sign(g); decoupled decay adds lr * decay * weight."""
    lr, decay = 0.1, 0.3
    rule = Optimizer("adamw", lr, Schedule("constant"), weight_decay=decay)
    program = softmax.program(rule.build(STEPS))
    state, batch = softmax.initial(program), _batch()
    state.params["bias"] = jnp.full(softmax.CLASSES, 2.0)
    after, _ = train_step(program, state, batch, None)
    _, gradient = _gradient(state.params, batch)
    for name, shrunk in (("kernel", lr * decay), ("bias", 0.0)):
        before = np.asarray(state.params[name])
        expected = before * (1 - shrunk) - lr * np.sign(gradient[name])
        np.testing.assert_allclose(after.params[name], expected, atol=1e-4)


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw", "muon"])
def test_weight_decay_touches_weights_of_two_axes_only(name):
    params = {"kernel": jnp.ones((3, 2)), "bias": jnp.ones(2)}
    zero = jax.tree.map(jnp.zeros_like, params)
    moved = {}
    for decay in (0.0, 0.5):
        rule = Optimizer(name, 0.1, Schedule("constant"), weight_decay=decay).build(STEPS)
        updates, _ = rule.update(zero, rule.init(params), params)
        moved[decay] = updates
    np.testing.assert_array_equal(moved[0.5]["bias"], moved[0.0]["bias"])
    assert (np.asarray(moved[0.5]["kernel"]) < np.asarray(moved[0.0]["kernel"])).all()


@pytest.mark.parametrize(
    "rule",
    [
        Optimizer("sgd", 0.5, momentum=0.9),
        Optimizer("sgd", 0.5, momentum=0.9, nesterov=True),
        Optimizer("adam", 0.1),
        Optimizer("adamw", 0.1, weight_decay=0.01, clip_norm=1.0),
        Optimizer("muon", 0.1),
    ],
    ids=["momentum", "nesterov", "adam", "adamw", "muon"],
)
def test_the_loss_falls_with_every_rule(rule):
    program = softmax.program(rule.build(STEPS))
    state, batch, losses = softmax.initial(program), _batch(), []
    step = jax.jit(lambda state: train_step(program, state, batch, None))
    for _ in range(STEPS):
        state, metrics = step(state)
        losses.append(float(metrics.loss))
    assert losses[-1] < 0.9 * losses[0]
    assert np.isfinite(losses).all()


@pytest.mark.parametrize("parts", [2, 3])
def test_accumulated_gradients_are_those_of_the_full_batch(parts):
    rule = optax.sgd(0.5)
    program, split = softmax.program(rule), softmax.program(rule, parts)
    state, batch = softmax.initial(program), _batch()
    whole, metrics = train_step(program, state, batch, None)
    summed, other = train_step(split, state, batch, None)
    assert float(other.loss) == pytest.approx(float(metrics.loss), rel=1e-6)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), whole, summed)


def test_the_clip_bounds_the_update():
    rule = Optimizer("sgd", 1.0, Schedule("constant"), momentum=0, clip_norm=1e-3).build(STEPS)
    program = softmax.program(rule)
    state = softmax.initial(program)
    after, _ = train_step(program, state, _batch(), None)
    moved = jax.tree.map(lambda a, b: a - b, after.params, state.params)
    assert float(optax.tree.norm(moved)) == pytest.approx(1e-3, rel=1e-2)


def test_the_chunk_is_the_step_repeated():
    program = softmax.program(Optimizer("adam", 0.1).build(4))
    state, data = softmax.initial(program), jax.device_put(softmax.data())
    order = jnp.flip(jnp.arange(softmax.EXAMPLES, dtype=jnp.int32))
    scanned, metrics = jax.jit(
        lambda state: chunk(program, 4, 8, state, data, (order,), jnp.int32(0), None)
    )(state)
    key = jax.random.wrap_key_data(state.key)
    losses = []
    for number in range(4):
        index = order[8 * number : 8 * number + 8]
        batch = softmax.sample(data, index, jax.random.fold_in(key, number))
        state, single = train_step(program, state, batch, None)
        losses.append(float(single.loss))
    np.testing.assert_allclose(metrics.loss, losses, rtol=1e-5)
    np.testing.assert_allclose(scanned.params["kernel"], state.params["kernel"], rtol=1e-5)


@pytest.mark.parametrize("batch_size", [1, 7, 20])
def test_every_example_is_evaluated_once(batch_size):
    """Whatever the batch: what is past the end comes last and is cut off."""

    def window(data, index):
        return data[jnp.minimum(index, 19)], index < 20

    def measure(weights, batch):
        return weights * batch[0] * batch[1]

    found = evaluate(measure, window, 20, batch_size, jnp.float32(2), jnp.arange(20.0))
    np.testing.assert_array_equal(found[:20], 2 * np.arange(20.0))
    assert len(found) % batch_size == 0
    assert not found[20:].any()
