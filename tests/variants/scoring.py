"""A network, a Work and a real Probe over random examples, without a run."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from efficient.cost.clock import Clock
from efficient.models.signature import Signature
from efficient.train.probe import Probe
from efficient.variants import Composition, Phase, Prune, Work, compose

IMAGES = Signature((6, 6, 1), 3, "image")
TOKENS = Signature((8,), 11, "text")
EXAMPLES, BATCH = 24, 8


class Examples(NamedTuple):
    inputs: Any
    targets: Any
    weights: Any
    index: Any


def examples(signature: Signature) -> Examples:
    rng = np.random.default_rng(0)
    if signature.kind == "image":
        inputs = rng.normal(size=(EXAMPLES, *signature.input_shape)).astype(np.float32)
        targets = rng.integers(0, signature.classes, EXAMPLES)
    else:
        inputs = rng.integers(0, signature.classes, (EXAMPLES, *signature.input_shape))
        targets = rng.integers(0, signature.classes, (EXAMPLES, *signature.input_shape))
    weights = jnp.ones(targets.shape, jnp.float32)
    return Examples(jnp.asarray(inputs), jnp.asarray(targets), weights, jnp.arange(EXAMPLES))


class Scene(NamedTuple):
    """A run before its first phase."""

    made: Composition
    work: Work
    probe: Probe


def begin(variant: Prune, spec: Any, signature: Signature = IMAGES, seed: int = 0) -> Scene:
    """The run of a network with one variant."""
    made = compose((variant,), spec.build(signature, nnx.Rngs(seed)), 0.0, _nothing)
    tx = made.extend(optax.sgd(0.1), (Phase("train", 10),))
    state, key = tx.init(made.params), jnp.array([0, seed], jnp.uint32)
    work = Work(spec, signature, made.params, made.rest, state, {}, {}, {}, key)
    return Scene(made, work, probe(made, signature))


def cut(scene: Scene) -> Work:
    """The work after the variant has chosen its masks."""
    enter = scene.made.plan((Phase("train", 10),))[0].enter
    assert enter is not None
    return enter(scene.work, scene.probe)


def probe(made: Composition, signature: Signature) -> Probe:
    def loss_of(params, rest, batch):
        outputs, _ = made.apply(params, rest, batch.inputs)
        return made.objective(outputs, batch, {})

    return Probe(
        loss_of=loss_of,
        apply=made.apply,
        window=lambda data, index: jax.tree.map(lambda x: x[index], data),
        data=examples(signature),
        rest=made.rest,
        examples=EXAMPLES,
        batch_size=BATCH,
        clock=Clock(),
        platform="cpu",
    )


def _nothing(run: str):
    raise AssertionError(f"{run} was asked for")
