"""The only way for a variant to see data or the loss outside the step: timed and counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from efficient.cost.clock import Clock
from efficient.cost.flops import count
from efficient.train.loop import compile_ahead


@dataclass
class Probe:
    """Batches of the training split in its stored order, without augmentation.

    loss_of: (params, rest, batch) -> () float32, the run's objective in training mode; apply:
    (params, rest, inputs) -> (outputs, rest), the function in training mode.
    `flops` adds up what the calls executed; None once something could not be counted.
    """

    loss_of: Callable[[Any, Any, Any], jax.Array]
    apply: Callable[[Any, Any, Any], Any]
    window: Callable[[Any, Any], Any]
    data: Any
    rest: Any
    examples: int
    batch_size: int
    clock: Clock
    platform: str
    flops: int | None = 0

    def batch(self, number: int) -> Any:
        """Batch `number` of the training split, from its beginning again past the end."""
        start = number * self.batch_size % max(1, self.examples - self.batch_size + 1)
        index = jnp.arange(start, start + self.batch_size, dtype=jnp.int32)
        return self.window(self.data, index)

    def loss(self, params: Any, batches: int = 1) -> float:
        """Mean loss over the first `batches`."""
        return float(np.mean(self.measure(self.loss_of, params, batches)))

    def gradient(self, params: Any, batches: int = 1) -> Any:
        """Mean dense gradient of the loss over the first `batches`, a tree like `params`."""
        grads = self.measure(jax.grad(self.loss_of), params, batches)
        return jax.tree.map(lambda *g: sum(g) / len(g), *grads)

    def measure(self, fn: Callable[[Any, Any, Any], Any], params: Any, batches: int) -> list[Any]:
        """`fn(params, rest, batch)` for each of the first `batches`."""
        with self.clock.lap("scoring"):
            compiled = compile_ahead(fn, params, self.rest, self.batch(0))
            found = [compiled.run(params, self.rest, self.batch(i)) for i in range(batches)]
            found = jax.block_until_ready(found)
        once = count(compiled.jaxpr, platform=self.platform).total
        spent = self.flops
        self.flops = None if spent is None or once is None else spent + batches * once
        return found
