"""Where an equation stands: its named scopes, its phase, and whether it runs for a second time.

jax writes this into the name stack of every equation: the scopes that a person named
(`jax.named_scope`) and, between them, the transformations. What a transposition made is the
backward pass, also what a person wrote as the backward of a `jax.custom_vjp`. What
`jax.checkpoint` computes again on the way back stands under a scope of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jax.extend.core import JaxprEqn

FORWARD, BACKWARD, UPDATE = "forward", "backward", "update"
PHASES = (FORWARD, BACKWARD, UPDATE)

_RECOMPUTED = "rematted_computation"


@dataclass(frozen=True)
class Place:
    """A place in a program; the empty one is its beginning.

    scopes: named scopes, the outermost first; recomputed: under rematerialisation
    """

    scopes: tuple[str, ...] = ()
    recomputed: bool = False
    _phase: str = ""  # empty as long as nothing has decided it

    @property
    def scope(self) -> str:
        return "/".join(self.scopes)

    @property
    def phase(self) -> str:
        return self._phase or FORWARD

    def of(self, equation: JaxprEqn) -> Place:
        """The place of an equation of the program that stands here."""
        stack = equation.source_info.name_stack.stack
        again = any(_is_scope(part) and part.name == _RECOMPUTED for part in stack)
        scopes = self.scopes + _scopes(stack)
        return Place(scopes, self.recomputed or again, self._decide(stack))

    def _decide(self, stack: tuple) -> str:
        """Backward under a transposition; update under an outermost scope of that name.

        A layer called "update" is no optimizer: it stands under the transformation that
        differentiates the loss.
        """
        found = self._phase
        if found == UPDATE:
            return found
        for part in stack:
            if _is_scope(part):
                if not found and not self.scopes and part is stack[0] and part.name == UPDATE:
                    return UPDATE
            elif part.name == "transpose":
                found = BACKWARD
            elif part.name == "jvp":
                found = found or FORWARD
        return found


BEGINNING = Place()


def _scopes(stack: tuple) -> tuple[str, ...]:
    """The scopes a person named, without the transformations around and between them.

    The gradient of a rematerialised function names its scopes twice, once for the transposition
    and once for the function: `transpose(jvp(block))/jvp(block)`. The second time is dropped.
    """
    names: list[str] = []
    for index, part in enumerate(stack):
        if _is_scope(part):
            names += [part.name] if part.name != _RECOMPUTED else []
        elif part.name == "jvp" and names:
            following = [other.name for other in stack[index:] if _is_scope(other)]
            if following[: len(names)] == names:
                names = []
    return tuple(names)


def _is_scope(part: Any) -> bool:
    return type(part).__name__ == "Scope"
