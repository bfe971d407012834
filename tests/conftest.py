"""What every test runs under: the CPU, stricter numerics than users have, folders of its own.

Settings are environment variables, so that importing this file does not import jax and so that
the processes which tests start run under the same rules.
"""

from __future__ import annotations

import functools
import gc
import os
import tempfile
from pathlib import Path

import hypothesis
import pytest

DATASETS = ("mnist", "cifar10", "tiny_shakespeare")
# Kept under another name for the processes that share the tests: here nobody reads it by chance.
USER_DATA_DIR = os.environ.pop("TFDS_DATA_DIR", None) or os.environ.get("EFFICIENT_USER_DATA_DIR")
if USER_DATA_DIR is not None:
    os.environ["EFFICIENT_USER_DATA_DIR"] = USER_DATA_DIR

os.environ["JAX_PLATFORMS"] = os.environ.get("EFFICIENT_TEST_PLATFORM", "cpu")
# A shape that only fits by gaining an axis is a bug more often than an intention.
os.environ["JAX_NUMPY_RANK_PROMOTION"] = "raise"
# Off on purpose: a non-finite loss is an outcome which the loop has to record, and the check
# replays a compiled function operation by operation, on buffers that the chunk has donated.
os.environ["JAX_DEBUG_NANS"] = "false"
os.environ["MPLBACKEND"] = "agg"
# Equal programs are compiled once for all tests and the processes that they start.
COMPILED = tempfile.TemporaryDirectory(prefix="efficient-compiled-")
os.environ["JAX_COMPILATION_CACHE_DIR"] = COMPILED.name
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"

# The same examples on every machine, and no database of failures in the checkout. More by
# `--hypothesis-profile=thorough`.
hypothesis.settings.register_profile(
    "default", deadline=None, derandomize=True, database=None, max_examples=25
)
hypothesis.settings.register_profile(
    "thorough", deadline=None, derandomize=False, database=None, max_examples=1000
)
hypothesis.settings.load_profile("default")


@pytest.fixture(scope="session", autouse=True)
def session_folders():
    """Caches and prepared datasets of this session: shared by its tests, gone afterwards.

    Nothing is read from or written to the user's own cache or TFDS data directory, except by
    tests that ask for `tfds_data_dir`.
    """
    with (
        tempfile.TemporaryDirectory(prefix="efficient-tests-") as folder,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("EFFICIENT_CACHE_DIR", str(Path(folder, "cache")))
        patch.setenv("TFDS_DATA_DIR", str(Path(folder, "tfds")))
        yield


@pytest.fixture(scope="module", autouse=True)
def garbage():
    """What a module leaves is collected where it arose, and what stays is not searched again.

    A session holds a million objects, most of them JAX's; to search them all time and again took
    seconds of every minute.
    """
    yield
    gc.collect()
    gc.freeze()


def pytest_unconfigure():
    """At the end all is searched: what is still alive then would be said to leak."""
    gc.unfreeze()


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """`trained(config) -> Record`: one run for each config of this session, in `trained.out`.

    Teachers and references are found there too. Who needs a run of his own gives his own folder
    to `efficient.train`.
    """

    @functools.cache
    def train(config):
        from efficient.run import train

        return train(config, out)

    out = train.out = tmp_path_factory.mktemp("runs")
    return train


@pytest.fixture(scope="session")
def tfds_data_dir() -> Path:
    """The user's TFDS data directory with mnist, cifar10 and tiny_shakespeare prepared; read-only.

    Without them the test is skipped, and fails where EFFICIENT_REQUIRE_DATA=1 promises them.
    """
    missing = _missing_data(USER_DATA_DIR)
    if missing and os.environ.get("EFFICIENT_REQUIRE_DATA") == "1":
        pytest.fail(f"EFFICIENT_REQUIRE_DATA=1, but {missing}")
    if missing:
        pytest.skip(missing)
    assert USER_DATA_DIR is not None
    return Path(USER_DATA_DIR)


def _missing_data(folder: str | None) -> str:
    """Says in one line what is absent from a TFDS data directory; empty when nothing is."""
    if folder is None:
        return "TFDS_DATA_DIR is not set: point it at a TFDS data directory with " + ", ".join(
            DATASETS
        )
    absent = [name for name in DATASETS if not Path(folder, name).is_dir()]
    if absent:
        return f"TFDS_DATA_DIR={folder} has no {', '.join(absent)}: efficient data prepare NAME"
    return ""
