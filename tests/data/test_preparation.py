"""Preparing: what cannot be had is one line with a remedy."""

from __future__ import annotations

import subprocess
import sys

import pytest
import requests

from efficient.data import DataError, preparation, prepare


class Failing:
    """A builder whose preparation fails in a way that a test chooses."""

    URL = "https://"
    url_infos = None

    def __init__(self, fail):
        self.fail = fail

    def download_and_prepare(self, **options):
        self.fail()


def lack_tensorflow():
    from tensorflow_datasets.core.utils.lazy_imports_utils import tensorflow as tf

    tf.io.gfile.exists("x")


def lack_module():
    raise ModuleNotFoundError("No module named 'apache_beam'", name="apache_beam.io")


def lack_network():
    raise requests.exceptions.ConnectionError("no route")


def lack_space():
    raise OSError("Not enough disk space. Needed: 1 GiB")


CASES = {
    "tensorflow": (lack_tensorflow, r"needs tensorflow: pip install 'efficient-jax\[prepare\]'"),
    "module": (lack_module, "needs apache_beam: pip install apache_beam, .*--data-dir"),
    "network": (lack_network, "cannot be downloaded .*--manual-dir.*--data-dir"),
    "space": (lack_space, "Not enough disk space.*--data-dir$"),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_missing_is_named_with_its_remedy(monkeypatch, tmp_path, capfd, case):
    fail, message = CASES[case]
    if case == "tensorflow":
        monkeypatch.setitem(sys.modules, "tensorflow", None)
    monkeypatch.setattr(preparation, "_builder", lambda entry, root: Failing(fail))
    with pytest.raises(DataError, match=f"^kmnist: .*{message}") as error:
        prepare("kmnist", tmp_path)
    assert "\n" not in str(error.value)
    assert capfd.readouterr().out == ""


def test_a_server_that_is_out_of_reach_is_asked_once(monkeypatch, tmp_path):
    asked = []

    def head(url, timeout):
        asked.append(url)
        raise requests.exceptions.ConnectionError("no route")

    monkeypatch.setattr(requests, "head", head)
    with pytest.raises(DataError, match=r"^mnist: cannot be downloaded"):
        prepare("mnist", tmp_path)
    assert len(asked) == 1 and "cvdf-datasets/mnist" in asked[0]


def test_an_unknown_name_is_said_to_be_unknown(tmp_path):
    with pytest.raises(DataError, match=r"^no_such_set: tensorflow-datasets knows no such dataset"):
        prepare("no_such_set", tmp_path)


def test_a_locked_folder_is_named(tmp_path):
    (tmp_path / "tfds").mkdir(mode=0o555)
    with pytest.raises(DataError, match=r"^mnist: .* is read-only: .*--data-dir"):
        prepare("mnist", tmp_path / "tfds")


def test_preparing_twice_gives_the_same_copy(store):
    told = prepare("digits", store.data_dir)
    assert told["where"] == str(store.data_dir / "digits" / "1.0.0")
    assert (told["name"], told["version"]) == ("digits", "1.0.0")
    assert told["bytes"] > 0


def test_a_disk_that_fills_while_preparing_is_one_line_and_leaves_no_copy(tmp_path):
    """No file may grow past 200 kB: the writer of records then fails as on a full disk."""
    code = (
        "import resource, signal, sys; from efficient.data import DataError, prepare\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))\n"
        "try: prepare('pystdlib', sys.argv[1])\n"
        "except DataError as error: print(error)"
    )
    command = [sys.executable, "-B", "-c", code, str(tmp_path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout.startswith("pystdlib: ") and done.stdout.count("\n") == 1
    assert "free some space or name a folder by --data-dir" in done.stdout
    assert list(tmp_path.glob("pystdlib/cpython*/*")) == []
