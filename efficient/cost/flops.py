"""FLOPs of a program, counted on the traced jaxpr and never on the machine.

Two questions, two functions:

- `count`: what does this program execute? Every live contraction, recomputed ones included.
- `count_training`: what does training with this loss cost by the forward rule? A contraction costs
  its forward FLOPs x (1 + the number of its operands that need a gradient). Rematerialisation and
  the hand-written backward of a layer do not change it, so it is the same on every machine.

What has no price (whatever `primitive.FREE` does not name, and loops of unknown length that
contract) is named, and the total is then None: never a number that is silently too small. Every
count is a Python int.

The forward rule follows the padded convention in which papers publish multiply-adds; its un-padded
value equals an un-padded walk of `jax.value_and_grad` of the same loss.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax

from efficient.cost.place import BACKWARD, FORWARD, PHASES
from efficient.cost.summary import summary
from efficient.cost.value import Traced, program
from efficient.cost.walk import Frame, Rule, Tally, walk


@dataclass(frozen=True)
class Layer:
    """FLOPs of one named scope, per execution of the whole program."""

    forward: int
    gradient_inputs: int
    gradient_weights: int

    @property
    def total(self) -> int:
        return self.forward + self.gradient_inputs + self.gradient_weights


@dataclass(frozen=True, repr=False)
class Count:
    """FLOPs of a program. `by_scope`, `by_dtype` and `by_phase` each add up to `priced`."""

    priced: int  # what could be priced: a lower bound
    unpriced: tuple[str, ...]  # primitives that could not be priced
    by_scope: dict[str, int]  # `jax.named_scope` path -> FLOPs; "" is outside of every scope
    by_dtype: dict[str, int]  # dtype of the operands -> FLOPs
    by_phase: dict[str, int]  # "forward", "backward" and "update" -> FLOPs
    recomputed: int  # the part of `priced` that rematerialisation runs for a second time
    padded: bool  # whether taps on padding are counted

    @property
    def total(self) -> int | None:
        """FLOPs of the program, None when something in it could not be priced."""
        return None if self.unpriced else self.priced

    @property
    def reason(self) -> str | None:
        """One line that says why there is no total."""
        if not self.unpriced:
            return None
        return f"no FLOPs known for {', '.join(self.unpriced)}; {self.priced} is a lower bound"

    def __repr__(self) -> str:
        """A few lines to be read; the exact integers are in the fields."""
        return summary(self)


@dataclass(frozen=True, repr=False)
class TrainingCount(Count):
    """FLOPs of one loss and its gradient, with the three parts of every layer."""

    layers: dict[str, Layer]


def flops(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Count:
    """FLOPs of `function(*args, **kwargs)`, padded convention, the same on every machine.

    The arguments are arrays or `jax.ShapeDtypeStruct`s; nothing is executed or compiled. The cost
    of training is that of the gradient: `flops(jax.value_and_grad(loss), params, batch)`.
    """
    return count(jax.make_jaxpr(function)(*args, **kwargs), padded=True, platform="default")


def count(jaxpr: Traced, *, padded: bool = False, platform: str = "cpu") -> Count:
    """FLOPs that `jaxpr` executes on `platform`, dead code left out.

    `platform` selects the branches of `jax.lax.platform_dependent`: "cpu", "gpu", "cuda", "rocm",
    "tpu", or "default" for the branch that names no platform.

    The phase of an equation is read from its name stack: what a transposition made is backward,
    and what stands under `jax.named_scope("update")`, the outermost scope, is the update.
    """
    nothing = (False,) * len(program(jaxpr).invars)
    rule = Rule(padded, platform)
    tally = _walk(jaxpr, nothing, nothing, rule)
    return Count(**_sums(tally, rule), by_phase=_phases(tally.by("phase")))


def count_training(
    jaxpr: Traced,
    differentiated: Sequence[bool],
    *,
    batch: Sequence[bool] | None = None,
    padded: bool = True,
    platform: str = "default",
) -> TrainingCount:
    """FLOPs of the loss `jaxpr` and of its gradient, by the forward rule.

    The first output is the loss; further outputs are computed but not differentiated.
    `differentiated[i]` says whether the flat input `i` is a trained parameter. `batch[i]` says
    whether it is data (by default whatever is not trained): an operand that needs a gradient and
    does not depend on the batch is a weight, and only that splits `gradient_weights` from
    `gradient_inputs`; it never changes a total.

    Raises ValueError when `differentiated` or `batch` does not have one entry per input.
    """
    trained = tuple(differentiated)
    data = tuple(not mark for mark in trained) if batch is None else tuple(batch)
    inputs = len(program(jaxpr).invars)
    for name, marks in (("differentiated", trained), ("batch", data)):
        if len(marks) != inputs:
            raise ValueError(
                f"{name} has {len(marks)} entries; give one for each of {inputs} inputs"
            )
    rule = Rule(padded, platform)
    tally = _walk(jaxpr, trained, data, rule)
    roles = tally.by("role")
    gradients = roles["gradient_inputs"] + roles["gradient_weights"]
    phases = _phases({FORWARD: roles["forward"], BACKWARD: gradients})
    return TrainingCount(**_sums(tally, rule), by_phase=phases, layers=_layers(tally))


def _walk(jaxpr: Traced, trained: tuple[bool, ...], batch: tuple[bool, ...], rule: Rule) -> Tally:
    outputs = len(program(jaxpr).outvars)
    loss = tuple(index == 0 for index in range(outputs))
    frame = Frame(live=(True,) * outputs, reached=loss, trained=trained, batch=batch)
    return walk(program(jaxpr), frame, rule)


def _sums(tally: Tally, rule: Rule) -> dict[str, Any]:
    return {
        "priced": tally.priced,
        "unpriced": tuple(sorted(tally.unpriced)),
        "by_scope": dict(tally.by("scope")),
        "by_dtype": dict(tally.by("dtype")),
        "recomputed": tally.by("recomputed")[True],
        "padded": rule.padded,
    }


def _phases(sums: dict[str, int]) -> dict[str, int]:
    return {phase: sums.get(phase, 0) for phase in PHASES}


def _layers(tally: Tally) -> dict[str, Layer]:
    roles = {scope: Counter[str]() for scope in tally.by("scope")}
    for part, cost in tally.parts.items():
        roles[part.scope][part.role] += cost
    return {
        scope: Layer(costs["forward"], costs["gradient_inputs"], costs["gradient_weights"])
        for scope, costs in roles.items()
    }
