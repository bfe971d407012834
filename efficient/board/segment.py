"""States of one run, committed with an entry, and a stretch of steps repeated from one of them.

A full replay costs as much as the run; a stretch costs its share. It shows that the config's step,
on the suite's data, takes the committed state to the next in so many steps. It does not show how
the first of the states came about.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from efficient.board.configuration import FAULTS, Decoded
from efficient.board.entry import CHECKPOINTS, Opened, Segment
from efficient.board.error import BoardError
from efficient.board.rescoring import header
from efficient.config import Config, from_json
from efficient.data import load as load_dataset
from efficient.deploy.format import load_arrays, save_arrays
from efficient.ledger.record import Record
from efficient.run.build import Built, build
from efficient.train.checkpoint import digest
from efficient.train.loop import Loop, Stretch
from efficient.train.step import TrainState

#: A stretch is this share of a run's steps; elsewhere than where it was made, its mean loss may be
#: off by so much of itself.
SHARE, LOSS_APART = 0.01, 0.05
NOWHERE = Path("no-runs-here")


def commit(
    record: Record, count: int, folder: Path, data_dir: str | None
) -> tuple[dict[str, Path], tuple[Segment, ...]]:
    """Train a run once more and keep so many states on its way, evenly spread, in a folder.

    Raises:
        BoardError: it has several phases or parents, or does not come to the same parameters, so
            that the states would be of another run.
    """
    built = alone(from_json(record.config), data_dir)
    length = max(1, math.ceil(SHARE * built.steps))
    wanted = {round(built.steps * n / count) // length * length for n in range(count)}
    loop = replace(built.loop(), length=length)
    loop.prepare(built.initial(), built.steps)
    files: dict[str, Path] = {}
    segments: list[Segment] = []
    step, stretches = 0, loop.run(0, built.steps)
    while step < built.steps:
        name = f"{CHECKPOINTS}/{step:010d}.safetensors"
        if step in wanted:
            files[name] = folder / Path(name).name
            save_arrays(files[name], _flat(loop.state))
        begun, stretch = step, next(stretches)
        step = stretch.step
        if begun in wanted:
            made = Segment(name, record.run_id, begun, step, _digest(loop), _loss(stretch))
            segments.append(made)
    if _digest(loop) != record.params_digest:
        raise BoardError(
            f"run {record.run_id} trained again has other parameters: commit its states where it "
            "was trained, with the same code"
        )
    return files, tuple(segments)


def replay(
    opened: Opened, decoded: Mapping[str, Decoded], share: float, data_dir: str | None
) -> str:
    """Repeat stretches, drawn by chance, that come to a share of a run; what was found, in words.

    Raises:
        BoardError: there are none, a state is not the network's, or the stretch ends elsewhere.
    """
    segments = list(opened.entry.segments)
    if not segments:
        raise BoardError("it has no committed states; ask for --replay, or for some to be sent")
    random.SystemRandom().shuffle(segments)
    built: dict[str, Built] = {}
    steps, same, done = 0, 0, 0
    for segment in segments:
        one = decoded[segment.run_id]
        if segment.run_id not in built:
            built[segment.run_id] = alone(one.config, data_dir)
        try:
            same += _repeat(opened, segment, built[segment.run_id])
        except (*FAULTS, OSError) as error:
            raise BoardError(f"segment at step {segment.step}: {error}") from None
        steps, done = steps + segment.until - segment.step, done + 1
        if steps >= share * one.record.steps:
            break
    how = f"{same} bit for bit" if same else "with the losses that were committed"
    return f"{done} {'stretch' if done == 1 else 'stretches'}, {steps} steps, repeated, {how}"


def alone(config: Config, data_dir: str | None) -> Built:
    """A run of one phase that needs no other run.

    Raises:
        BoardError: it has more.
    """
    if config.start or any(variant.parents() for variant in config.variants):
        raise BoardError("a run that needs others has no stretch that stands alone; use --replay")
    built = build(
        replace(config, reference=""), load_dataset(config.workload.data, data_dir), NOWHERE
    )
    if [phase.enter for phase in built.plan] != [None]:
        raise BoardError("a run of several phases has no stretch that stands alone; use --replay")
    return built


def _repeat(opened: Opened, segment: Segment, built: Built) -> bool:
    """Whether the parameters after a stretch are the same bits; else its loss must agree."""
    length = segment.until - segment.step
    if not (0 <= segment.step < segment.until <= built.steps and length <= _most(built.steps)):
        raise BoardError(f"steps {segment.step} to {segment.until} are no stretch of the run")
    path = opened.path(segment.file)
    header(path)
    state = _state(load_arrays(path), built.initial(), segment.step)
    loop: Loop = replace(built.loop(), length=length)
    loop.prepare(state, length)
    stretch = next(loop.run(segment.step, segment.until))
    if _digest(loop) == segment.digest:
        return True
    found = _loss(stretch)
    if not math.isclose(found, segment.loss, rel_tol=LOSS_APART):
        raise BoardError(f"its loss is {found:.4f} when repeated, {segment.loss:.4f} is claimed")
    return False


def _digest(loop: Loop) -> str:
    assert loop.state is not None
    return digest(loop.state.params)


def _loss(stretch: Stretch) -> float:
    return float(stretch.losses.mean(dtype=np.float64))


def _most(steps: int) -> int:
    return max(1, math.ceil(SHARE * steps))


def _flat(state: TrainState | None) -> dict[str, np.ndarray]:
    leaves, _ = jax.tree_util.tree_flatten_with_path(state)
    return {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in leaves}


def _state(arrays: dict[str, np.ndarray], like: TrainState, step: int) -> TrainState:
    """The arrays as a state: names, types and shapes those of the suite's own, numbers finite."""
    wanted = _flat(like)
    for name in sorted(set(wanted) | set(arrays)):
        if name not in arrays or name not in wanted:
            raise BoardError(f"array {name} is {'unknown' if name in arrays else 'missing'}")
        found, own = arrays[name], wanted[name]
        if (found.dtype, found.shape) != (own.dtype, own.shape):
            raise BoardError(
                f"array {name} is {found.dtype}{found.shape}, not {own.dtype}{own.shape}"
            )
        if found.dtype.kind == "f" and not np.isfinite(found).all():
            raise BoardError(f"array {name} is not finite")
    if int(arrays[".step"]) != step or not np.array_equal(arrays[".key"], wanted[".key"]):
        raise BoardError("its step or its key is not the run's")
    order = [jnp.asarray(arrays[name]) for name in wanted]
    return jax.tree.unflatten(jax.tree.structure(like), order)
