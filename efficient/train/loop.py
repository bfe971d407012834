"""All that is outside jit: compile ahead of time, run chunk after chunk, one fetch a chunk.

The loop is a generator: early stop, budget, journal, checkpoint and a non-finite loss are the
business of who consumes it. No retracing can happen here, because only compiled programs are
called: another shape raises.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from efficient.train.step import Program, TrainState, chunk, epoch_order, evaluate


@dataclass(frozen=True)
class Compiled:
    """An executable beside the program it was made from, whose jaxpr the counter reads."""

    run: Callable[..., Any]
    jaxpr: Any


def compile_ahead(fn: Callable[..., Any], *args: Any, donate: tuple[int, ...] = ()) -> Compiled:
    """Trace, lower and compile `fn` for the shapes of `args`: the only `jax.jit` of training."""
    traced = jax.jit(fn, donate_argnums=donate).trace(*args)
    return Compiled(traced.lower().compile(), traced.jaxpr)


@dataclass(frozen=True)
class Stretch:
    """What one chunk did. step: after it; losses: (steps,); kept: (steps, weights) int32."""

    step: int
    losses: np.ndarray
    kept: np.ndarray

    @property
    def steps(self) -> int:
        return len(self.losses)

    @property
    def finite(self) -> bool:
        return bool(np.isfinite(self.losses).all())

    @property
    def first_nonfinite(self) -> int:
        """The step whose loss is the first that is not finite."""
        return self.step - self.steps + 1 + int(np.argmin(np.isfinite(self.losses)))


@dataclass
class Loop:
    """The chunks of one phase.

    data: arrays on the device; examples: how many an epoch orders; frozen: what the objective
    reads beside the batch. `length` steps make a chunk; the phase's last one may be shorter.
    """

    program: Program
    data: Any
    examples: int
    batch_size: int
    length: int
    frozen: Any = None
    state: TrainState | None = None
    chunks: dict[int, Compiled] = field(default_factory=dict)
    _order: Compiled | None = None
    _rows: dict[int, jax.Array] = field(default_factory=dict)

    @property
    def batches(self) -> int:
        """Full batches in an epoch."""
        return self.examples // self.batch_size

    def prepare(self, state: TrainState, steps: int) -> None:
        """Compile for a phase of `steps`: the order, the chunk, and the tail if there is one."""
        self.state = state
        order = functools.partial(epoch_order, examples=self.examples)
        self._order = compile_ahead(order, state.key, _number(0))
        for length in {min(self.length, steps), steps % self.length} - {0}:
            rows = tuple(self._zeros for _ in range(self._rows_needed(length)))
            program = functools.partial(chunk, self.program, length, self.batch_size)
            inputs = (state, self.data, rows, _number(0), self.frozen)
            self.chunks[length] = compile_ahead(program, *inputs, donate=(0,))

    def lengths(self, done: int, steps: int) -> list[int]:
        """The chunks of a phase of `steps` of which `done` are behind."""
        whole, tail = divmod(steps - done, self.length)
        return [self.length] * whole + ([tail] if tail else [])

    def run(self, step: int, end: int) -> Iterator[Stretch]:
        """Train from `step` to `end`, both counted from the start of the run.

        `state` is the newest state whenever the generator has yielded. The orders of the next
        chunk are dispatched behind the running one, whose results are then fetched once.
        """
        lengths = self.lengths(0, end - step)
        for length, following in zip(lengths, [*lengths[1:], 0], strict=True):
            rows = self._orders(step, length)
            inputs = (self.state, self.data, rows, _number(step // self.batches), self.frozen)
            self.state, metrics = self.chunks[length].run(*inputs)
            step += length
            if following:
                self._orders(step, following)
            losses, kept = jax.device_get(metrics)
            yield Stretch(step, losses, kept)

    def _orders(self, step: int, length: int) -> tuple[jax.Array, ...]:
        """The orders of every epoch that the chunk can touch; each is computed once."""
        first = step // self.batches
        rows = tuple(self._row(first + i) for i in range(self._rows_needed(length)))
        self._rows = {epoch: row for epoch, row in self._rows.items() if epoch >= first}
        return rows

    def _rows_needed(self, length: int) -> int:
        return (length + self.batches - 2) // self.batches + 1

    def _row(self, epoch: int) -> jax.Array:
        if epoch not in self._rows:
            assert self._order is not None and self.state is not None
            self._rows[epoch] = self._order.run(self.state.key, _number(epoch))
        return self._rows[epoch]

    @functools.cached_property
    def _zeros(self) -> jax.Array:
        return jnp.zeros(self.examples, jnp.int32)


@dataclass
class Evaluation:
    """Measures of every example of a split, by one compiled program per split.

    measure: (weights, batch) -> a tree of (batch,) arrays; window: (data, index) -> batch.
    """

    measure: Callable[[Any, Any], Any]
    window: Callable[[Any, Any], Any]
    data: Any
    examples: int
    batch_size: int
    compiled: Compiled | None = None

    def prepare(self, weights: Any) -> None:
        program = functools.partial(
            evaluate, self.measure, self.window, self.examples, self.batch_size
        )
        self.compiled = compile_ahead(program, weights, self.data)

    def run(self, weights: Any) -> Any:
        """A tree of (examples,) numpy arrays."""
        assert self.compiled is not None, "prepare comes first"
        measures = jax.device_get(self.compiled.run(weights, self.data))
        return jax.tree.map(lambda x: x[: self.examples], measures)


def _number(value: int) -> jax.Array:
    """() int32 on the device, by an explicit transfer: an implicit one trips a transfer guard."""
    return jax.device_put(np.int32(value))
