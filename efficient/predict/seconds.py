"""How long one execution of a program will take here: from its jaxpr and the calibration alone.

Nothing is compiled or executed. The program becomes kernels (`kernel.py`); a kernel takes

    overhead + contraction at the achieved FLOP/s of its size, or
    overhead + the larger of moving its memory and doing its element-wise operations,

with every rate from the calibration (`rate.py`). Memory that was touched `d` bytes ago moves at
the rate at which an array of `d` bytes is copied in place: that is what fits in which cache.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import Any

from efficient.cost.contraction import price
from efficient.cost.value import dtype, shape
from efficient.ledger.bill import Calibration, Range
from efficient.predict.graph import CONTRACTIONS, LOOP, Graph, Node, graph
from efficient.predict.kernel import Kernel, base, kernels
from efficient.predict.rate import Rates

#: What time goes into: the kinds of `Seconds.by_kind`.
KINDS: tuple[str, ...] = ("matmul", "convolution", "memory", "arithmetic", "host")


@dataclass(frozen=True)
class Seconds:
    """A predicted time. by_kind: seconds by what they go into; they add up to `central`.

    bytes_moved: read and written by all kernels, from caches too: what a roofline needs.
    unpriced: primitives whose work cannot be seen; where there are any, `central` is too small and
    `range` is None.
    """

    central: float
    low: float
    high: float
    by_kind: dict[str, float]
    bytes_moved: float
    unpriced: tuple[str, ...] = ()

    @property
    def range(self) -> Range | None:
        return None if self.unpriced else Range(self.low, self.central, self.high)


#: How far predictions and measurements of programs that are no preset lay apart: see the docs.
MODEL_ERROR = 0.35


def predict_seconds(jaxpr: Any, steps: int, calibration: Calibration, platform: str) -> Seconds:
    """Seconds of one step on the machine of `calibration`, of which `jaxpr` runs `steps`.

    jaxpr: of a training step, or of a chunk of steps, with everything that runs inside it. A chunk
    is the better one: its loop says which memory the next step finds again.
    platform: selects the branches of `jax.lax.platform_dependent`, as in `cost.flops.count`.
    """
    made = graph(jaxpr, platform)
    whole = _Pricing(Rates(calibration)).graph(made)
    by_kind = {kind: whole[kind] / steps for kind in KINDS}
    central = sum(by_kind.values())
    error = MODEL_ERROR + calibration.spread
    return Seconds(
        central,
        central / (1 + error),
        central * (1 + error),
        by_kind,
        bytes_moved(made) / steps,
        tuple(sorted(made.unpriced)),
    )


def bytes_moved(made: Graph) -> int:
    """Bytes that the kernels of one execution of a graph read and write."""
    total = 0
    for kernel in kernels(made):
        if kernel.node.name == LOOP:
            total += kernel.node.times * max(map(bytes_moved, kernel.node.bodies))
        else:
            total += _moved(kernel)
    return total


@dataclass
class _Touches:
    """Where in the stream of bytes each value was touched last."""

    last: dict[Node, float] = field(default_factory=dict)
    position: float = 0.0

    def distance(self, node: Node) -> float:
        return self.position - self.last.get(node, 0.0)

    def touch(self, node: Node, size: float) -> None:
        self.last[node] = self.position
        self.position += size


@dataclass(frozen=True)
class _Pricing:
    rates: Rates

    def graph(self, made: Graph) -> dict[str, float]:
        """Seconds by kind of one execution, as one of many: memory is as the last one left it."""
        found, touches = kernels(made), _Touches()
        for kernel in found:
            self._move(kernel, touches, 0.0)
        for output, carried in made.carried.items():
            touches.last[carried] = touches.last.get(base(output), 0.0)
        spent = dict.fromkeys(KINDS, 0.0)
        for kernel, ahead in zip(found, _ahead(found), strict=True):
            for kind, seconds in self._kernel(kernel, touches, ahead).items():
                spent[kind] += seconds
        return spent

    def _kernel(self, kernel: Kernel, touches: _Touches, ahead: float) -> dict[str, float]:
        node = kernel.node
        if node.name == LOOP:
            dearest = max(map(self.graph, node.bodies), key=lambda spent: sum(spent.values()))
            return {kind: node.times * seconds for kind, seconds in dearest.items()}
        memory_s = self._move(kernel, touches, ahead)
        operations_s = kernel.operations / self.rates.operations_per_s
        if node.name in CONTRACTIONS:
            kind = "matmul" if node.name == "dot_general" else "convolution"
            work_s = self._contraction(node)
        else:
            kind = "memory" if memory_s >= operations_s else "arithmetic"
            work_s = max(memory_s, operations_s)
        return {"host": self.rates.overhead_s, kind: work_s}

    def _move(self, kernel: Kernel, touches: _Touches, ahead: float) -> float:
        """Seconds to read what the kernel reads and to write what is touched `ahead` bytes on."""
        if kernel.node.name == LOOP:
            return 0.0
        seconds = 0.0
        turned = sum(read.bytes for read in kernel.reads if read.apart)
        for read in kernel.reads:
            straight = read.bytes / self.rates.straight(touches.distance(read.node))
            if read.apart:
                # a benchmark reads and writes as many bytes; what is written is not turned
                both = 2 * read.bytes / self.rates.apart(read.apart, turned)
                straight = max(straight, both - read.bytes / self.rates.straight(turned))
            seconds += straight
            touches.touch(read.node, read.bytes)
        touches.touch(kernel.node, kernel.written)
        return seconds + kernel.written / self.rates.straight(ahead)

    def _contraction(self, node: Node) -> float:
        """Seconds of a matrix product or of a convolution; its memory is part of its rate."""
        assert node.eqn is not None
        work = price(node.eqn, padded=True) or 0
        if node.name == "dot_general":
            return work / self.rates.product(*_product(node))
        return work / self.rates.convolution(*_convolution(node))


def _product(node: Node) -> tuple[str, tuple[int, ...], str]:
    """Form, (rows, contracted, columns) and dtype."""
    assert node.eqn is not None
    (contracted, _), (batch, _) = node.eqn.params["dimension_numbers"]
    left = shape(node.eqn.invars[0])
    inner = prod(left[axis] for axis in contracted)
    products = prod(left[axis] for axis in batch)
    rows = prod(left) // max(1, inner * products)
    columns = node.size // max(1, rows * products)
    turned = tuple(contracted) == (len(batch),) and len(left) == len(batch) + 2
    form = "batch" if products > 1 else "gradient" if turned else "forward"
    return form, (rows, inner, columns), dtype(node.eqn.invars[0])


def _convolution(node: Node) -> tuple[str, tuple[int, ...], str]:
    """Form, (pixels, channels in, channels out, taps) and dtype.

    In the gradient of a kernel the window is larger than the output: then the window are the
    pixels, the output the taps, and channels stand in the place of images.
    """
    assert node.eqn is not None
    numbers = node.eqn.params["dimension_numbers"]
    image, window = map(shape, node.eqn.invars)
    taps = prod(window[axis] for axis in numbers.rhs_spec[2:])
    pixels = prod(node.shape[axis] for axis in numbers.out_spec[2:])
    images, inputs = image[numbers.lhs_spec[0]], window[numbers.rhs_spec[1]]
    outputs, kind = node.shape[numbers.out_spec[1]], dtype(node.eqn.invars[0])
    if taps > pixels:
        return "gradient", (taps * inputs, images, outputs, pixels), kind
    return "forward", (images * pixels, inputs, outputs, taps), kind


def _ahead(found: list[Kernel]) -> list[float]:
    """How many bytes pass, for each kernel, until what it writes is touched again."""
    ahead: list[float] = []
    following: dict[Node, float] = {}
    position = end = float(sum(map(_moved, found)))
    for kernel in reversed(found):
        position -= _moved(kernel)
        ahead.append(following.get(kernel.node, end) - position)
        following.update((read.node, position) for read in kernel.reads)
    return ahead[::-1]


def _moved(kernel: Kernel) -> int:
    return kernel.written + sum(read.bytes for read in kernel.reads)
