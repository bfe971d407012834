"""How fast a machine does a piece of work, read off its calibration.

Between the sizes that were measured a rate is interpolated on logarithms: along a line for copies,
and for contractions by the weighted mean of the measured ones, each with the inverse fourth power
of its distance in powers of two (Shepard 1968, doi 10.1145/800186.810616: the power has to exceed
the number of sizes for the nearest to count most). Nothing here knows a model.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from functools import cached_property

from efficient.ledger.bill import Calibration

#: A vector unit does this many FLOPs of a matrix product while it does one other operation: a
#: multiply-add is two, and processors have two units for it.
FLOPS_PER_OPERATION = 4
#: Channels that fill vectors take a faster path through a convolution than others do: in the
#: interpolation, one that does lies this many powers of two from one that does not.
VECTOR, UNFILLED = 8, 2.0
#: A convolution gathers for at least this part of its time, should its product take it all.
LEAST = 0.02

#: Where it was measured and what was, by dtype and form.
Table = dict[str, list[tuple[tuple[float, ...], float]]]


@dataclass(frozen=True)
class Rates:
    """Rates of one machine. Seconds of a kernel are its overhead and its work over the rate."""

    calibration: Calibration

    @cached_property
    def overhead_s(self) -> float:
        """Of one kernel: the smallest matrix product, whose arithmetic takes no time."""
        return min(_work(name) / rate for name, rate in self.calibration.matmul.items())

    @cached_property
    def operations_per_s(self) -> float:
        """Element-wise operations, all cores."""
        rates = self.calibration.matmul.items()
        fastest = max(rate for name, rate in rates if name.startswith("float32"))
        return fastest / FLOPS_PER_OPERATION

    def product(self, form: str, shape: tuple[int, ...], dtype: str) -> float:
        """FLOP/s of a matrix product, its overhead left out. shape: (rows, contracted, columns)."""
        points = self._products.get(f"float32 {form}") or self._products["float32 forward"]
        return _nearby(points, _place(shape)) * self._factor(dtype)

    def convolution(self, form: str, shape: tuple[int, ...], dtype: str) -> float:
        """FLOP/s of a convolution. shape: (pixels, channels in, channels out, taps).

        It is the product of all patches with the kernel, and gathering the patches. What gathering
        takes for an element of a patch is what the benchmarks take beyond their products.
        """
        points = self._patches.get(f"float32 {form}") or self._patches["float32 forward"]
        gathering = _nearby(points, _place(shape)) / (2 * max(1, shape[2]))
        return self._factor(dtype) / (gathering + self._multiplying(shape))

    def straight(self, distance: float) -> float:
        """Bytes/s of memory that was last touched `distance` bytes ago."""
        return _along(self._copies["straight"], distance)

    def apart(self, how: str, footprint: float) -> float:
        """Bytes/s, read and written, of memory turned while copied; `footprint`: all that is."""
        return _along(self._copies[how], footprint)

    def _multiplying(self, shape: tuple[int, ...]) -> float:
        """Seconds of a FLOP of the product of the patches of a convolution with its kernel."""
        pixels, inputs, outputs, taps = shape
        return 1 / self.product("forward", (pixels, inputs * taps, outputs), "float32")

    def _factor(self, dtype: str) -> float:
        """How much faster than float32 a product of `dtype` is, at the one size measured."""
        low = self._products.get(f"{dtype} forward")
        if dtype == "float32" or not low:
            return 1.0
        shape, rate = low[0]
        return rate / _nearby(self._products["float32 forward"], shape)

    @cached_property
    def _products(self) -> Table:
        table: Table = {}
        for name, rate in self.calibration.matmul.items():
            if _work(name) / rate <= self.overhead_s:
                continue  # the one that is all overhead
            dtype, form, text = name.split()
            *_, rows, inner, columns = map(int, text.split("x"))
            net = _net(_work(name), rate, self.overhead_s)
            table.setdefault(f"{dtype} {form}", []).append((_place((rows, inner, columns)), net))
        return table

    @cached_property
    def _patches(self) -> Table:
        """Seconds of gathering one element of a patch."""
        table: Table = {}
        for name, rate in self.calibration.convolution.items():
            dtype, form, text = name.split()
            images, size, inputs, outputs, window = map(int, text.split("x"))
            shape = images * size * size, inputs, outputs, window * window
            gathering = 1 / rate - self._multiplying(shape)
            seconds = 2 * outputs * max(gathering, LEAST / rate)
            table.setdefault(f"{dtype} {form}", []).append((_place(shape), seconds))
        return table

    @cached_property
    def _copies(self) -> dict[str, list[tuple[float, float]]]:
        table: dict[str, list[tuple[float, float]]] = {}
        for name, rate in self.calibration.copy.items():
            how, size = name.split()
            table.setdefault(how, []).append((math.log2(int(size)), math.log2(rate)))
        return {how: sorted(points) for how, points in table.items()}


def _work(name: str) -> int:
    return 2 * math.prod(map(int, name.split()[2].split("x")))


def _net(work: float, rate: float, overhead_s: float) -> float:
    """The rate without the overhead; never more than twice what was measured."""
    seconds = work / rate
    return work / max(seconds - overhead_s, seconds / 2)


def _place(shape: tuple[int, ...]) -> tuple[float, ...]:
    """Where a contraction lies among others; a convolution has four sizes, channels inside."""
    logs = tuple(math.log2(max(1, size)) for size in shape)
    channels = shape[1:3] if len(shape) == 4 else ()
    return logs + tuple(UNFILLED * (size % VECTOR != 0) for size in channels)


def _nearby(points: list[tuple[tuple[float, ...], float]], here: tuple[float, ...]) -> float:
    weighted = total = 0.0
    for place, rate in points:
        squared = sum((a - b) ** 2 for a, b in zip(here, place, strict=True))
        weight = 1 / (squared**2 + 1e-9)
        weighted, total = weighted + weight * math.log(rate), total + weight
    return math.exp(weighted / total)


def _along(points: list[tuple[float, float]], size: float) -> float:
    here = math.log2(max(1.0, size))
    index = bisect_left(points, (here, -math.inf))
    if index == 0 or index == len(points):
        return 2 ** points[min(index, len(points) - 1)][1]
    (left, low), (right, high) = points[index - 1], points[index]
    return 2 ** (low + (high - low) * (here - left) / (right - left))
