"""The walk over a traced program that books the price of every live contraction.

One walk serves both counts: with nothing trained, the forward rule is the count of the program
itself. Each part of the bill is booked under a named scope, a dtype, a role and a phase.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from jax.extend.core import Jaxpr, JaxprEqn, jaxprs_in_params

from efficient.cost.contraction import declared, operand_dtype, price
from efficient.cost.flow import CALLS, HAND_WRITTEN, Body, Flow, bodies, flags
from efficient.cost.place import BACKWARD, BEGINNING, Place
from efficient.cost.primitive import FREE
from efficient.cost.value import Value, dtype, is_inexact


@dataclass(frozen=True)
class Part:
    """What a price is booked under."""

    scope: str
    dtype: str
    role: str  # by the forward rule: "forward", "gradient_inputs" or "gradient_weights"
    phase: str  # of the program as it is written: one of `place.PHASES`
    recomputed: bool = False  # inside rematerialised computation


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

    def by(self, attribute: str) -> Counter:
        """FLOPs by an attribute of their parts."""
        sums = Counter()
        for part, cost in self.parts.items():
            sums[getattr(part, attribute)] += cost
        return sums


@dataclass(frozen=True)
class Frame:
    """What is known on entering a program: marks on its outputs and inputs, and its place."""

    live: tuple[bool, ...]  # outputs that are used
    reached: tuple[bool, ...]  # outputs on which the loss depends through derivatives
    trained: tuple[bool, ...]  # inputs that need a gradient
    batch: tuple[bool, ...]  # inputs that depend on the data
    place: Place = BEGINNING  # what stands around it
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
        self.reversed = {e.outvars[0] for e in jaxpr.eqns if e.primitive.name == "rev"}

    def tally(self) -> Tally:
        tally = Tally()
        for equation in self.jaxpr.eqns:
            if equation.effects or any(flags(equation.outvars, self.live)):
                tally.add(self._equation(equation))
        return tally

    def _equation(self, equation: JaxprEqn) -> Tally:
        to_inputs = self._is_to_inputs(equation)
        cost = price(equation, padded=self.rule.padded, to_inputs=to_inputs)
        if cost is not None:
            return self._contraction(equation, cost)
        if equation.primitive.name == "pallas_call":
            return self._kernel(equation)
        inner = bodies(equation, self.rule.platform)
        return self._call(equation, inner) if inner else self._other(equation)

    def _contraction(self, equation: JaxprEqn, cost: int) -> Tally:
        """The forward price, and once more for each operand that needs a gradient."""
        forward, tally = operand_dtype(equation), Tally()
        tally.parts[self._part(equation, forward)] = cost
        if self._is_differentiated(equation):
            operands = equation.invars[:2]
            floating = all(map(is_inexact, operands))
            gradient = forward if floating else self.frame.cotangent or forward
            marks = flags(operands, self.trained), flags(operands, self.batch)
            for is_needed, is_data in zip(*marks, strict=True):
                role = "gradient_inputs" if is_data else "gradient_weights"
                tally.parts[self._part(equation, gradient, role)] += cost * is_needed
        return tally

    def _kernel(self, equation: JaxprEqn) -> Tally:
        """A Pallas kernel costs what its author declared; its gradient has no declared price."""
        cost, name = declared(equation), equation.primitive.name
        if cost is None:
            return Tally(unpriced={name})
        part = self._part(equation, operand_dtype(equation))
        return Tally(Counter({part: cost}), {name} if self._is_differentiated(equation) else set())

    def _part(self, equation: JaxprEqn, dtype: str, role: str = "forward") -> Part:
        place = self.frame.place.of(equation)
        return Part(place.scope, dtype, role, place.phase, place.recomputed)

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
            place=self.frame.place.of(equation),
            cotangent=cotangent,
        )

    def _other(self, equation: JaxprEqn) -> Tally:
        """Free if it is known to be, or if all that it may run is: else nobody knows."""
        name, inner = equation.primitive.name, list(jaxprs_in_params(equation.params))
        if name in CALLS or (name not in FREE and not inner):
            return Tally(unpriced={name})
        for jaxpr in inner:
            inputs, outputs = (False,) * len(jaxpr.invars), (False,) * len(jaxpr.outvars)
            frame = Frame((True,) * len(outputs), outputs, trained=inputs, batch=inputs)
            bill = walk(jaxpr, frame, self.rule)
            if bill.priced or bill.unpriced:
                return Tally(unpriced={name})
        return Tally()

    def _is_differentiated(self, equation: JaxprEqn) -> bool:
        needed = flags(equation.invars, self.trained)
        return any(needed) and any(flags(equation.outvars, self.reached))

    def _is_to_inputs(self, equation: JaxprEqn) -> bool:
        """Whether jax wrote the equation as a convolution's gradient towards its inputs.

        It is a convolution of the backward pass whose kernel was turned round just before.
        """
        if equation.primitive.name != "conv_general_dilated":
            return False
        kernel: Value = equation.invars[1]
        is_turned = any(flags((kernel,), self.reversed))
        return is_turned and self.frame.place.of(equation).phase == BACKWARD
