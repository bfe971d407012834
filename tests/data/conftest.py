"""Real data of the installed packages, prepared once for all tests of this room."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from efficient.data import Dataset, load
from efficient.data.source import Source


@dataclass(frozen=True)
class Store:
    """A data directory and a cache that tests may read; `digits` and `pystdlib` are in both."""

    data_dir: Path
    cache_dir: Path
    digits: Dataset
    pystdlib: Dataset


@pytest.fixture(scope="session")
def store(tmp_path_factory) -> Store:
    data_dir, cache_dir = tmp_path_factory.mktemp("tfds"), tmp_path_factory.mktemp("cache")
    digits, pystdlib = (load(name, data_dir, cache_dir) for name in ("digits", "pystdlib"))
    return Store(data_dir, cache_dir, digits, pystdlib)


@pytest.fixture
def source():
    """Makes small sources of two chunks per split; `first` is the first pixel of train."""

    def make(first: int = 0) -> Source:
        def chunks(seed: int, first: int):
            for number in range(2):
                images = np.random.RandomState(2 * seed + number).randint(0, 256, (3, 2, 2, 1))
                images[0, 0, 0, 0] = first + number
                yield {"inputs": images.astype(np.uint8), "targets": np.arange(3, dtype=np.int32)}

        splits = {
            split: chunks(seed, first if split == "train" else 0)
            for seed, split in enumerate(("train", "validation", "test"))
        }
        return Source("image", 3, {"values": "0..255"}, splits)

    return make
