"""Checkpoints by Orbax, each sealed by a digest: a damaged one is found and passed over.

A folder `step_0000000400_phase_0` holds the arrays; a file of that name and `.json`, written after
them, holds the step, the phase and the digest. Without the second the first does not count.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from efficient.ledger.store import StoreError, write_json

KEEP = 3


@dataclass(frozen=True)
class Checkpoint:
    """step: done so far; phase: index of the phase that is entered; tree: as it was saved."""

    step: int
    phase: int
    tree: Any


def digest(tree: Any) -> str:
    """sha256 over names, types, shapes and bytes of the leaves: bit for bit."""
    sha = hashlib.sha256()
    for name, value in sorted(_flat(tree).items()):
        sha.update(f"{name} {value.dtype} {value.shape} ".encode())
        sha.update(np.ascontiguousarray(value).tobytes())
    return sha.hexdigest()


def save(folder: Path, step: int, phase: int, tree: Any) -> None:
    """Write a checkpoint and drop all but the newest few.

    Raises:
        StoreError: the disk is full or the folder cannot be written.
    """
    import orbax.checkpoint as ocp

    host = jax.device_get(tree)
    path = folder / f"step_{step:010d}_phase_{phase}"
    arrays = {name: np.atleast_1d(value) for name, value in _flat(host).items()}
    try:
        _remove(path)
        with ocp.PyTreeCheckpointer() as checkpointer:
            checkpointer.save(path.absolute(), arrays)
    except (OSError, ValueError) as error:
        _remove(path)
        raise StoreError(f"checkpoint {path} cannot be written: {_line(error)}") from error
    write_json(path.with_suffix(".json"), {"step": step, "phase": phase, "digest": digest(host)})
    for old in sorted(folder.glob("step_*.json"))[:-KEEP]:
        _remove(old.with_suffix(""))


def newest(folder: Path, template: Any, complaints: list[str]) -> Checkpoint | None:
    """The newest intact checkpoint as a tree like `template`, or None.

    What is damaged is named in `complaints` and passed over.
    """
    for seal in sorted(folder.glob("step_*.json"), reverse=True):
        try:
            facts = json.loads(seal.read_text())
            tree = _restore(seal.with_suffix(""), template)
            if digest(tree) != facts["digest"]:
                raise ValueError("its digest is another")
            return Checkpoint(int(facts["step"]), int(facts["phase"]), tree)
        except (OSError, ValueError, KeyError, TypeError) as error:
            complaints.append(f"checkpoint {seal.stem} is damaged ({_line(error)}); passed over")
    return None


def _restore(path: Path, template: Any) -> Any:
    import orbax.checkpoint as ocp

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # sharding: the arrays are plain numpy
        with ocp.PyTreeCheckpointer() as checkpointer:
            arrays = checkpointer.restore(path.absolute())
    leaves, tree = jax.tree_util.tree_flatten_with_path(template)
    names = [jax.tree_util.keystr(p) for p, _ in leaves]
    if set(names) != set(arrays):
        raise ValueError("it holds other arrays than this run")
    restored = [
        np.asarray(arrays[name]).reshape(leaf.shape)
        for name, (_, leaf) in zip(names, leaves, strict=True)
    ]
    return jax.tree.unflatten(tree, restored)


def _flat(tree: Any) -> dict[str, np.ndarray]:
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in leaves}


def _remove(path: Path) -> None:
    path.with_suffix(".json").unlink(missing_ok=True)
    shutil.rmtree(path, ignore_errors=True)


def _line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:200]
