"""Does a technique keep the contracts of its seams? What a user's own variant is tested by.

A variant is tried with its default fields on two tiny runs, one of images and one of text, in a
temporary folder. A network that it refuses in one line is passed over, as long as it accepts the
other one.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx, traverse_util
from jax.experimental.compilation_cache import compilation_cache

from efficient.config import Config, find_type, from_json, to_json
from efficient.data import load
from efficient.ledger.record import FINISHED, Record, to_dict
from efficient.ledger.store import read_record
from efficient.models.gpt import GPTSpec
from efficient.models.mlp import MLPSpec
from efficient.run import Progress, train
from efficient.run.build import Built, build
from efficient.train.optimizer import Optimizer
from efficient.train.step import train_step
from efficient.variants import VARIANTS, Variant, VariantError
from efficient.workloads import ImageClassification, LanguageModel

STEPS, CHUNK = 12, 3
#: Most by which the shipped file may score differently: loss as a share of it, and accuracy.
LOSS_TOLERANCE, ACCURACY_TOLERANCE = 2e-3, 0.01
#: What a method that is broken may raise.
FAULTS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)

_COMMON: dict[str, Any] = {
    "optimizer": Optimizer(name="adamw", lr=1e-2),
    "train_for": f"{STEPS} steps",
    "evaluations": 2,
    "chunk_steps": CHUNK,
    "checkpoint_s": 0.0,
}
CASES = {
    "images": Config(
        workload=ImageClassification(data="digits"),
        model=MLPSpec(hidden=(24, 16)),
        batch_size=64,
        **_COMMON,
    ),
    "text": Config(
        workload=LanguageModel(data="pystdlib", context=16, windows=32),
        model=GPTSpec(depth=1, width=16, heads=2, hidden=32),
        batch_size=8,
        **_COMMON,
    ),
}


@dataclass(frozen=True)
class Finding:
    """One contract: whether it is kept, and what was seen."""

    name: str
    passed: bool
    detail: str


class BrokenError(ValueError):
    """A contract that is not kept: one line with what was seen."""


def check(
    name: str,
    say: Callable[[str], None] | None = None,
    cases: dict[str, Config] | None = None,
) -> list[Finding]:
    """Try the variant `name`, of the table or `module:Attribute`; `say` hears what is tried.

    Raises:
        ConfigError: there is no such variant. DataError: digits or pystdlib cannot be made.
    """
    say = say or (lambda line: None)
    say(f"loading {name}")
    kind = find_type(VARIANTS, name)
    findings = [_try("a frozen dataclass with defaults", functools.partial(_constructible, kind))]
    if not findings[0].passed:
        return findings
    cases = CASES if cases is None else cases
    refusals = 0
    with tempfile.TemporaryDirectory(prefix="efficient-check-") as folder, _compiling_once(folder):
        for label, config in cases.items():
            found, refused = _examine(label, config, kind(), Path(folder, label), say)
            findings += found
            refusals += refused
    if refusals == len(cases):
        findings.append(Finding("accepts a network", False, "refused every network"))
    return findings


@dataclass
class Case:
    """A tiny run with the variant, built once; `first` is trained when it is first asked for."""

    config: Config
    built: Built
    out: Path

    @functools.cached_property
    def first(self) -> Record:
        return train(self.config, self.out)


def _examine(
    label: str, config: Config, variant: Variant, out: Path, say: Callable[[str], None]
) -> tuple[list[Finding], bool]:
    """Every contract on one network, and whether the variant refused it."""
    say(f"{label}: building")
    dataset = load(config.workload.data)
    if hasattr(variant, "teacher"):
        teacher = train(config, out).run_id
        variant = dataclasses.replace(variant, **{"teacher": teacher})
    config = dataclasses.replace(config, variants=(variant,))
    try:
        case = Case(config, build(config, dataset, out), out)
    except VariantError as error:
        return [Finding(f"{label}: fits the network", True, f"refused: {error}")], True
    except FAULTS as error:
        return [Finding(f"{label}: fits the network", False, _line(error))], False
    findings = []
    for title, contract in CONTRACTS.items():
        say(f"{label}: {title}")
        findings.append(_try(f"{label}: {title}", functools.partial(contract, case)))
        if contract is _finishes and not findings[-1].passed:
            break
    return findings, False


@contextlib.contextmanager
def _compiling_once(folder: str) -> Iterator[None]:
    """Programs that are equal are compiled once: the runs of a check differ only in their data."""
    settings = {
        "jax_compilation_cache_dir": f"{folder}/programs",
        "jax_persistent_cache_min_compile_time_secs": 0.0,
    }
    before = {name: getattr(jax.config, name) for name in settings}
    try:
        _set(settings)
        yield
    finally:
        _set(before)


def _set(settings: dict[str, Any]) -> None:
    for name, value in settings.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()


def _try(name: str, contract: Callable[[], str]) -> Finding:
    try:
        return Finding(name, True, contract())
    except BrokenError as error:
        return Finding(name, False, str(error))
    except FAULTS as error:
        return Finding(name, False, _line(error))


def _constructible(kind: Any) -> str:
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
    if case.built.steps != STEPS or min(phase.steps for phase in case.built.plan) < 1:
        raise BrokenError(f"{STEPS} steps became {', '.join(parts)}; divide, add none, drop none")
    return ", ".join(parts)


def _parameters(case: Case) -> str:
    plain = case.config.model.build(case.built.signature, nnx.Rngs(case.config.seed))
    before = _shapes(nnx.to_pure_dict(nnx.state(plain, nnx.Param)))
    after = _shapes(case.built.composition.params)
    for name in sorted(before | after):
        if before.get(name) != after.get(name):
            raise BrokenError(f"{name} of shape {before.get(name)} became {after.get(name)}")
    return f"{len(after)} arrays"


def _fixed_point(case: Case) -> str:
    built, before = case.built, case.built.initial()
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
    built = case.built
    catch = optax.GradientTransformation(
        lambda params: params, lambda grads, state, params: (grads, grads)
    )
    program = dataclasses.replace(built.program, optimizer=catch, kept=lambda state: jnp.zeros(0))
    state = built.initial()._replace(opt_state=built.initial().params)
    step = jax.jit(functools.partial(train_step, program))
    after, metrics = step(state, _batch(built), built.frozen)
    grads = traverse_util.flatten_dict(jax.device_get(after.opt_state), sep="/")
    if wrong := [name for name, g in sorted(grads.items()) if not np.isfinite(g).all()]:
        raise BrokenError(f"the gradient of {wrong[0]} is not finite")
    if not any(g.any() for g in grads.values()):
        raise BrokenError("the gradient is zero everywhere: does something stop it?")
    return f"loss {float(metrics.loss):.3f}"


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
    resumed: list[int] = []

    def kill(progress: Progress) -> None:
        if progress.step >= STEPS // 2:
            raise _KilledError

    with contextlib.suppress(_KilledError):
        train(case.config, case.out, observe=kill)
    record = train(case.config, case.out, observe=lambda p: resumed.append(p.resumed))
    if not any(resumed):
        raise BrokenError("the run began anew: no checkpoint could be read")
    return f"from step {resumed[0]}: " + _same(case.first, record, "the resumed run")


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


#: What is tried on every network, in this order.
CONTRACTS: dict[str, Callable[[Case], str]] = {
    "the config survives JSON": _round_trip,
    "phases keep the number of steps": _steps,
    "rewrite keeps the parameters": _parameters,
    "the state keeps its shape in a step": _fixed_point,
    "the gradient is finite": _finite,
    "executed FLOPs can be counted": _countable,
    "trains to its end": _finishes,
    "the same seed gives the same bits": _repeats,
    "a killed run resumes bit for bit": _resumes,
    "the shipped file scores the same": _ships,
    "the record reads back": _reads_back,
}


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
    return {n: tuple(a.shape) for n, a in traverse_util.flatten_dict(params, sep="/").items()}


def _line(error: BaseException) -> str:
    lines = str(error).splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}"
