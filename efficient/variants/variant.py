"""The seams of a run: what a variant may change, and nothing else.

A training step has three ingredients: the function, the update rule and the objective. A variant
changes an ingredient or what happens between phases; the step, the clock and the meter never know
which. Every method is the identity by default, and a neutral setting returns the very object that
it was given.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from efficient.models.layers import weighted_layers
from efficient.models.signature import Signature


class VariantError(ValueError):
    """A setting that cannot be run: one line with the name, the value and the remedy."""


class Outputs(NamedTuple):
    """What the function gave. `logits: (batch, ..., classes) float32`.

    features: outputs of the layers that a rewrite tapped, by layer path; empty without one.
    """

    logits: jax.Array
    features: Mapping[str, jax.Array] = {}


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


class Load(Protocol):
    """Other runs' models, given by `run/`. `run` is a run's id or folder, or an artefact's."""

    def __call__(self, run: str) -> tuple[Callable[[Any, jax.Array], jax.Array], Any]:
        """`apply(weights, inputs) -> logits` of a run, and its weights."""
        ...

    def tapped(
        self, run: str, layers: tuple[str, ...]
    ) -> tuple[Callable[[Any, jax.Array], Outputs], Any]:
        """`apply(weights, inputs) -> outputs` of a run, with these features, and its weights."""
        ...

    def stored(self, run: str) -> jax.Array:
        """A run's logits of the training split without augmentation, (examples, classes).

        Computed once, kept beside the run, and charged to the run that was the first to ask.
        """
        ...

    def sampled(self, run: str, temperature: float, amount: int) -> jax.Array:
        """A text that a run wrote, (amount,) of the type of the training text; kept likewise."""
        ...


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
    """What a phase starts from. `enter` may change any of it; later needs go into `kept`.

    spec: the sizes of the network; with other sizes, `params`, `rest` and `opt_state` must be cut
    to fit; signature: of its inputs and classes, which never change; data: the arrays of the
    training split, on the device; frozen: what the objective reads beside the batch, by name; key:
    (2,) uint32, raw, the seed of the run as data, the same in every phase; rehearse: composes the
    run as at its end with another spec, and raises what would be raised there. An array is
    replaced, never changed in place.
    """

    spec: Any
    signature: Signature
    params: dict[str, Any]
    rest: dict[str, Any]
    opt_state: Any
    data: dict[str, Any]
    frozen: dict[str, Any]
    kept: dict[str, Any] = field(default_factory=dict)
    key: jax.Array = field(default_factory=lambda: jnp.zeros(2, jnp.uint32))
    rehearse: Callable[[Any], Any] = lambda spec: None


class Probe(Protocol):
    """The only way for a variant to see data or the loss outside the step; timed and counted.

    Batches are those of the training split in its stored order, without augmentation.
    """

    def loss_of(self, params: Any, rest: Any, batch: Any, /) -> jax.Array:
        """The run's objective in training mode, () float32, for use inside `measure`."""
        ...

    def apply(self, params: Any, rest: Any, inputs: jax.Array, /) -> tuple[Outputs, Any]:
        """The function in training mode, and `rest` after it, for use inside `measure`."""
        ...

    def loss(self, params: Any, batches: int = 1) -> float: ...
    def gradient(self, params: Any, batches: int = 1) -> Any: ...
    def measure(self, fn: Callable[..., Any], params: Any, batches: int) -> list[Any]:
        """`fn(params, rest, batch)` of each of the first `batches`, compiled once."""
        ...


Enter = Callable[[Work, Probe], Work]


@dataclass(frozen=True)
class Phase:
    """A stretch of steps under one program; `enter` runs on the host before it.

    resizes: whether `enter` changes the sizes of the network.
    """

    name: str
    steps: int
    enter: Enter | None = None
    resizes: bool = False


Plan = tuple[Phase, ...]


def steps_of(plan: Plan) -> int:
    return sum(phase.steps for phase in plan)


def divide(
    plan: Plan, step: int, before: str, after: str, enter: Enter, resizes: bool = False
) -> Plan:
    """Split the phase that holds `step` there; the second part begins with `enter`.

    A phase that begins at `step` already keeps its name, and its own `enter` runs first.

    Raises:
        VariantError: no step is before it, or none after.
    """
    passed = 0
    for i, phase in enumerate(plan):
        if passed < step < passed + phase.steps:
            first = replace(phase, name=before, steps=step - passed)
            second = Phase(after, phase.steps - first.steps, enter, resizes)
            return (*plan[:i], first, second, *plan[i + 1 :])
        if 0 < step == passed and phase.steps:
            return (*plan[:i], _chained(phase, enter, resizes), *plan[i + 1 :])
        passed += phase.steps
    raise VariantError(
        f"phase {after!r} would start at step {step} of {passed}; give the run more steps, or "
        "another fraction"
    )


def begin(plan: Plan, enter: Enter) -> Plan:
    """The plan whose first phase begins with `enter`, after what it began with."""
    first, *others = plan
    return (_chained(first, enter), *others)


def conclude(plan: Plan, phase: Phase) -> Plan:
    """The plan with a phase without steps after its last step, ahead of those that follow it.

    So what changes weights stands before what converts them, whoever is asked first.
    """
    trained = [i for i, each in enumerate(plan) if each.steps]
    place = trained[-1] + 1 if trained else 1
    return (*plan[:place], phase, *plan[place:])


def _chained(phase: Phase, enter: Enter, resizes: bool = False) -> Phase:
    """The phase that begins with `enter`, after what it began with."""
    earlier = phase.enter

    def both(work: Work, probe: Probe) -> Work:
        return enter(earlier(work, probe) if earlier else work, probe)

    return replace(phase, enter=both, resizes=phase.resizes or resizes)


@dataclass(frozen=True)
class Variant:
    """A technique; its fields are its hyper-parameters and their defaults.

    `rank` orders the seams when several techniques share a run: a higher rank wraps a lower one.
    `family`: of those who claim the same weights; two of one family cannot share a run.
    """

    rank: ClassVar[int] = 10
    family: ClassVar[str] = ""

    @property
    def since(self) -> str:
        """The phase from which on `rewrite` holds; empty for the whole run."""
        return ""

    def beside(self, other: Variant) -> None:
        """Raises VariantError where it cannot share a run with `other`."""
        names = [type(variant).__name__.lower() for variant in (self, other)]
        if type(self) is type(other):
            raise VariantError(
                f"{names[0]} stands twice in one run and would claim the same weights; keep one, "
                "or train the second from the first with --start"
            )
        if self.family and self.family == other.family:
            raise VariantError(
                f"{names[0]} and {names[1]} would claim the same weights in one run; keep one, or "
                "train the second from the first with --start"
            )

    def phases(self, plan: Plan) -> Plan:
        return plan

    def horizon(self, steps: int) -> int:
        """Over how many of a run's steps the learning rate is scheduled."""
        return steps

    def dense_gradient_steps(self, steps: int, done: int) -> int:
        """In how many of the first `done` of a run's `steps` the gradients of absent weights count.

        Effective FLOPs are charged with them.
        """
        return 0

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
