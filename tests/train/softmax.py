"""A softmax regression as a `Program` by hand: the loop and the step without networks."""

from __future__ import annotations

import functools
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import optax

from efficient.train.checkpoint import digest
from efficient.train.loop import Loop
from efficient.train.step import Program, TrainState
from efficient.variants import kept
from efficient.variants.compose import cross_entropy
from efficient.variants.variant import Outputs
from efficient.workloads import Batch

EXAMPLES, FEATURES, CLASSES, BATCH = 48, 5, 3, 8


@functools.cache
def data() -> dict[str, np.ndarray]:
    """Three classes that a linear map can tell apart."""
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(EXAMPLES, FEATURES)).astype(np.float32)
    targets = np.argmax(inputs @ rng.normal(size=(FEATURES, CLASSES)), axis=1)
    return {"inputs": inputs, "targets": targets.astype(np.int32)}


def sample(data, index, key) -> Batch:
    """Examples with a little noise, so that the step's key has an effect."""
    inputs = jnp.take(data["inputs"], index, axis=0)
    inputs = inputs + 0.01 * jax.random.uniform(key, inputs.shape)
    return Batch(inputs, data["targets"][index], jnp.ones(index.shape), index)


def logits(params, inputs):
    return inputs @ params["kernel"] + params["bias"][None]


def program(optimizer: optax.GradientTransformation, accumulate: int = 1) -> Program:
    """Its `rest` counts the batches which the function has seen."""
    return Program(
        apply=lambda params, rest, inputs: (Outputs(logits(params, inputs)), rest),
        predict=lambda params, rest, inputs: logits(params, inputs),
        objective=cross_entropy(0.0),
        sample=sample,
        optimizer=optimizer,
        kept=kept,
        accumulate=accumulate,
    )


def counting(optimizer: optax.GradientTransformation) -> Program:
    """Its `rest` counts how often each example was given to the function."""

    def sample_numbers(data, index, key):
        return sample(data, index, key)._replace(inputs=jax.nn.one_hot(index, EXAMPLES))

    def apply(params, rest, inputs):
        weights = jnp.zeros((EXAMPLES, CLASSES)) + params["bias"][None]
        return Outputs(inputs @ weights), {"seen": rest["seen"] + inputs.sum(0)}

    return replace(program(optimizer), sample=sample_numbers, apply=apply)


def initial(program: Program, seed: int = 0) -> TrainState:
    rng = np.random.default_rng(seed)
    kernel = rng.normal(size=(FEATURES, CLASSES)).astype(np.float32)
    params = {"kernel": jnp.asarray(kernel), "bias": jnp.zeros(CLASSES)}
    key = jax.random.key_data(jax.random.key(seed))
    rest = {"seen": jnp.zeros(EXAMPLES)}
    return TrainState(jnp.int32(0), key, params, rest, program.optimizer.init(params))


def loop(program: Program, length: int) -> Loop:
    return Loop(program, jax.device_put(data()), EXAMPLES, BATCH, length)


def train(program: Program, length: int, steps: int, seed: int = 0) -> tuple[str, np.ndarray, Loop]:
    """Digest of the final parameters, losses, and the loop."""
    made = loop(program, length)
    made.prepare(initial(program, seed), steps)
    losses = np.concatenate([stretch.losses for stretch in made.run(0, steps)])
    return digest(jax.device_get(made.state.params)), losses, made
