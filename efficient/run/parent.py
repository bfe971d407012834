"""Other runs that a run needs: a teacher, the weights it starts from, a reference."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from efficient.config import Config, from_json
from efficient.deploy.format import load_arrays
from efficient.ledger.record import FINISHED, Parent, Record
from efficient.ledger.store import find_run, read_record
from efficient.models.signature import Signature
from efficient.models.tree import flatten, nest
from efficient.variants import Composition, VariantError, compose

WEIGHTS = "weights.safetensors"
ROLES = ("params", "rest")


def parents(config: Config, out: Path) -> tuple[Parent, ...]:
    """The lineage: role, run id and request of every run that this one needs.

    Raises:
        StoreError: a run does not exist. VariantError: it is not finished.
    """
    wanted = [pair for variant in config.variants for pair in variant.parents()]
    wanted += [("start", config.start)] if config.start else []
    wanted += [("reference", config.reference)] if config.reference else []
    found = [(role, finished(out, run, role)[0]) for role, run in wanted]
    return tuple(Parent(role, record.run_id, record.request) for role, record in found)


def finished(out: Path, run: str, role: str) -> tuple[Record, Path]:
    """A finished run's record and directory."""
    directory = find_run(out, run)
    record = read_record(directory)
    if record.status != FINISHED:
        raise VariantError(
            f"{role} {record.run_id} is {record.status}, not finished; train it to its end first"
        )
    return record, directory


def load(
    out: Path, run: str, signature: Signature, role: str = "teacher"
) -> tuple[Callable[[Any, jax.Array], jax.Array], Any]:
    """Another run's model in evaluation mode: `(apply, weights)`.

    Raises:
        StoreError: no such run. VariantError: it is of another input shape or number of classes.
    """
    record, directory = finished(out, run, role)
    config = from_json(record.config)
    if (record.input_shape, record.classes) != (signature.input_shape, signature.classes):
        raise VariantError(
            f"{role} {record.run_id} maps {record.input_shape} to {record.classes} classes, this "
            f"run {signature.input_shape} to {signature.classes}; choose a {role} of this workload"
        )
    model = config.model.build(signature, nnx.Rngs(0))
    made = compose(tuple(_mute(config)), model, 0.0, _nothing)
    weights = read_weights(directory, made)
    return lambda weights, inputs: made.predict(*weights, inputs), weights


def initial_weights(config: Config, out: Path, made: Composition) -> tuple[Any, Any]:
    """Fresh from the seed, or another run's (`start`)."""
    if not config.start:
        return made.params, made.rest
    _, directory = finished(out, config.start, "start")
    return read_weights(directory, made)


def read_weights(directory: Path, made: Composition) -> tuple[Any, Any]:
    """Training weights `(params, rest)` of a run, as a tree like the composition's.

    Raises:
        VariantError: they are of another network.
    """
    arrays = load_arrays(directory / WEIGHTS)
    trees = dict(zip(ROLES, (made.params, made.rest), strict=True))
    expected = {n: a.shape for n, a in flatten(trees).items()}
    if {n: a.shape for n, a in arrays.items()} != expected:
        raise VariantError(
            f"the weights of {directory.name} are of another network; "
            "give this run the same model, or choose another run"
        )
    tree = nest({n: jnp.asarray(a) for n, a in arrays.items()})
    return tree.get("params", {}), tree.get("rest", {})


def _mute(config: Config):
    """Variants without their own teachers: only what they make of the network matters here."""
    return (v for v in config.variants if not v.parents())


def _nothing(run: str):
    raise AssertionError(f"{run} is not needed to rebuild a network")
