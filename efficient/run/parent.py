"""Other runs that a run needs: a teacher, the weights it starts from, a reference."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from efficient.config import Config, from_json, typed
from efficient.deploy import load as load_artefact
from efficient.deploy import read
from efficient.deploy.format import CARD, load_arrays
from efficient.ledger.record import FINISHED, Parent, Record
from efficient.ledger.store import digest_file, find_run, read_record
from efficient.models.layers import collect, tap
from efficient.models.network import NETWORKS
from efficient.models.signature import Signature
from efficient.models.tree import flatten, nest
from efficient.variants import Composition, Outputs, VariantError, compose

WEIGHTS = "weights.safetensors"
#: How a teacher is named that is to be trained on the way.
UNTRAINED = "preset:"
#: Who loads other runs where a network is only rebuilt: none is needed.
NOBODY: Any = None
ROLES, SLOTS = ("params", "rest"), "/slots/"


def parents(config: Config, out: Path) -> tuple[Parent, ...]:
    """The lineage: role, run id and request of every run that this one needs.

    Of a teacher that is an artefact, the run that it names and the digest of its weights.

    Raises:
        StoreError: a run does not exist. VariantError: it is not finished. ArtefactError: it
        cannot be read.
    """
    return tuple(_parent(out, role, run) for role, run in needed(config))


def needed(config: Config) -> list[tuple[str, str]]:
    """Role and name of every run that a config asks for, in the order of its record's parents."""
    wanted = [pair for variant in config.variants for pair in variant.parents()]
    wanted += [("start", config.start)] if config.start else []
    wanted += [("reference", config.reference)] if config.reference else []
    return wanted


def finished(out: Path, run: str, role: str) -> tuple[Record, Path]:
    """A finished run's record and directory."""
    if run.startswith(UNTRAINED):
        raise VariantError(
            f"{role} {run!r} is no run yet; `efficient train` trains it first, or give a run's id"
        )
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
    """Another run's model in evaluation mode: `(apply, weights)`; `apply` gives logits.

    Raises:
        StoreError: no such run. VariantError: it is of another input shape or number of classes.
    """
    apply, weights = tapped(out, run, signature, (), role)
    return lambda weights, inputs: apply(weights, inputs).logits, weights


def tapped(
    out: Path, run: str, signature: Signature, layers: tuple[str, ...], role: str = "teacher"
) -> tuple[Callable[[Any, jax.Array], Outputs], Any]:
    """As `load`, of a run or of an artefact; `apply` gives logits and what these layers gave.

    Raises:
        StoreError, VariantError: as `load`. SpecError: there is no such layer. ArtefactError: it
        cannot be read.
    """
    if is_artefact(run):
        return _shipped(Path(run), signature, layers, role)
    record, directory = finished(out, run, role)
    _compare(f"{role} {record.run_id}", (record.input_shape, record.classes), signature, role)
    model = shipped_spec(record).build(signature, nnx.Rngs(0))
    tap(model, layers, f"{role} {record.run_id}")
    made = compose(tuple(_mute(from_json(record.config))), model, 0.0, NOBODY)
    weights = read_weights(directory, made)
    return lambda weights, inputs: made.observe(*weights, inputs), weights


def is_artefact(run: str) -> bool:
    """Whether a name is the folder of an artefact."""
    return (Path(run) / CARD).is_file()


def shipped_spec(record: Record) -> Any:
    """The sizes of a run's network at its end: a phase may have made it smaller."""
    plain = record.spec or record.config["model"]
    return typed(NETWORKS, plain, "record.spec")


def initial_spec(config: Config, out: Path) -> Any:
    """The config's network, or what the run that begins this one (`start`) made of the same."""
    if not config.start:
        return config.model
    record, _ = finished(out, config.start, "start")
    same = from_json(record.config).model == config.model
    return shipped_spec(record) if same else config.model


def initial_weights(config: Config, out: Path, made: Composition) -> tuple[Any, Any]:
    """Fresh from the seed, or another run's (`start`)."""
    if not config.start:
        return made.params, made.rest
    _, directory = finished(out, config.start, "start")
    return read_weights(directory, made)


def read_weights(directory: Path, made: Composition) -> tuple[Any, Any]:
    """Training weights `(params, rest)` of a run, as a tree like the composition's.

    Slots are state of variants, not of the network: one that the run lacks, or has in another
    shape, is fresh, and one that only the run has is left out.

    Raises:
        VariantError: they are of another network.
    """
    arrays = load_arrays(directory / WEIGHTS)
    fresh = flatten(dict(zip(ROLES, (made.params, made.rest), strict=True)))
    names = set(fresh) | set(arrays)
    same = {n for n, a in fresh.items() if n in arrays and arrays[n].shape == a.shape}
    if any(SLOTS not in n for n in names - same):
        raise VariantError(
            f"the weights of {directory.name} are of another network; "
            "give this run the same model, or choose another run"
        )
    tree = nest({n: jnp.asarray(arrays[n] if n in same else a) for n, a in fresh.items()})
    return tree.get("params", {}), tree.get("rest", {})


def _parent(out: Path, role: str, run: str) -> Parent:
    if is_artefact(run):
        _, card = read(Path(run))
        return Parent(role, card["run_id"], digest_file(Path(run) / WEIGHTS))
    record, _ = finished(out, run, role)
    return Parent(role, record.run_id, record.request)


def _shipped(
    folder: Path, signature: Signature, layers: tuple[str, ...], role: str
) -> tuple[Callable[[Any, jax.Array], Outputs], Any]:
    artefact = load_artefact(folder)
    shape, classes = artefact.signature.input_shape, artefact.signature.classes
    _compare(f"{role} {folder}", (shape, classes), signature, role)
    model = artefact.build()
    tap(model, layers, f"{role} {folder}")
    graph, *weights = nnx.split(model, nnx.Param, ...)

    def apply(weights: Any, inputs: jax.Array) -> Outputs:
        module = nnx.merge(graph, *weights)
        return Outputs(module(inputs), collect(module))

    return apply, tuple(nnx.to_pure_dict(part) for part in weights)


def _compare(who: str, found: tuple[tuple[int, ...], int], signature: Signature, role: str) -> None:
    if found != (signature.input_shape, signature.classes):
        raise VariantError(
            f"{who} maps {found[0]} to {found[1]} classes, this run {signature.input_shape} to "
            f"{signature.classes}; choose a {role} of this workload"
        )


def _mute(config: Config):
    """Variants without their own teachers: only what they make of the network matters here."""
    return (v for v in config.variants if not v.parents())
