"""The tiny runs that a technique is tried on: one of images, one of text."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from jax.experimental.compilation_cache import compilation_cache

from efficient.config import Config
from efficient.cost.clock import Clock
from efficient.data import Dataset
from efficient.ledger.record import Record
from efficient.models.gpt import GPTSpec
from efficient.models.mlp import MLPSpec
from efficient.run import train
from efficient.run.build import Built, build
from efficient.run.standing import Standing
from efficient.train.optimizer import Optimizer
from efficient.workloads import ImageClassification, LanguageModel

STEPS, CHUNK = 12, 3

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


@dataclass
class Case:
    """A tiny run with the variant, built once; `first` is trained when it is first asked for.

    built: before any phase; standing: at the first step; what a run computes before it is zeros.
    """

    config: Config
    built: Built
    standing: Standing
    out: Path

    @classmethod
    def begin(cls, config: Config, dataset: Dataset, out: Path) -> Case:
        """Built, and led to its first step, where a variant may still refuse the network."""
        built = build(config, dataset, out)
        frozen = jax.tree.map(_array, built.frozen)
        standing = Standing.begin(dataclasses.replace(built, frozen=frozen))
        for index, phase in enumerate(built.plan):
            standing.move(index)
            if phase.enter is not None:
                standing.enter(phase, standing.probe(Clock()))
            if phase.steps:
                break
        return cls(config, built, standing, out)

    @functools.cached_property
    def first(self) -> Record:
        return train(self.config, self.out)


def _array(leaf: Any) -> jax.Array:
    shape = isinstance(leaf, jax.ShapeDtypeStruct)
    return jnp.zeros(leaf.shape, leaf.dtype) if shape else leaf


@contextlib.contextmanager
def compiling_once(folder: str) -> Iterator[None]:
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
