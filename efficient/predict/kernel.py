"""Which kernels a compiler makes of a graph: what is computed together, and what memory it moves.

The rule is the one XLA states for fusing loops. An element-wise operation is computed inside the
kernel that needs it, and again in every other such kernel, unless it is expensive and has several
users. A value is written to memory when somebody cannot compute it on the way: a contraction, a
reduction, a sort, a loop, the end of the program. A value that is in memory is read from there
unless computing it again reads no more than that (it has at most one operand of its size).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from efficient.predict.graph import CONSTANT, INPUT, LOOP, PART, Graph, Node

#: Other views of the same elements: no arithmetic.
BITCASTS = frozenset({"reshape", "squeeze", "expand_dims", "stop_gradient", "copy", "copy_p"})
VIEWS = BITCASTS | {
    "broadcast_in_dim",
    "iota",
    "optimization_barrier",
    "random_unwrap",
    "random_wrap",
    "rev",
    "slice",
    "transpose",
}
_FUNCTIONS = """
    acos asin atan atan2 cbrt cos cosh digamma erf erf_inv erfc exp exp2 expm1 lgamma log log1p
    logistic pow sin sinh tan tanh
"""
#: Operations of one element in units of an addition; everything else counts 1. A function that is
#: evaluated as a range reduction and a polynomial of degree 6 to 12 takes about 20; a division or
#: a root takes about as long as 8 additions in the vector units of today's processors.
OPERATIONS = {
    **dict.fromkeys(_FUNCTIONS.split(), 20),
    **dict.fromkeys(("div", "rem", "sqrt", "rsqrt"), 8),
    "random_bits": 50,
    "random_fold_in": 50,
    "random_split": 50,
    "threefry2x32": 50,
}
#: What XLA computes once only, if several need it.
EXPENSIVE = {name for name, cost in OPERATIONS.items() if cost > 1 and name != "div"}
#: Kernels of their own, whose operands and results are in memory.
ALONE = frozenset(
    {
        "argmax",
        "argmin",
        "concatenate",
        "conv_general_dilated",
        "cumlogsumexp",
        "cummax",
        "cummin",
        "cumprod",
        "cumsum",
        "dot_general",
        "dynamic_slice",
        "dynamic_update_slice",
        "gather",
        "random_bits",
        "random_fold_in",
        "random_split",
        "scatter",
        "scatter-add",
        "scatter_add",
        "scatter_max",
        "scatter_min",
        "scatter_mul",
        "select_and_gather_add",
        "select_and_scatter_add",
        "sort",
        "threefry2x32",
        "top_k",
        "while",
        LOOP,
    }
)
#: They read only as much of their first operand as their result holds.
PARTIAL = frozenset({"gather", "dynamic_slice"})
REDUCTIONS = ("reduce_", "argmax", "argmin")


@dataclass(frozen=True)
class Read:
    """A value that a kernel reads. apart: "" in its own order, else the way it is turned."""

    node: Node
    bytes: int
    apart: str = ""


@dataclass
class Kernel:
    """One kernel: the value it writes, the values it reads, and its element-wise operations."""

    node: Node
    reads: list[Read] = field(default_factory=list)
    written: int = 0
    operations: int = 0


def kernels(graph: Graph) -> list[Kernel]:
    """The kernels of one execution of `graph`, in the order in which they can run."""
    return _Fusion(graph).kernels()


class _Fusion:
    def __init__(self, graph: Graph) -> None:
        self.nodes = _ordered(graph.outputs)
        self.users = Counter(o for node in self.nodes for o in set(node.operands))
        self.stored = self._stored(graph)

    def kernels(self) -> list[Kernel]:
        return [self._kernel(node) for node in self.nodes if self._has_kernel(node)]

    def _has_kernel(self, node: Node) -> bool:
        return _alone(node) or (node in self.stored and node.name not in (INPUT, CONSTANT, PART))

    def _stored(self, graph: Graph) -> set[Node]:
        """Values that must be in memory."""
        stored = {base(node) for node in graph.outputs}
        for node in self.nodes:
            if node.name in EXPENSIVE and self.users[node] > 1:
                stored.add(node)
            elif _alone(node):
                stored.add(node)
                if not node.name.startswith(REDUCTIONS):
                    stored |= {base(o, node.name == "dot_general") for o in node.operands}
                else:
                    stored |= {base(o) for o in self._summands(node)}
        return {node for node in stored if node.name != CONSTANT}

    def _summands(self, node: Node) -> tuple[Node, ...]:
        """A reduction multiplies what it sums on the way, and nothing more."""
        inside = base(node.operands[0])
        if inside.name in ("mul", "square", "integer_pow") and self.users[inside] == 1:
            return inside.operands
        return (inside,)

    def _kernel(self, node: Node) -> Kernel:
        made = Kernel(node, written=node.bytes)
        if node.name == LOOP:
            return made
        if node.name.startswith(REDUCTIONS):
            operands = self._summands(node)
            made.operations = node.operands[0].size * len(operands)
            made.reads = [_whole(base(operand)) for operand in operands]
        elif _alone(node):
            operands = [base(o, node.name == "dot_general") for o in node.operands]
            made.reads = [_whole(operand) for operand in operands]
            if node.name in PARTIAL:
                made.reads[0] = Read(operands[0], min(operands[0].bytes, node.bytes))
            if node.name.startswith("scatter") or node.name == "dynamic_update_slice":
                update = node.operands[2 if node.name.startswith("scatter") else 1]
                made.written = update.bytes
                made.reads[0] = Read(operands[0], update.bytes)
            made.operations = node.size * OPERATIONS.get(node.name, 1)
        else:
            self._gather(node, made)
        made.reads = [read for read in made.reads if read.node.name != CONSTANT]
        return made

    def _gather(self, root: Node, made: Kernel) -> None:
        """Everything that is computed on the way to `root`, each value once."""
        seen: dict[Node, None] = {}
        start = _axis_before(len(root.shape), root.shape)
        waiting: list[tuple[Node, int | None, int, str]] = [(root, start, root.size, "")]
        while waiting:
            node, axis, size, turned = waiting.pop()
            if node in seen:
                continue
            seen[node] = None
            if node is not root and self._is_leaf(node):
                apart = turned if _is_apart(node, axis) else ""
                made.reads.append(Read(node, min(size, node.size) * node.itemsize, apart))
                continue
            made.operations += min(size, node.size) * _operations(node)
            turned = _turn(node) or turned
            for operand in node.operands:
                inner = _through(node, operand, axis)
                waiting.append((operand, inner, min(size, operand.size), turned))

    def _is_leaf(self, node: Node) -> bool:
        if node.name in (INPUT, CONSTANT, PART) or _alone(node):
            return True
        return node in self.stored and not _is_cheap_again(node)


def base(node: Node, transposed: bool = False) -> Node:
    """The value itself behind other views of it; a contraction reads a matrix transposed too."""
    while node.name in BITCASTS or (
        transposed and node.name == "transpose" and len(node.shape) == 2 and node.eqn is not None
    ):
        node = node.operands[0]
    return node


def _alone(node: Node) -> bool:
    return node.name in ALONE or node.name.startswith(("reduce_", "scatter"))


def _whole(node: Node) -> Read:
    return Read(node, node.bytes)


def _operations(node: Node) -> int:
    return 0 if node.name in VIEWS else OPERATIONS.get(node.name, 1)


def _is_cheap_again(node: Node) -> bool:
    """Whether computing a stored value again reads no more memory than reading it."""
    if node.name in EXPENSIVE:
        return False
    large = [o for o in set(node.operands) if o.name != CONSTANT and o.size >= node.size > 1]
    return len(large) <= 1


def _turn(node: Node) -> str:
    """How a transposition that moves the last axis takes an array apart."""
    if node.name != "transpose" or node.order[-1] == len(node.order) - 1:
        return ""
    runs = 1 + sum(b != a + 1 for a, b in zip(node.order, node.order[1:], strict=False))
    return "matrix" if runs == 2 else "images"


def _axis_before(axis: int, sizes: tuple[int, ...]) -> int | None:
    """The last axis in front of `axis` that has more than one element."""
    return next((i for i in reversed(range(axis)) if sizes[i] > 1), None)


def _is_apart(node: Node, axis: int | None) -> bool:
    """Whether neighbours in the kernel's order lie apart in this value."""
    return axis is not None and any(size > 1 for size in node.shape[axis + 1 :])


def _through(node: Node, operand: Node, axis: int | None) -> int | None:
    """The axis of `operand` along which it is read when `node` is written along `axis`."""
    if axis is None or not operand.shape:
        return None
    if node.name == "transpose":
        return node.order[axis]
    if node.name == "broadcast_in_dim" and node.eqn is not None:
        dimensions = node.eqn.params["broadcast_dimensions"]
        return dimensions.index(axis) if axis in dimensions else None
    if node.name in BITCASTS and operand.shape != node.shape:
        inner = 1
        for size in node.shape[axis + 1 :]:
            inner *= size
        for found in reversed(range(len(operand.shape))):
            if operand.shape[found] > 1 and inner < operand.shape[found]:
                return found
            inner = max(1, inner // operand.shape[found])
        return None
    return axis if len(operand.shape) == len(node.shape) else None


def _ordered(outputs: list[Node]) -> list[Node]:
    """Every value that an output needs, operands first."""
    found: dict[Node, None] = {}
    waiting = list(reversed(outputs))
    while waiting:
        node = waiting[-1]
        missing = [o for o in node.operands if o not in found]
        if node in found or not missing:
            found.setdefault(node)
            waiting.pop()
        else:
            waiting.extend(reversed(missing))
    return list(found)
