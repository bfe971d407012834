"""Code of a stranger sees no network, no file of this machine and no label."""

from __future__ import annotations

import json

import numpy as np
import pytest

from efficient.board import isolation
from efficient.board.contribution import without_labels
from efficient.board.error import BoardError

LOOK = """
import importlib.util, json, os, pathlib, socket, sys
def reached(call):
    try:
        call()
    except OSError:
        return False
    return True
package = pathlib.Path(importlib.util.find_spec('sklearn').origin).parent
labels = list(package.rglob('digits.csv*'))
print(json.dumps({
    'network': reached(lambda: socket.create_connection(('127.0.0.1', int(sys.argv[1])), 2)),
    'secret': reached(lambda: pathlib.Path(sys.argv[2]).read_text()),
    'writes': reached(lambda: pathlib.Path('/given/x').write_text('x')),
    'python': reached(lambda: pathlib.Path(os.__file__).with_name('x.py').write_text('x')),
    'mounts': os.system('mount -t tmpfs none /given 2>/dev/null') == 0,
    'labels': len(labels),
    'given': pathlib.Path('/given/hello').read_text(),
    'environment': sorted(os.environ),
}))
"""


@pytest.fixture
def given(tmp_path):
    if not isolation.possible():
        pytest.skip("the kernel allows no namespaces here")
    folder = tmp_path / "given"
    folder.mkdir()
    (folder / "hello").write_text("hello")
    return folder


def test_nothing_can_be_reached(given, tmp_path, monkeypatch):
    import socket

    monkeypatch.setenv("SECRET_TOKEN", "x")
    (tmp_path / "secret").write_text("x")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        command = ["-c", LOOK, port, str(tmp_path / "secret")]
        found = json.loads(isolation.run(command, given, 10_000, 60))
    assert "SECRET_TOKEN" not in found.pop("environment")
    assert found == {
        "network": False,
        "secret": False,
        "writes": False,
        "python": False,
        "mounts": False,
        "labels": 0,
        "given": "hello",
    }


def test_too_much_too_long_and_failure_are_one_line_each(given):
    with pytest.raises(BoardError, match="writes more than 100 bytes"):
        isolation.run(["-c", "print('x' * 10**6)"], given, 100, 60)
    with pytest.raises(BoardError, match="its code fails: ValueError: no"):
        isolation.run(["-c", "raise ValueError('no')"], given, 100, 60)
    with pytest.raises(BoardError, match="takes longer than 1 s"):
        isolation.run(["-c", "import time; time.sleep(60)"], given, 100, 1)


@pytest.mark.parametrize(
    ("code", "name"),
    [("import ctypes; ctypes.string_at(0)", "SIGSEGV"), ("import os; os.kill(0, 9)", "SIGKILL")],
    ids=["crash", "kill"],
)
def test_a_signal_is_no_matter_of_time_and_stays_inside(given, code, name):
    """Process 0 is the group of whoever asks, which the verifier must not be in."""
    with pytest.raises(BoardError, match=f"its code ends by {name}"):
        isolation.run(["-c", code], given, 100, 60)


def test_memory_is_bounded_by_the_machine(given):
    import os

    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    code = f"bytearray({machine // 2})"
    with pytest.raises(BoardError, match="its code fails: MemoryError"):
        isolation.run(["-c", code], given, 100, 60)


def test_without_namespaces_nothing_runs(given, monkeypatch):
    monkeypatch.setattr(isolation, "NAMESPACES", ("false",))
    with pytest.raises(BoardError, match="runs only without network"):
        isolation.run(["-c", "print(1)"], given, 100, 60)


def test_the_labels_of_the_test_split_stay_here(tmp_path):
    from efficient.data import load

    dataset = load("digits")
    without_labels(dataset, tmp_path / "data")
    given = {p.stem: np.load(p) for p in (tmp_path / "data").glob("*.npy")}
    assert not given["test.targets"].any() and dataset.splits["test"]["targets"].any()
    assert np.array_equal(given["test.inputs"], dataset.splits["test"]["inputs"])
    assert np.array_equal(given["train.targets"], dataset.splits["train"]["targets"])
