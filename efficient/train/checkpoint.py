"""Checkpoints by Orbax, each sealed by a digest: a damaged one is found and passed over.

A folder `step_0000000400_phase_0` holds the arrays; a file of that name and `.json`, written after
them, holds the step, the phase and the digest of the folder's files. Without the second the first
does not count, and files of another digest are not opened: reading damaged arrays leaves tasks of
Orbax behind, which fail long after.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import traverse_util

from efficient.ledger.store import StoreError, digest_file, digest_json, write_json

KEEP = 3
SEAL, KEPT = ".json", "kept/"


@dataclass(frozen=True)
class Checkpoint:
    """step: done so far; phase: index of the phase that is entered; the rest as saved."""

    step: int
    phase: int
    tree: Any
    kept: dict[str, Any]
    note: Any


def digest(tree: Any) -> str:
    """sha256 over names, types, shapes and bytes of the leaves: bit for bit."""
    sha = hashlib.sha256()
    for name, value in sorted(_flat(tree).items()):
        sha.update(f"{name} {value.dtype} {value.shape} ".encode())
        sha.update(np.ascontiguousarray(value).tobytes())
    return sha.hexdigest()


def save(
    folder: Path, step: int, phase: int, tree: Any, kept: dict[str, Any], note: Any = None
) -> None:
    """Write a checkpoint and drop all but the newest few.

    tree: of a structure that the reader knows; kept: nested dicts of arrays, whatever they hold;
    note: plain JSON, from which the reader knows the structure.

    Raises:
        StoreError: the disk is full or the folder cannot be written.
    """
    import orbax.checkpoint as ocp

    tree, kept = jax.device_get((tree, kept))
    loose = traverse_util.flatten_dict(kept, sep="/")
    arrays = _flat(tree) | {KEPT + name: np.asarray(array) for name, array in loose.items()}
    path = folder / f"step_{step:010d}_phase_{phase}"
    try:
        _remove(path)
        with ocp.PyTreeCheckpointer() as checkpointer:
            checkpointer.save(path.absolute(), {n: np.atleast_1d(a) for n, a in arrays.items()})
    except (OSError, ValueError) as error:
        _remove(path)
        raise StoreError(f"checkpoint {path} cannot be written: {_line(error)}") from error
    scalars = sorted(name for name, array in arrays.items() if not array.ndim)
    facts = {"step": step, "phase": phase, "note": note, "scalars": scalars}
    facts["digest"] = _digest_files(path)
    write_json(path.with_suffix(SEAL), facts)
    for old in sorted(folder.glob(f"step_*{SEAL}"), key=_age)[:-KEEP]:
        _remove(old.with_suffix(""))


def newest(
    folder: Path, template: Callable[[int, Any], Any], complaints: list[str]
) -> Checkpoint | None:
    """The newest intact checkpoint with a tree like `template(phase, note)`, or None.

    What is damaged is named in `complaints` and passed over.
    """
    paths = {p.with_suffix("") for p in folder.glob("step_*") if p.suffix in ("", SEAL)}
    for path in sorted(paths, key=_age, reverse=True):
        try:
            return _read(path, template)
        except (OSError, ValueError, KeyError, TypeError) as error:
            complaints.append(f"checkpoint {path.name} is damaged ({_line(error)}); passed over")
    return None


def _read(path: Path, template: Callable[[int, Any], Any]) -> Checkpoint:
    import orbax.checkpoint as ocp

    if not path.with_suffix(SEAL).is_file():
        raise ValueError("it has no seal, its writing was cut short")
    facts = json.loads(path.with_suffix(SEAL).read_text())
    if _digest_files(path) != facts["digest"]:
        raise ValueError("its digest is another")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # sharding: the arrays are plain numpy
        with ocp.PyTreeCheckpointer() as checkpointer:
            found = checkpointer.restore(path.absolute())
    arrays = {name: np.asarray(array) for name, array in found.items()}
    arrays |= {name: arrays[name].reshape(()) for name in facts["scalars"]}
    kept = {n.removeprefix(KEPT): arrays.pop(n) for n in list(arrays) if n.startswith(KEPT)}
    phase, note = int(facts["phase"]), facts["note"]
    like = template(phase, note)
    names = _flat(like)
    if set(names) != set(arrays):
        raise ValueError("it holds other arrays than this run")
    tree = jax.tree.unflatten(jax.tree.structure(like), [arrays[name] for name in names])
    kept = traverse_util.unflatten_dict(kept, sep="/")
    return Checkpoint(int(facts["step"]), phase, tree, kept, note)


def _flat(tree: Any) -> dict[str, np.ndarray]:
    """Arrays by name, in the order of the leaves."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in leaves}


def _digest_files(folder: Path) -> str:
    """Sha256 over the names and digests of all files below."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return digest_json({path.relative_to(folder).as_posix(): digest_file(path) for path in files})


def _age(path: Path) -> tuple[int, ...]:
    """Step and phase as numbers: as text, phase 9 would come after phase 10."""
    return tuple(map(int, re.findall(r"[0-9]+", path.name)))


def _remove(path: Path) -> None:
    path.with_suffix(SEAL).unlink(missing_ok=True)
    shutil.rmtree(path, ignore_errors=True)


def _line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:200]
