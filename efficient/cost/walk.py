"""The walk over a traced program that books the price of every live contraction.

One walk serves both counts: with nothing trained, the forward rule is the count of the program
itself. Each part of the bill is booked under a named scope, a dtype and a role.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from jax.extend.core import Jaxpr, JaxprEqn, jaxprs_in_params

from efficient.cost.contraction import OPAQUE, declared, operand_dtype, price
from efficient.cost.flow import CALLS, HAND_WRITTEN, Body, Flow, bodies, flags
from efficient.cost.value import dtype, is_inexact


@dataclass(frozen=True)
class Part:
    """What a price is booked under."""

    scope: str
    dtype: str
    role: str  # "forward", "gradient_inputs" or "gradient_weights"


@dataclass
class Tally:
    """A bill that grows: FLOPs by part, and the names of what has no price."""

    parts: Counter[Part] = field(default_factory=Counter)
    unpriced: set[str] = field(default_factory=set)

    @property
    def priced(self) -> int:
        return self.parts.total()

    def add(self, other: Tally, times: int = 1) -> None:
        """Adds `times` executions of what `other` is the bill of."""
        if times:
            self.parts.update({part: times * cost for part, cost in other.parts.items()})
            self.unpriced |= other.unpriced

    def by(self, attribute: str) -> dict[str, int]:
        """FLOPs by "scope" or by "dtype"."""
        sums: Counter[str] = Counter()
        for part, cost in self.parts.items():
            sums[getattr(part, attribute)] += cost
        return dict(sums)


@dataclass(frozen=True)
class Frame:
    """What is known on entering a program: marks on its outputs and inputs, and its place."""

    live: tuple[bool, ...]  # outputs that are used
    reached: tuple[bool, ...]  # outputs on which the loss depends through derivatives
    trained: tuple[bool, ...]  # inputs that need a gradient
    batch: tuple[bool, ...]  # inputs that depend on the data
    path: tuple[str, ...] = ()  # the named scopes around it
    cotangent: str | None = None  # dtype of the gradients inside a hand-written derivative


@dataclass(frozen=True)
class Rule:
    """How prices are made: with padding or without, and along which platform's branches."""

    padded: bool
    platform: str


def walk(jaxpr: Jaxpr, frame: Frame, rule: Rule) -> Tally:
    """The bill of one execution of `jaxpr`."""
    return _Program(jaxpr, frame, rule).tally()


class _Program:
    """One program of the walk, with the marks of all of its variables."""

    def __init__(self, jaxpr: Jaxpr, frame: Frame, rule: Rule):
        self.jaxpr, self.frame, self.rule = jaxpr, frame, rule
        self.uses = Flow(rule.platform, effects=True)
        self.derivatives = Flow(rule.platform, derivatives=frame.cotangent is None)
        self.live = self.uses.backward(jaxpr, frame.live)
        self.reached = self.derivatives.backward(jaxpr, frame.reached)
        self.trained = self.derivatives.forward(jaxpr, frame.trained)
        self.batch = self.uses.forward(jaxpr, frame.batch)

    def tally(self) -> Tally:
        tally = Tally()
        for equation in self.jaxpr.eqns:
            if equation.effects or any(flags(equation.outvars, self.live)):
                tally.add(self._equation(equation))
        return tally

    def _equation(self, equation: JaxprEqn) -> Tally:
        cost = price(equation, padded=self.rule.padded)
        if cost is not None:
            return self._contraction(equation, cost)
        if equation.primitive.name == "pallas_call":
            return self._kernel(equation)
        inner = bodies(equation, self.rule.platform)
        return self._call(equation, inner) if inner else self._other(equation)

    def _contraction(self, equation: JaxprEqn, cost: int) -> Tally:
        """The forward price, and once more for each operand that needs a gradient."""
        scope, forward = "/".join(self._path(equation)), operand_dtype(equation)
        tally = Tally(Counter({Part(scope, forward, "forward"): cost}))
        if self._is_differentiated(equation):
            floating = all(map(is_inexact, equation.invars[:2]))
            gradient = forward if floating else self.frame.cotangent or forward
            operands = equation.invars[:2]
            needed = flags(operands, self.trained)
            for is_needed, is_data in zip(needed, flags(operands, self.batch), strict=True):
                role = "gradient_inputs" if is_data else "gradient_weights"
                tally.parts[Part(scope, gradient, role)] += cost * is_needed
        return tally

    def _kernel(self, equation: JaxprEqn) -> Tally:
        """A Pallas kernel costs what its author declared; its gradient has no declared price."""
        cost, name = declared(equation), equation.primitive.name
        if cost is None:
            return Tally(unpriced={name})
        part = Part("/".join(self._path(equation)), operand_dtype(equation), "forward")
        return Tally(Counter({part: cost}), {name} if self._is_differentiated(equation) else set())

    def _call(self, equation: JaxprEqn, inner: tuple[Body, ...]) -> Tally:
        """One body as often as it runs; of several, the dearest."""
        bills = []
        for body in inner:
            bill = Tally()
            bill.add(walk(body.jaxpr, self._enter(equation, body), self.rule), body.times)
            bills.append(bill)
        dearest = max(bills, key=lambda bill: bill.priced)
        return Tally(dearest.parts, set().union(*(bill.unpriced for bill in bills)))

    def _enter(self, equation: JaxprEqn, body: Body) -> Frame:
        cotangent = self.frame.cotangent
        if cotangent is None and equation.primitive.name in HAND_WRITTEN:
            cotangent = next(map(dtype, filter(is_inexact, equation.outvars)), None)
        return Frame(
            live=self.uses.leaving(equation, body, self.live),
            reached=self.derivatives.leaving(equation, body, self.reached),
            trained=self.derivatives.entering(equation, body, self.trained),
            batch=self.uses.entering(equation, body, self.batch),
            path=self._path(equation),
            cotangent=cotangent,
        )

    def _other(self, equation: JaxprEqn) -> Tally:
        """Anything else is free, unless it contracts or may do so out of sight."""
        name = equation.primitive.name
        if name in OPAQUE or name in CALLS:
            return Tally(unpriced={name})
        for jaxpr in jaxprs_in_params(equation.params):
            inputs, outputs = (False,) * len(jaxpr.invars), (False,) * len(jaxpr.outvars)
            frame = Frame((True,) * len(outputs), outputs, trained=inputs, batch=inputs)
            bill = walk(jaxpr, frame, self.rule)
            if bill.priced or bill.unpriced:
                return Tally(unpriced={name})
        return Tally()

    def _is_differentiated(self, equation: JaxprEqn) -> bool:
        needed = flags(equation.invars, self.trained)
        return any(needed) and any(flags(equation.outvars, self.reached))

    def _path(self, equation: JaxprEqn) -> tuple[str, ...]:
        return self.frame.path + _scopes(equation.source_info.name_stack.stack)


def _scopes(stack: tuple) -> tuple[str, ...]:
    """The scopes a person named, without the transformations around and between them.

    The gradient of a rematerialised function names its scopes twice, once for the transposition
    and once for the function: `transpose(jvp(block))/jvp(block)`. The second time is dropped.
    """
    names: list[str] = []
    for index, part in enumerate(stack):
        if type(part).__name__ == "Scope":
            names += [part.name] if part.name != "rematted_computation" else []
        elif part.name == "jvp" and names:
            following = [other.name for other in stack[index:] if type(other).__name__ == "Scope"]
            if following[: len(names)] == names:
                names = []
    return tuple(names)
