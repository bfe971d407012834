"""All that is inside jit: the state, one training step, one chunk of steps, one evaluation.

The functions are pure and un-jitted; tests call them directly. The step knows the function, the
update rule and the objective only through `Program`, so no technique has a line here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax


class TrainState(NamedTuple):
    """Everything that a step changes; donated whole.

    step: () int32; key: (2,) uint32, raw, so that the seed is data; params and rest: nested dicts
    of float32 weights and of everything else a model carries; opt_state: of the optimizer.
    """

    step: jax.Array
    key: jax.Array
    params: Any
    rest: Any
    opt_state: Any


def graft(fresh: TrainState, old: TrainState) -> TrainState:
    """The old state in the structure of a fresh one: leaves by name, new ones as they are there.

    Raises:
        ValueError: a leaf has another shape or type.
    """
    found = {jax.tree_util.keystr(path): leaf for path, leaf in _leaves(old)}

    def choose(path, leaf):
        name = jax.tree_util.keystr(path)
        before = found.get(name, leaf)
        if (before.shape, before.dtype) != (leaf.shape, leaf.dtype):
            raise ValueError(
                f"state {name} is {before.dtype}{before.shape} where the next phase has "
                f"{leaf.dtype}{leaf.shape}; cut it in `enter`"
            )
        return before

    return jax.tree_util.tree_map_with_path(choose, fresh)


@dataclass(frozen=True, eq=False)
class Program:
    """The static half of training.

    apply: (params, rest, inputs) -> (outputs, rest), in training mode
    predict: (params, rest, inputs) -> logits, in evaluation mode
    objective: (outputs, batch, frozen) -> () float32
    sample: (data, index, key) -> batch, with the augmentation
    kept: opt_state -> (weights,) int32, how many entries of each pruned weight are present
    accumulate: micro-batches per update
    """

    apply: Callable[..., Any]
    predict: Callable[..., jax.Array]
    objective: Callable[..., jax.Array]
    sample: Callable[..., Any]
    optimizer: optax.GradientTransformation
    kept: Callable[[Any], jax.Array]
    accumulate: int = 1


class Metrics(NamedTuple):
    """Of one step; stacked by a chunk. loss: () float32; kept: (weights,) int32."""

    loss: jax.Array
    kept: jax.Array


def train_step(
    program: Program, state: TrainState, batch: Any, frozen: Any
) -> tuple[TrainState, Metrics]:
    """One update. `batch` holds `accumulate` micro-batches one after another."""

    def loss_of(params, rest, part):
        outputs, rest = program.apply(params, rest, part.inputs)
        return program.objective(outputs, part, frozen), rest

    gradient = jax.value_and_grad(loss_of, has_aux=True)
    if program.accumulate == 1:
        (loss, rest), grads = gradient(state.params, state.rest, batch)
    else:
        loss, rest, grads = _accumulate(gradient, program.accumulate, state, batch)
    with jax.named_scope("update"):
        updates, opt_state = program.optimizer.update(grads, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
    state = TrainState(state.step + 1, state.key, params, rest, opt_state)
    return state, Metrics(loss, program.kept(opt_state))


def _accumulate(gradient, parts: int, state: TrainState, batch: Any):
    """Means of loss and gradient over micro-batches, one in memory at a time."""
    split = jax.tree.map(lambda x: x.reshape(parts, x.shape[0] // parts, *x.shape[1:]), batch)

    def add(carry, part):
        total, rest, sums = carry
        (loss, rest), grads = gradient(state.params, rest, part)
        return (total + loss, rest, jax.tree.map(jnp.add, sums, grads)), None

    zeros = jax.tree.map(jnp.zeros_like, state.params)
    (loss, rest, grads), _ = lax.scan(add, (jnp.float32(0), state.rest, zeros), split)
    return loss / parts, rest, jax.tree.map(lambda g: g / parts, grads)


def chunk(
    program: Program,
    steps: int,
    batch_size: int,
    state: TrainState,
    data: Any,
    orders: tuple[jax.Array, ...],
    first_epoch: jax.Array,
    frozen: Any,
) -> tuple[TrainState, Metrics]:
    """`steps` updates as one scan.

    orders: one (examples,) int32 permutation for each epoch that the chunk can touch, the first of
    them of epoch `first_epoch`; an epoch's last incomplete batch is left out.
    """
    table = jnp.stack(orders)
    batches = table.shape[1] // batch_size

    def body(state, _):
        row = state.step // batches - first_epoch
        start = state.step % batches * batch_size
        index = lax.dynamic_slice(table, (row, start), (1, batch_size))[0]
        key = jax.random.fold_in(jax.random.wrap_key_data(state.key), state.step)
        return train_step(program, state, program.sample(data, index, key), frozen)

    return lax.scan(body, state, None, length=steps)


def epoch_order(key: jax.Array, epoch: jax.Array, examples: int) -> jax.Array:
    """The order of one epoch, (examples,) int32: a program of its own (sorting in a scan is slow).

    Sorting random bits is a uniform permutation but for ties of 32-bit keys, which keep their
    order: about n^2 / 2^33 pairs, one in ten for 30,000 examples.
    """
    bits = jax.random.bits(jax.random.fold_in(jax.random.wrap_key_data(key), epoch), (examples,))
    return jnp.argsort(bits).astype(jnp.int32)


def evaluate(
    measure: Callable[[Any, Any], Any],
    window: Callable[[Any, jax.Array], Any],
    examples: int,
    batch_size: int,
    weights: Any,
    data: Any,
) -> Any:
    """Measures of every example, (padded examples,) each.

    measure: (weights, batch) -> a tree of (batch,) arrays; window: (data, index) -> batch, whose
    weights are 0 where index >= examples.
    """
    batches = -(-examples // batch_size)
    indices = jnp.arange(batches * batch_size, dtype=jnp.int32).reshape(batches, batch_size)
    stacked = lax.map(lambda index: measure(weights, window(data, index)), indices)
    return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), stacked)


def _leaves(tree: Any) -> list[tuple[Any, Any]]:
    return jax.tree_util.tree_flatten_with_path(tree)[0]
