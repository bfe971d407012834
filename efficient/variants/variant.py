"""The seams of a run: what a variant may change, and nothing else.

A training step has three ingredients: the function, the update rule and the objective. A variant
changes an ingredient or what happens between phases; the step, the clock and the meter never know
which. Every method is the identity by default, and a neutral setting returns the very object that
it was given.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, NamedTuple, Protocol

import jax
import optax
from flax import nnx

from efficient.models.layers import weighted_layers


class VariantError(ValueError):
    """A setting that cannot be run: one line with the name, the value and the remedy."""


class Outputs(NamedTuple):
    """What the function gave. `logits: (batch, ..., classes) float32`."""

    logits: jax.Array


class Batch(Protocol):
    """Examples as the function sees them.

    inputs: (batch, ...) float32 images or int32 tokens; targets: (batch,) or (batch, time) int32;
    weights: like targets, float32, 0 on padding; index: (batch,) int32, the examples' numbers.
    """

    @property
    def inputs(self) -> jax.Array: ...
    @property
    def targets(self) -> jax.Array: ...
    @property
    def weights(self) -> jax.Array: ...
    @property
    def index(self) -> jax.Array: ...


#: `objective(outputs, batch, frozen) -> loss: () float32`
Objective = Callable[[Outputs, Batch, Any], jax.Array]
#: `apply(weights, inputs) -> logits` and the weights: another run's model, given by run.py.
Load = Callable[[str], tuple[Callable[[Any, jax.Array], jax.Array], Any]]


@dataclass(frozen=True)
class Weight:
    """One row of the table of weights: a layer's kernel and where it is used."""

    path: str
    shape: tuple[int, ...]
    kind: str

    @property
    def kernel(self) -> str:
        """Its name in the flat parameters."""
        return f"{self.path}/kernel"

    @property
    def size(self) -> int:
        size = 1
        for axis in self.shape:
            size *= axis
        return size


@dataclass(frozen=True)
class Work:
    """What a phase starts from. `enter` may change any of it; later needs go into `kept`."""

    params: dict[str, Any]
    rest: dict[str, Any]
    opt_state: Any
    kept: dict[str, Any] = field(default_factory=dict)


class Probe(Protocol):
    """The only way for a variant to see data or the loss outside the step; timed and counted."""

    def loss(self, params: Any, batches: int = 1) -> float: ...
    def gradient(self, params: Any, batches: int = 1) -> Any: ...
    def measure(self, fn: Callable[..., Any], params: Any, batches: int) -> list[Any]: ...


Enter = Callable[[Work, Probe], Work]


@dataclass(frozen=True)
class Phase:
    """A stretch of steps under one program; `enter` runs on the host before it."""

    name: str
    steps: int
    enter: Enter | None = None


Plan = tuple[Phase, ...]


def steps_of(plan: Plan) -> int:
    return sum(phase.steps for phase in plan)


def divide(plan: Plan, step: int, before: str, after: str, enter: Enter) -> Plan:
    """Split the phase that holds `step` there; the second part begins with `enter`."""
    passed = 0
    for i, phase in enumerate(plan):
        if passed < step < passed + phase.steps:
            first = replace(phase, name=before, steps=step - passed)
            second = Phase(after, phase.steps - first.steps, enter)
            return (*plan[:i], first, second, *plan[i + 1 :])
        passed += phase.steps
    raise VariantError(
        f"phase {after!r} would start at step {step} of {passed}; give the run more steps, or "
        "another fraction"
    )


@dataclass(frozen=True)
class Variant:
    """A technique; its fields are its hyper-parameters and their defaults.

    `rank` orders the seams when several techniques share a run: a higher rank wraps a lower one.
    """

    rank: ClassVar[int] = 10

    def phases(self, plan: Plan) -> Plan:
        return plan

    def rewrite(self, model: nnx.Module) -> nnx.Module:
        return model

    def extend(
        self, tx: optax.GradientTransformation, weights: tuple[Weight, ...], plan: Plan
    ) -> optax.GradientTransformation:
        return tx

    def objective(self, base: Objective, load: Load) -> tuple[Objective, dict[str, Any]]:
        """Another loss, and the arrays that it reads by name.

        The loss finds them in `frozen` beside those of others, and hands `frozen` on to `base`.
        """
        return base, {}

    def claims(self, weights: tuple[Weight, ...]) -> dict[str, int]:
        """What the shipped file must show, as numbers beside the measured ones in `evidence`."""
        return {}

    def parents(self) -> tuple[tuple[str, str], ...]:
        """Other runs it needs, as (role, run id)."""
        return ()


def weight_table(model: nnx.Module) -> tuple[Weight, ...]:
    """The kernels of a model in definition order."""
    return tuple(
        Weight(path, tuple(layer.kernel.shape), layer.kind)
        for path, layer in weighted_layers(model).items()
    )


def matching(weights: tuple[Weight, ...], pattern: str, kinds: tuple[str, ...]):
    """The weights of these kinds whose path matches a shell pattern.

    Raises:
        VariantError: nothing matches; the message lists what there is.
    """
    able = [w for w in weights if w.kind in kinds]
    found = tuple(w for w in able if fnmatch.fnmatchcase(w.path, pattern))
    if not found:
        names = ", ".join(w.path for w in able[:6]) + (", ..." if len(able) > 6 else "")
        raise VariantError(f"pattern {pattern!r} matches no layer; there are: {names}")
    return found
