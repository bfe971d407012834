"""Small networks of every kind, built once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from flax import nnx
from small import SMALL

from efficient.models.signature import Signature


@dataclass(frozen=True)
class Network:
    """A model taken apart into plain dicts, and one batch for it."""

    model: Any
    graphdef: Any
    params: dict
    rest: dict
    inputs: jax.Array
    signature: Signature

    def apply(self, params: dict, rest: dict, inputs: jax.Array) -> tuple[jax.Array, dict]:
        """Logits and the new rest."""
        model = nnx.merge(self.graphdef, params, rest)
        logits = model(inputs)
        return logits, nnx.to_pure_dict(nnx.state(model, nnx.Not(nnx.Param)))

    def loss(self, params: dict, rest: dict, inputs: jax.Array) -> tuple[jax.Array, dict]:
        """A loss that every logit moves, and the new rest."""
        logits, rest = self.apply(params, rest, inputs)
        return jnp.square(logits - 1).mean(), rest

    def step(self, state: tuple, inputs: jax.Array) -> tuple[tuple, jax.Array]:
        """One step of gradient descent on `(params, rest)`."""
        params, rest = state
        gradient = jax.value_and_grad(self.loss, has_aux=True)
        (loss, rest), gradients = gradient(params, rest, inputs)
        return (jax.tree.map(lambda p, g: p - 0.1 * g, params, gradients), rest), loss


def take_apart(model: Any, signature: Signature) -> Network:
    """Splits a model and draws three examples for it."""
    graphdef, params, rest = nnx.split(model, nnx.Param, ...)
    params, rest = nnx.to_pure_dict(params), nnx.to_pure_dict(rest)
    key = jax.random.key(1)
    if signature.kind == "text":
        inputs = jax.random.randint(key, (3, *signature.input_shape), 0, signature.classes)
    else:
        inputs = jax.random.normal(key, (3, *signature.input_shape))
    return Network(model, graphdef, params, rest, inputs, signature)


#: Another form of a network that is tried in the default suite.
FORMS = ("resnet-b", "vit-token", "gpt-untied")
EVERY = [pytest.param(name, marks=pytest.mark.slow) if name in FORMS else name for name in SMALL]


@pytest.fixture(scope="session", params=EVERY)
def network(request) -> Network:
    """Every network in turn."""
    return build(request.param)


def build(name: str) -> Network:
    """The small network of that name, in training mode."""
    spec, signature = SMALL[name]
    return take_apart(spec.build(signature, nnx.Rngs(0)), signature)
