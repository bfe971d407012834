"""How often a `while` runs, where its own equations prove it.

Proved is the counted loop: it goes on while an integer that every turn moves by the same constant
is on one side of a constant bound, and starts from a constant. `lax.fori_loop` between constants
is one, when jax has not already made it a scan. Anything else runs until the data say stop.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
from jax.extend.core import Jaxpr, JaxprEqn, Literal, Var

from efficient.cost.value import Value, dtype, program

# The same comparison with its two sides exchanged.
_MIRRORED = {"lt": "gt", "le": "ge", "gt": "lt", "ge": "le", "ne": "ne"}


def trips(equation: JaxprEqn) -> int | None:
    """Turns of the `while` that `equation` is; None where they are not provable."""
    loop = _Loop.of(equation)
    test = _definition(loop.test, loop.test.outvars[0])
    if test is None or test.primitive.name not in _MIRRORED:
        return None
    name, (left, right) = test.primitive.name, test.invars
    if not loop.step(left):
        name, left, right = _MIRRORED[name], right, left
    step, start, bound = loop.step(left), loop.start(left), loop.start(right)
    if step is None or start is None or bound is None or loop.step(right) != 0:
        return None
    turns = _turns(name, start, bound, step)
    if turns is None:
        return None
    limits = jnp.iinfo(dtype(left))  # past them the counter would wrap and go on
    return turns if limits.min <= start + turns * step <= limits.max else None


@dataclass(frozen=True)
class _Loop:
    """The two programs of a `while` and its operands, constants of the body left out."""

    test: Jaxpr
    body: Jaxpr
    operands: tuple[Value, ...]  # of the test: its constants, then what is carried
    constants: int  # of the test
    skipped: int  # constants of the body

    @classmethod
    def of(cls, equation: JaxprEqn) -> _Loop:
        params = equation.params
        constants, skipped = params["cond_nconsts"], params["body_nconsts"]
        values = tuple(equation.invars)
        operands = values[:constants] + values[constants + skipped :]
        bodies = program(params["cond_jaxpr"]), program(params["body_jaxpr"])
        return cls(*bodies, operands, constants, skipped)

    def start(self, value: Value) -> int | None:
        """The constant that `value`, of the test, has at first and, unless it steps, for ever."""
        if isinstance(value, Var):
            if value not in self.test.invars:
                return None
            value = self.operands[self.test.invars.index(value)]
        return _constant(value)

    def step(self, value: Value) -> int | None:
        """What a turn adds to `value`, of the test: 0 to a constant; None for what is irregular."""
        if isinstance(value, Literal):
            return 0
        if value not in self.test.invars:
            return None
        carried = self.test.invars.index(value) - self.constants
        if carried < 0:
            return 0
        before, after = self.body.invars[self.skipped + carried], self.body.outvars[carried]
        if after is before:
            return 0
        made = _definition(self.body, after)
        if made is None or made.primitive.name not in ("add", "sub"):
            return None
        sign = 1 if made.primitive.name == "add" else -1
        left, right = made.invars
        if sign == 1 and right is before:
            left, right = right, left
        added = _constant(right)
        return None if added is None or left is not before else sign * added


def _turns(name: str, start: int, bound: int, step: int) -> int | None:
    """Turns while `counter NAME bound` holds; None for ever."""
    if name == "ne":
        distance = bound - start
        if distance == 0:
            return 0
        return distance // step if step and distance % step == 0 and distance // step > 0 else None
    if name in ("gt", "ge"):  # a mirror image
        start, bound, step = -start, -bound, -step
    missing = bound - start + (name in ("le", "ge"))
    if missing <= 0:
        return 0
    return -(-missing // step) if step > 0 else None


def _constant(value: Value) -> int | None:
    """The whole number that `value` is in the program's text."""
    if isinstance(value, Literal) and jnp.issubdtype(dtype(value), jnp.integer):
        return int(value.val)
    return None


def _definition(jaxpr: Jaxpr, value: Value) -> JaxprEqn | None:
    """The equation of `jaxpr` that makes `value`."""
    return next((made for made in jaxpr.eqns if value in made.outvars), None)
