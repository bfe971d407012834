"""Three micro-benchmarks: a matrix product, a convolution, a copy of memory; and an empty program.

Each is a small loop inside one compiled program, as a training step is, so that a compiler treats
it as it treats a step. No iteration can be left out: it needs a number that the one before wrote.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

Shape = tuple[int, ...]

#: (rows, contracted, columns) of a matrix product; the seconds of the first are pure overhead.
PRODUCTS: tuple[Shape, ...] = (
    (8, 8, 8),
    (32, 32, 32),
    (96, 64, 16),
    (64, 96, 256),
    (128, 256, 128),
    (512, 128, 128),
    (128, 768, 384),
    (1024, 128, 512),
    (1024, 512, 128),
    (768, 768, 768),
)
#: The same with the left operand transposed, as in the gradient of a weight: (rows, contracted,
#: columns) = (inputs, batch, outputs).
GRADIENTS: tuple[Shape, ...] = (
    (32, 32, 32),
    (96, 64, 16),
    (64, 96, 256),
    (384, 128, 96),
    (768, 128, 384),
    (512, 128, 512),
)
#: (products, rows, contracted, columns), as in attention.
BATCHES: tuple[Shape, ...] = ((64, 64, 32, 64), (64, 64, 64, 32), (64, 128, 128, 32))
#: (images, height and width, channels in, channels out, height and width of the kernel).
CONVOLUTIONS: tuple[Shape, ...] = (
    (64, 24, 1, 10, 5),
    (64, 12, 10, 20, 5),
    (64, 12, 20, 10, 5),
    (64, 16, 12, 12, 3),
    (64, 32, 3, 16, 3),
    (64, 32, 16, 16, 3),
    (64, 16, 32, 32, 3),
    (64, 8, 64, 64, 3),
)
#: Bytes of an array that is read and written in place.
COPIES = (1 << 10, 1 << 14, 1 << 16, 1 << 18, 1 << 20, 1 << 22, 1 << 24, 1 << 26)
#: Square matrices that are transposed while they are copied.
MATRICES = (64, 128, 256, 512, 1024, 2048, 3072)
#: (channels and images, height and width) of images whose channels and images change places.
IMAGES = ((8, 8), (16, 8), (16, 16), (32, 16), (32, 32), (64, 32), (96, 32))
#: A product of other number types, at one size.
LOW_PRECISION = ("bfloat16", "int8")
LOW_PRECISION_SHAPE = (1024, 512, 512)


@dataclass(frozen=True)
class Benchmark:
    """A loop body with what it starts from. work: FLOPs, or bytes read and written, of one turn."""

    kind: str  # "matmul", "convolution" or "copy"
    name: str
    work: int
    body: Callable[[Any], Any]
    start: Callable[[], Any]


def benchmarks() -> list[Benchmark]:
    """All of them, the quickest kind first."""
    found = [_copy(size) for size in COPIES]
    found += [_turned((side, side), (1, 0)) for side in MATRICES]
    found += [_turned((side, size, size, side), (3, 1, 2, 0)) for side, size in IMAGES]
    found += [_product(shape) for shape in PRODUCTS]
    found += [_product(shape, form="gradient") for shape in GRADIENTS]
    found += [_product(shape, form="batch") for shape in BATCHES]
    found += [_product(LOW_PRECISION_SHAPE, dtype=dtype) for dtype in LOW_PRECISION]
    for shape in CONVOLUTIONS:
        found += [_convolution(shape), _convolution(shape, form="gradient")]
    return found


class Timer:
    """A benchmark, compiled, whose loop is long enough for the clock."""

    def __init__(self, benchmark: Benchmark, slice_s: float) -> None:
        def repeat(carry, turns):
            return lax.fori_loop(0, turns, lambda _, c: benchmark.body(c), carry)

        self.benchmark, self.turns = benchmark, 1
        self._carry = jax.device_put(benchmark.start())
        self._run = jax.jit(repeat, donate_argnums=0).lower(self._carry, 1).compile()
        self.measure()
        while (spent := self.measure() * self.turns) < slice_s and self.turns < 10**6:
            self.turns = int(self.turns * min(16.0, max(1.5, 1.2 * slice_s / max(spent, 1e-9)))) + 1

    def measure(self) -> float:
        """Seconds of one turn."""
        begin = time.perf_counter()
        self._carry = self._run(self._carry, self.turns)
        jax.block_until_ready(self._carry)
        return (time.perf_counter() - begin) / self.turns


def dispatch(calls: int = 200) -> list[float]:
    """Seconds of calling a compiled program that does nothing and waiting for it, per call."""
    run = jax.jit(lambda x: x).lower(jnp.float32(0)).compile()
    value, seconds = jnp.float32(0), []
    for _ in range(calls):
        begin = time.perf_counter()
        jax.block_until_ready(run(value))
        seconds.append(time.perf_counter() - begin)
    return seconds


def _product(shape: Shape, form: str = "forward", dtype: str = "float32") -> Benchmark:
    *batch, rows, inner, columns = shape
    kind = jnp.dtype(dtype)
    result = jnp.int32 if jnp.issubdtype(kind, jnp.integer) else jnp.float32
    left = (*batch, rows, inner) if form != "gradient" else (inner, rows)
    axis = len(batch)
    shared = tuple(range(axis))
    numbers = (((0,) if form == "gradient" else (axis + 1,), (axis,)), (shared, shared))
    multiply = partial(lax.dot_general, dimension_numbers=numbers, preferred_element_type=result)
    return Benchmark(
        "matmul",
        f"{dtype} {form} " + "x".join(map(str, shape)),
        2 * prod(shape),
        partial(_chained, multiply),
        lambda: _operands(left, (*batch, inner, columns), (*batch, rows, columns), kind, result),
    )


def _convolution(shape: Shape, form: str = "forward") -> Benchmark:
    """Both forms are padded by the kernel's reach; taps on padding count, for they are multiplied.

    The gradient of the kernel is written as `models/layers/convolution.py` writes it: channels
    take the place of images, and the window is as large as the images.
    """
    images, size, inputs, outputs, window = shape
    taps = (window, window)
    before = window // 2
    padding = ((before, window - 1 - before),) * 2
    left, right, out = (
        ((images, size, size, inputs), (*taps, inputs, outputs), (images, size, size, outputs))
        if form == "forward"
        else ((inputs, size, size, images), (size, size, images, outputs), (inputs, *taps, outputs))
    )
    convolve = partial(
        lax.conv_general_dilated,
        window_strides=(1, 1),
        padding=padding,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    return Benchmark(
        "convolution",
        f"float32 {form} " + "x".join(map(str, shape)),
        2 * prod(shape) * size * window,
        partial(_chained, convolve),
        lambda: _operands(left, right, out, jnp.dtype("float32"), jnp.float32),
    )


def _copy(size: int) -> Benchmark:
    """Read and written back, times a number that the compiler does not know."""
    start = partial(_filled, (size // 4,))
    return Benchmark("copy", f"straight {size}", 2 * size, lambda c: (c[0] * c[1], c[1]), start)


def _turned(shape: Shape, order: Shape) -> Benchmark:
    size = 4 * prod(shape)

    def body(carry):
        array, one = carry
        return jnp.transpose(array, order) * one, one

    name = "matrix" if len(shape) == 2 else "images"
    return Benchmark("copy", f"{name} {size}", 2 * size, body, partial(_filled, shape))


def _filled(shape: Shape) -> tuple[jax.Array, jax.Array]:
    return jnp.ones(shape, jnp.float32), jnp.float32(1)


def _operands(left: Shape, right: Shape, out: Shape, kind: Any, result: Any) -> tuple:
    return (
        jnp.ones(left, kind),
        jnp.full(right, 1, kind),
        jnp.zeros(out, result),
    )


def _chained(operation: Callable, carry: tuple) -> tuple:
    """The next operands hold one number of the last result, so no turn can be hoisted."""
    left, right, result = carry
    origin = (0,) * result.ndim
    corner = lax.slice(result, origin, (1,) * result.ndim)
    number = lax.max(lax.min(corner, jnp.ones_like(corner)), -jnp.ones_like(corner))
    left = lax.dynamic_update_slice(left, number.astype(left.dtype), origin)
    return left, right, operation(left, right)
