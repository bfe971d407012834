"""How marks flow through a traced program (a jaxpr): forwards from inputs, backwards from outputs.

The counter asks four questions of a value, and each is a walk: is it used (backwards, all uses),
does it reach the loss through derivatives (backwards, derivatives only), does it need a gradient
(forwards, derivatives only), does it depend on the batch (forwards, all uses)?

A derivative passes neither through integers nor through the primitives in `FLAT`. Inside a
function with a hand-written derivative (`jax.custom_vjp`, `jax.custom_jvp`) nobody differentiates
the body, so there every use counts as one: a straight-through rounding keeps its gradient.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import prod

from jax.extend.core import Jaxpr, JaxprEqn, Literal, Var, jaxprs_in_params

from efficient.cost.trip import trips
from efficient.cost.value import Value, is_inexact, program, shape

# Primitives with a floating output whose derivative is zero everywhere.
FLAT = frozenset({"bitcast_convert_type", "ceil", "floor", "round", "sign", "stop_gradient"})

HAND_WRITTEN = frozenset({"custom_jvp_call", "custom_vjp_call"})

# Primitives that run the one program in their parameters on all of their operands.
CALLS = HAND_WRITTEN | {
    "call",
    "checkpoint",
    "closed_call",
    "composite",
    "compute_on",
    "core_call",
    "custom_vmap_call",
    "eval_jaxpr",
    "jit",
    "pjit",
    "remat",
    "remat2",
    "scan",
    "shard_map",
    "xla_metadata_call",
}


@dataclass(frozen=True)
class Body:
    """A program inside an equation. Its outputs are those of the equation, in the same order."""

    jaxpr: Jaxpr
    times: int = 1  # executions per execution of the equation
    skipped: int = 0  # first operands of the equation that the body does not get
    constants: int = 0  # operands of a loop that come before the carried ones
    carried: int = 0  # outputs of a loop that are operands of the next turn


def bodies(equation: JaxprEqn, platform: str) -> tuple[Body, ...]:
    """Programs of which `equation` runs one on `platform`; empty when it is no transparent call."""
    name, params = equation.primitive.name, equation.params
    if name == "cond":
        branches = [Body(program(branch), skipped=1) for branch in params["branches"]]
        chosen = _branch(params.get("branches_platforms"), platform)
        return tuple(branches) if chosen is None else (branches[chosen],)
    if name == "while":
        return _while(equation)
    inner = list(jaxprs_in_params(params)) if name in CALLS else []
    if len(inner) != 1:
        return ()
    if name == "scan":
        return (_scan(equation, inner[0]),)
    if name == "shard_map":
        axes = params["newly_manual_axes"]
        return (Body(inner[0], times=prod(params["mesh"].shape[axis] for axis in axes)),)
    return (Body(inner[0]),)


@dataclass(frozen=True)
class Flow:
    """Rules of one walk. Both directions return the marked variables of the outermost program."""

    platform: str
    derivatives: bool = False  # follow derivatives only, instead of every use
    effects: bool = False  # backwards: what an effect (a print, a callback) reads is marked too

    def forward(self, jaxpr: Jaxpr, inputs: Sequence[bool]) -> set[Var]:
        """Variables that depend on the marked `inputs`."""
        marked = {var for var, mark in zip(jaxpr.invars, inputs, strict=True) if mark}
        for equation in jaxpr.eqns if marked else ():
            marked |= self._outputs(equation, marked)
        return marked

    def backward(self, jaxpr: Jaxpr, outputs: Sequence[bool]) -> set[Var]:
        """Variables on which the marked `outputs` depend."""
        marked = {
            var
            for var, mark in zip(jaxpr.outvars, outputs, strict=True)
            if mark and not isinstance(var, Literal)
        }
        for equation in reversed(jaxpr.eqns) if marked or self.effects else ():
            if (self.effects and equation.effects) or not marked.isdisjoint(equation.outvars):
                marked |= self._operands(equation, marked)
        return marked

    def entering(self, equation: JaxprEqn, body: Body, marked: set[Var]) -> tuple[bool, ...]:
        """Forward marks on the inputs of `body`, with what a loop carries round."""
        marks = list(flags(equation.invars[body.skipped :], marked))
        while body.carried:
            known = self.inside(equation).forward(body.jaxpr, marks)
            carried = flags(body.jaxpr.outvars[: body.carried], known)
            if not _add(marks, body.constants, carried):
                break
        return tuple(marks)

    def leaving(self, equation: JaxprEqn, body: Body, marked: set[Var]) -> tuple[bool, ...]:
        """Backward marks on the outputs of `body`, with what a loop carries round."""
        marks = list(flags(equation.outvars, marked))
        while body.carried:
            known = self.inside(equation).backward(body.jaxpr, marks)
            inputs = body.jaxpr.invars[body.constants : body.constants + body.carried]
            if not _add(marks, 0, flags(inputs, known)):
                break
        return tuple(marks)

    def inside(self, equation: JaxprEqn) -> Flow:
        """The rules inside the bodies of `equation`."""
        if self.derivatives and equation.primitive.name in HAND_WRITTEN:
            return replace(self, derivatives=False)
        return self

    def _outputs(self, equation: JaxprEqn, marked: set[Var]) -> set[Var]:
        if marked.isdisjoint(_variables(equation.invars)) or self._stops(equation):
            return set()
        inner = bodies(equation, self.platform)
        found = set() if inner else set(equation.outvars)
        for body in inner:
            known = self.inside(equation).forward(body.jaxpr, self.entering(equation, body, marked))
            marks = flags(body.jaxpr.outvars, known)
            found |= {var for var, mark in zip(equation.outvars, marks, strict=True) if mark}
        return self._passing(found)

    def _operands(self, equation: JaxprEqn, marked: set[Var]) -> set[Var]:
        if self._stops(equation):
            return set()
        inner = bodies(equation, self.platform)
        skipped = inner[0].skipped if inner else len(equation.invars)
        found = _variables(equation.invars[:skipped])
        for body in inner:
            known = self.inside(equation).backward(body.jaxpr, self.leaving(equation, body, marked))
            operands = equation.invars[body.skipped :]
            marks = flags(body.jaxpr.invars, known)
            found |= _variables(v for v, mark in zip(operands, marks, strict=True) if mark)
        return self._passing(found)

    def _stops(self, equation: JaxprEqn) -> bool:
        return self.derivatives and equation.primitive.name in FLAT

    def _passing(self, variables: set[Var]) -> set[Var]:
        if not self.derivatives:
            return variables
        return {var for var in variables if is_inexact(var)}


def flags(values: Sequence[Value], marked: set[Var]) -> tuple[bool, ...]:
    """Which of the `values` are marked."""
    return tuple(not isinstance(value, Literal) and value in marked for value in values)


def _scan(equation: JaxprEqn, jaxpr: Jaxpr) -> Body:
    """A carried value keeps its rank in the body; a stacked one has one axis less there."""
    carried = sum(map(_same_rank, jaxpr.outvars, equation.outvars))
    unstacked = sum(map(_same_rank, jaxpr.invars, equation.invars))
    return Body(jaxpr, equation.params["length"], constants=unstacked - carried, carried=carried)


def _while(equation: JaxprEqn) -> tuple[Body, ...]:
    """The body of a loop whose turns are provable; its condition then contracts nothing."""
    turns, params = trips(equation), equation.params
    if turns is None:
        return ()
    body = program(params["body_jaxpr"])
    constants, skipped = params["body_nconsts"], params["cond_nconsts"]
    return (Body(body, turns, skipped=skipped, constants=constants, carried=len(body.outvars)),)


def _same_rank(inner: Value, outer: Value) -> bool:
    return len(shape(inner)) == len(shape(outer))


def _branch(platforms: Sequence[Sequence[str] | None] | None, platform: str) -> int | None:
    """The branch that `jax.lax.platform_dependent` takes; None when the choice is made by data."""
    names = {"cuda", "rocm"} if platform == "gpu" else {platform}
    for index, known in enumerate(platforms or ()):
        if known is None or not names.isdisjoint(known):
            return index
    return None


def _variables(values: Iterable[Value]) -> set[Var]:
    return {value for value in values if not isinstance(value, Literal)}


def _add(marks: list[bool], start: int, extra: Sequence[bool]) -> bool:
    """Adds the `extra` marks from `start` on; says whether one of them was new."""
    new = [start + i for i, mark in enumerate(extra) if mark and not marks[start + i]]
    for index in new:
        marks[index] = True
    return bool(new)
