"""An artefact made ready to be timed: one compiled program for each task and batch size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp

from efficient.deploy import Artefact
from efficient.deploy.artefact import FOLDER
from efficient.train.loop import Compiled, compile_ahead


@dataclass(frozen=True)
class Ready:
    """A call that waits for its result, the bytes that the compiler plans for it, and those that
    are kept between calls."""

    call: Callable[[], object]
    planned_bytes: int
    held_bytes: int = 0


def name_of(artefact: Artefact) -> str:
    """What an artefact is called: the id of its run, or the folder that it was exported to."""
    folder = artefact.folder.resolve()
    return str(artefact.card.get("run_id", "")) if folder.name == FOLDER else folder.name


def tasks(artefact: Artefact) -> tuple[str, ...]:
    """What can be timed: see `ledger.benchmark`."""
    if artefact.signature.kind != "text":
        return ("predict",)
    return ("prefill", "decode") if _has_cache(artefact) else ("prefill",)


def prepare(artefact: Artefact, task: str, inputs: jax.Array) -> Ready:
    """Compile a task for one batch of real inputs."""
    if task == "decode":
        return _decoder(artefact, inputs)
    cached = task == "prefill" and _has_cache(artefact)
    run = partial(artefact.predict, method="prefill") if cached else artefact.predict
    made = compile_ahead(run, artefact.weights, inputs)
    return Ready(
        lambda: jax.block_until_ready(made.run(artefact.weights, inputs)), _planned_bytes(made)
    )


def _decoder(artefact: Artefact, inputs: jax.Array) -> Ready:
    """The last token of full texts. The cache is handed on from call to call, and not copied; the
    first call makes it."""
    fill = partial(artefact.predict, method="prefill")
    prefill = compile_ahead(fill, artefact.weights, inputs)
    shapes = jax.eval_shape(fill, artefact.weights, inputs)[1]
    tokens, position = inputs[:, -1], jnp.int32(inputs.shape[1] - 1)
    decode = partial(artefact.predict, method="decode")
    made = compile_ahead(decode, artefact.weights, tokens, position, shapes, donate=(3,))
    caches = None

    def call() -> None:
        nonlocal caches
        if caches is None:
            caches = prefill.run(artefact.weights, inputs)[1]
        logits, caches = made.run(artefact.weights, tokens, position, caches)
        jax.block_until_ready(logits)

    held = sum(cache.size * cache.dtype.itemsize for cache in jax.tree.leaves(shapes))
    return Ready(call, _planned_bytes(prefill), held)


def _has_cache(artefact: Artefact) -> bool:
    """Whether the network can go on from a cache."""
    example = jax.ShapeDtypeStruct((1, *artefact.signature.input_shape), jnp.int32)
    try:
        jax.eval_shape(partial(artefact.predict, method="prefill"), artefact.weights, example)
    except AttributeError:
        return False
    return True


def _planned_bytes(made: Compiled) -> int:
    """Arguments, outputs and temporaries; 0 where the compiler does not say."""
    plan = made.run.memory_analysis()
    if plan is None:
        return 0
    parts = (plan.argument_size_in_bytes, plan.output_size_in_bytes, plan.temp_size_in_bytes)
    return sum(parts)
