"""The contracts of the seams. Each function returns what it saw, or raises what is broken."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from efficient.check.case import CHUNK, STEPS, Case
from efficient.config import from_json, to_json
from efficient.ledger.codec import to_dict
from efficient.ledger.record import FINISHED, Record
from efficient.ledger.store import read_record
from efficient.models.tree import flatten
from efficient.run import Progress, train
from efficient.run.build import Built
from efficient.run.parent import SLOTS
from efficient.train.step import train_step
from efficient.variants import Variant

#: Most by which the shipped file may score differently: loss as a share of it, and accuracy.
LOSS_TOLERANCE, ACCURACY_TOLERANCE = 2e-3, 0.01


class BrokenError(ValueError):
    """A contract that is not kept: one line with what was seen."""


def constructible(kind: Any) -> str:
    if not (isinstance(kind, type) and issubclass(kind, Variant)):
        raise BrokenError(f"{kind!r} is not derived from efficient.Variant")
    if "__dataclass_params__" not in vars(kind):
        raise BrokenError(f"{kind.__name__} is not decorated with @dataclass(frozen=True)")
    return repr(kind())


def _round_trip(case: Case) -> str:
    plain = json.loads(json.dumps(to_json(case.config), allow_nan=False))
    if from_json(plain) != case.config:
        raise BrokenError(f"{case.config.variants[0]} reads back as {from_json(plain).variants[0]}")
    return str(plain["variants"][0])


def _steps(case: Case) -> str:
    parts = [f"{phase.name} {phase.steps}" for phase in case.built.plan]
    if case.built.steps != STEPS or min(phase.steps for phase in case.built.plan) < 0:
        raise BrokenError(f"{STEPS} steps became {', '.join(parts)}; divide, add none, drop none")
    return ", ".join(parts)


def _parameters(case: Case) -> str:
    plain = case.config.model.build(case.built.signature, nnx.Rngs(case.config.seed))
    before = _shapes(nnx.to_pure_dict(nnx.state(plain, nnx.Param)))
    after = _shapes(case.built.composition.params)
    after = {name: shape for name, shape in after.items() if SLOTS not in name}
    for name in sorted(before | after):
        if before.get(name) != after.get(name):
            raise BrokenError(f"{name} of shape {before.get(name)} became {after.get(name)}")
    return f"{len(after)} arrays"


def _fixed_point(case: Case) -> str:
    built, before = case.standing.built, case.standing.state
    after, _ = jax.eval_shape(
        functools.partial(train_step, built.program), before, _batch(built), built.frozen
    )
    if jax.tree.structure(before) != jax.tree.structure(after):
        raise BrokenError("the step gives the state another structure")
    leaves, _ = jax.tree_util.tree_flatten_with_path(before)
    for (path, old), new in zip(leaves, jax.tree.leaves(after), strict=True):
        if (old.shape, old.dtype) != (new.shape, new.dtype):
            seen = f"{old.dtype}{old.shape} becomes {new.dtype}{new.shape}"
            raise BrokenError(f"{jax.tree_util.keystr(path)}: {seen} in one step")
    return f"{len(leaves)} arrays"


def _finite(case: Case) -> str:
    built, state = case.standing.built, case.standing.state
    state = state._replace(opt_state=state.params)
    keep = optax.GradientTransformation(lambda params: params, _keep)
    program = dataclasses.replace(built.program, optimizer=keep, kept=lambda state: jnp.zeros(0))
    step = jax.jit(functools.partial(train_step, program))
    after, metrics = step(state, _batch(built), built.frozen)
    grads = flatten(jax.device_get(after.opt_state))
    if wrong := [name for name, g in sorted(grads.items()) if not np.isfinite(g).all()]:
        raise BrokenError(f"the gradient of {wrong[0]} is not finite")
    if not any(g.any() for g in grads.values()):
        raise BrokenError("the gradient is zero everywhere: does something stop it?")
    return f"loss {float(metrics.loss):.3f}"


def _keep(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
    """An update rule whose state is the gradient that arrived."""
    return updates, updates


def _countable(case: Case) -> str:
    if case.built.executed.total is None:
        raise BrokenError(str(case.built.executed.reason))
    return f"{case.built.executed.total:,} a step"


def _finishes(case: Case) -> str:
    if case.first.status != FINISHED:
        raise BrokenError(f"{case.first.status}: {'; '.join(case.first.notes)}")
    return f"loss {case.first.scores['test'].loss:.3f} on test"


def _repeats(case: Case) -> str:
    return _same(case.first, train(case.config, case.out), "the same seed")


def _resumes(case: Case) -> str:
    """Killed at every chunk but the first: within phases, and where they meet."""
    resumed: list[int] = []

    def kill(progress: Progress, at: int) -> None:
        resumed.append(progress.resumed)
        if progress.step >= at:
            raise _KilledError

    for at in range(2 * CHUNK, STEPS + 1, CHUNK):
        with contextlib.suppress(_KilledError):
            train(case.config, case.out, observe=functools.partial(kill, at=at))
    record = train(case.config, case.out, observe=lambda p: resumed.append(p.resumed))
    from_steps = sorted(set(resumed) - {0})
    if not from_steps:
        raise BrokenError("the run began anew: no checkpoint could be read")
    steps = ", ".join(map(str, from_steps))
    return f"from step {steps}: " + _same(case.first, record, "the resumed run")


def _ships(case: Case) -> str:
    trained, shipped = case.first.scores["test"], case.first.scores["artefact"]
    seen = f"loss {trained.loss:.4f} and {shipped.loss:.4f}"
    if abs(trained.loss - shipped.loss) > LOSS_TOLERANCE * abs(trained.loss):
        raise BrokenError(f"{seen}: what evaluation computes is not what the file holds")
    if abs(trained.accuracy - shipped.accuracy) > ACCURACY_TOLERANCE:
        raise BrokenError(f"accuracy {trained.accuracy:.3f} and {shipped.accuracy:.3f}")
    return seen


def _reads_back(case: Case) -> str:
    stored = read_record(case.out / case.first.run_id)
    if to_dict(stored) != to_dict(case.first) or from_json(stored.config) != case.config:
        raise BrokenError("record.json holds something else than the run returned")
    return case.first.run_id


#: In the order in which they are tried; a stage follows when all before it is in order.
STAGES: tuple[dict[str, Callable[[Case], str]], ...] = (
    {
        "the config survives JSON": _round_trip,
        "phases keep the number of steps": _steps,
        "rewrite keeps the parameters": _parameters,
        "the state keeps its shape in a step": _fixed_point,
        "the gradient is finite": _finite,
        "executed FLOPs can be counted": _countable,
    },
    {"trains to its end": _finishes},
    {
        "the same seed gives the same bits": _repeats,
        "a killed run resumes bit for bit": _resumes,
        "the shipped file scores the same": _ships,
        "the record reads back": _reads_back,
    },
)


class _KilledError(BaseException):
    """Ends a run at a chunk boundary as a kill does: nothing is saved on the way out."""


def _same(first: Record, second: Record, what: str) -> str:
    if first.params_digest != second.params_digest:
        raise BrokenError(f"{what} ended with other parameters: is the randomness in the state?")
    return f"sha256 {str(first.params_digest)[:12]}"


def _batch(built: Built) -> Any:
    index = jnp.arange(built.config.batch_size, dtype=jnp.int32)
    return built.config.workload.sample(built.data, index, jax.random.key(0))


def _shapes(params: Any) -> dict[str, tuple[int, ...]]:
    return {n: tuple(a.shape) for n, a in flatten(params).items()}
