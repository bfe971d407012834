"""A traced program as a graph of values: calls inlined, dead code gone, loops as nodes.

Nothing is executed. A node is one value; it knows its operands, so whatever no output needs is
simply not reached. A contraction gets its operands in matrix order, as a compiler brings them
there: the transposition that this takes is a node of its own, because it moves memory.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import Any

import jax.numpy as jnp
from jax.extend.core import Jaxpr, JaxprEqn, Literal, Var

from efficient.cost.flow import bodies
from efficient.cost.primitive import FREE
from efficient.cost.value import Value, program, shape

CONTRACTIONS = ("dot_general", "conv_general_dilated")
INPUT, CONSTANT, LOOP, PART = "input", "constant", "loop", "part"


@dataclass(eq=False)
class Node:
    """One value of a program. operands: what it is made of; eqn: what makes it, if anything does.

    A loop, or a choice that data makes, is one node without a value; its results are nodes named
    `part`. bodies: what it runs, `times` times; the dearest one of several.
    """

    name: str
    shape: tuple[int, ...]
    itemsize: int = 4
    operands: tuple[Node, ...] = ()
    eqn: JaxprEqn | None = None
    order: tuple[int, ...] = ()  # of a transposition
    bodies: tuple[Graph, ...] = ()
    times: int = 1

    @property
    def size(self) -> int:
        return prod(self.shape)

    @property
    def bytes(self) -> int:
        return self.size * self.itemsize


@dataclass
class Graph:
    """Inputs, outputs, and which input each output becomes in the next turn of a loop."""

    inputs: list[Node]
    outputs: list[Node]
    carried: dict[Node, Node] = field(default_factory=dict)
    unpriced: set[str] = field(default_factory=set)


def graph(jaxpr: Any, platform: str) -> Graph:
    """The graph of a program as `jax.make_jaxpr` or a traced function gives it."""
    inner = program(jaxpr)
    inputs = [_input(var) for var in inner.invars]
    made = Graph(inputs, [])
    made.outputs = _Reader(platform, made.unpriced).read(inner, inputs)
    return made


@dataclass
class _Reader:
    """Reads equations in order; `unpriced` collects the names of what hides its work."""

    platform: str
    unpriced: set[str]

    def read(self, jaxpr: Jaxpr, inputs: list[Node]) -> list[Node]:
        known: dict[Var, Node] = dict(zip(jaxpr.invars, inputs, strict=True))
        for var in jaxpr.constvars:
            known[var] = _input(var)

        def node(value: Value) -> Node:
            if isinstance(value, Literal):
                return Node(CONSTANT, shape(value), _itemsize(value))
            return known[value]

        for equation in jaxpr.eqns:
            results = self._equation(equation, [node(value) for value in equation.invars])
            known.update(zip(equation.outvars, results, strict=True))
        return [node(value) for value in jaxpr.outvars]

    def _equation(self, equation: JaxprEqn, operands: list[Node]) -> list[Node]:
        name, inner = equation.primitive.name, bodies(equation, self.platform)
        if len(inner) == 1 and name not in ("scan", "while"):
            # a sharded body runs once on every device, at the same time
            return self.read(inner[0].jaxpr, operands[inner[0].skipped :])
        if inner:
            return self._loop(equation, operands)
        if name not in FREE and name not in CONTRACTIONS:
            self.unpriced.add(name)
        if name == "dot_general":
            operands = _matrix_order(equation, operands)
        made = [
            Node(name, shape(out), _itemsize(out), tuple(operands), equation)
            for out in equation.outvars
        ]
        if name == "transpose":
            made[0].order = tuple(equation.params["permutation"])
        return made

    def _loop(self, equation: JaxprEqn, operands: list[Node]) -> list[Node]:
        found, times = [], 1
        for body in bodies(equation, self.platform):
            inputs = [_input(var) for var in body.jaxpr.invars]
            outputs = self.read(body.jaxpr, inputs)
            start = body.constants
            carried = inputs[start : start + body.carried]
            pairs = dict(zip(outputs[: body.carried], carried, strict=True))
            found.append(Graph(inputs, outputs, pairs))
            times = body.times
        loop = Node(LOOP, (), 0, tuple(operands), equation, bodies=tuple(found), times=times)
        return [Node(PART, shape(out), _itemsize(out), (loop,)) for out in equation.outvars]


def _input(value: Var) -> Node:
    return Node(INPUT, shape(value), _itemsize(value))


def _itemsize(value: Value) -> int:
    kind = getattr(value.aval, "dtype", None)
    try:
        return jnp.dtype(kind).itemsize if kind is not None else 0
    except TypeError:  # a typed random key: two words
        return 8


def _matrix_order(equation: JaxprEqn, operands: list[Node]) -> list[Node]:
    """The operands of a contraction as (batch, free, contracted) and (batch, contracted, free).

    A contraction with at most one axis of each sort, the batch in front, is taken as it stands:
    kernels read either side transposed.
    """
    (left, right), (left_batch, right_batch) = equation.params["dimension_numbers"]
    return [
        _ordered(operands[0], left_batch, left, last=True),
        _ordered(operands[1], right_batch, right, last=False),
    ]


def _ordered(node: Node, batch: Any, contracted: Any, *, last: bool) -> Node:
    batch, contracted = tuple(batch), tuple(contracted)
    rank = len(node.shape)
    free = tuple(axis for axis in range(rank) if axis not in batch + contracted)
    leading = batch == tuple(range(len(batch)))
    if leading and len(free) <= 1 and len(contracted) <= 1:
        return node
    order = batch + (free + contracted if last else contracted + free)
    swapped = batch + (contracted + free if last else free + contracted)
    natural = tuple(range(rank))
    if natural in (order, swapped) and len(contracted) == 1:
        return node
    if natural == order:
        return node
    moved = tuple(node.shape[axis] for axis in order)
    return Node("transpose", moved, node.itemsize, (node,), order=order)
