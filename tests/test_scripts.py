"""The verbs set themselves up: with stand-ins for Python and pip, so nothing is installed."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
VERBS = [ROOT / "scripts" / "test", ROOT / "scripts" / "quickstart", ROOT / ".ci" / "run"]

#: Answers to `-c` as the real interpreter does, makes environments of itself, and notes what pip
#: is asked for. FAIL_PIP makes pip fail, FAIL any other module.
INTERPRETER = """#!/bin/sh
here="$(cd "$(dirname "$0")" && pwd)"
case "$1 $2" in
  "-c "*) exec {python} "$@" ;;
  "-m venv")
    rm -rf "$4" && mkdir -p "$4/bin" && cp "$0" "$4/bin/python" && echo fresh >"$4/pyvenv.cfg" ;;
  "-m pip")
    [ "$3" = --version ] && exit
    [ -z "$FAIL_PIP" ] || {{ echo "ERROR: no network"; exit 1; }}
    echo "$@" >>"$here/../pip" ;;
  "-m "*)
    echo "ran $*"; [ "$2" != "$FAIL" ] ;;
esac
"""
OLD = '#!/bin/sh\ncase "$2" in *version_info[*) echo 3.9 ;; *) exit 1 ;; esac\n'
#: Prints what set_up leaves behind.
VERB = """#!/usr/bin/env bash
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
set_up dev "$@"
echo "$VENV|${JAX_PLATFORMS:-}|${ARGUMENTS[*]-}"
"""


@pytest.fixture
def checkout(tmp_path):
    """A checkout whose path has spaces, with a stand-in interpreter as the only Python."""
    folder = tmp_path / "a check out"
    (folder / "scripts").mkdir(parents=True)
    shutil.copy(ROOT / "scripts" / "environment.sh", folder / "scripts")
    shutil.copy(ROOT / "pyproject.toml", folder)
    shutil.copy(ROOT / "scripts" / "test", folder / "scripts")
    shutil.copy(ROOT / "scripts" / "quickstart", folder / "scripts")
    _executable(folder / "scripts" / "verb", VERB)
    _executable(
        folder / "programs" / "python3", INTERPRETER.format(python=shlex.quote(sys.executable))
    )
    return folder


def start(
    folder: Path, *arguments: str, verb: str = "verb", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Runs a verb from another folder; on PATH are the stand-ins and the system's tools."""
    tools = folder.parent / "tools"
    if not tools.exists():
        tools.mkdir()
        for tool in (
            "bash",
            "sh",
            "cat",
            "cksum",
            "cp",
            "dirname",
            "grep",
            "ls",
            "mkdir",
            "rm",
            "tail",
        ):
            (tools / tool).symlink_to(shutil.which(tool) or tool)
    variables = {"PATH": f"{folder / 'programs'}:{tools}", "HOME": str(folder.parent)}
    return subprocess.run(
        [folder / "scripts" / verb, *arguments],
        env=variables | environment,
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )


def installations(folder: Path, environment: str = ".venv") -> list[str]:
    log = folder / environment / "pip"
    return log.read_text().splitlines() if log.exists() else []


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_verb_is_executable_and_parses(verb):
    assert os.access(verb, os.X_OK)
    subprocess.run(["bash", "-n", verb, ROOT / "scripts" / "environment.sh"], check=True)


def test_set_up_installs_once(checkout):
    first, second = start(checkout, "--cpu"), start(checkout, "--cpu")
    assert first.returncode == second.returncode == 0, first.stderr
    assert first.stdout.strip().endswith("a check out/.venv|cpu|")
    assert "installing efficient[dev] into .venv" in first.stderr
    assert second.stderr.count("\n") == 1 and "is up to date" in second.stderr
    assert len(installations(checkout)) == 1
    assert installations(checkout)[0].endswith(f"--editable {checkout}[dev]")


def test_set_up_is_repeated_when_the_project_changed(checkout):
    start(checkout, "--cpu")
    with (checkout / "pyproject.toml").open("a") as project:
        project.write("\n# another dependency\n")
    start(checkout, "--cpu")
    assert len(installations(checkout)) == 2


def test_interrupted_set_up_is_repeated(checkout):
    failed = start(checkout, "--cpu", FAIL_PIP="1")
    assert failed.returncode == 1
    assert "ERROR: no network" in failed.stderr
    assert f"see {checkout}/.venv/install.log" in failed.stderr.splitlines()[-1]
    assert start(checkout, "--cpu").returncode == 0
    assert len(installations(checkout)) == 1


def test_half_made_environment_is_made_again(checkout):
    (checkout / ".venv" / "bin").mkdir(parents=True)
    (checkout / ".venv" / "bin" / "python").symlink_to("/nowhere/python3.11")
    assert start(checkout, "--cpu").returncode == 0


def test_accelerator_is_found_and_can_be_declined(checkout):
    _executable(checkout / "programs" / "nvidia-smi", "#!/bin/sh\necho 'GPU 0: a GPU'\n")
    found = start(checkout)
    assert "NVIDIA GPU found; installing efficient[dev,cuda]" in found.stderr
    declined = start(checkout, "--cpu")
    assert "CPU asked for; .venv is up to date" in declined.stderr
    assert len(installations(checkout)) == 1


def test_tpu_is_found(checkout):
    if Path("/dev/nvidia0").exists():
        pytest.skip("this machine's own GPU comes before a TPU")
    assert "TPU found; installing efficient[dev,tpu]" in start(checkout, TPU_NAME="x").stderr


def test_versions_have_environments_of_their_own(checkout):
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    done = start(checkout, "--python", version, "--jax=0.10.2", "--cpu", "-k", "two words")
    assert done.stdout.strip().endswith(f".venv-{version}-jax0.10.2|cpu|-k two words")
    assert "jax==0.10.2" in installations(checkout, f".venv-{version}-jax0.10.2")[0]


def test_old_and_broken_interpreters_are_passed_over(checkout):
    (checkout / "programs" / "python3").rename(checkout / "programs" / "python")
    _executable(checkout / "programs" / "python3.11", "#!/bin/sh\nexit 127\n")
    _executable(checkout / "programs" / "python3", OLD)
    assert start(checkout, "--cpu").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        ([], {}, "no Python 3.11 or newer found: apt install python3.11 python3.11-venv"),
        (["--python", "3.12"], {}, "no Python 3.12 found: apt install python3.12"),
        ([], {"EFFICIENT_PYTHON": "/nowhere/python"}, "EFFICIENT_PYTHON=/nowhere/python is not"),
        (["--python"], {}, "--python needs a version, for example: --python 3.12"),
        (["--jax=new"], {}, "--jax new is not a version"),
    ],
)
def test_error_is_one_line_with_a_remedy(checkout, arguments, environment, message):
    _executable(checkout / "programs" / "python3", OLD)
    done = start(checkout, *arguments, **environment)
    assert done.returncode == 1
    assert done.stdout == ""
    assert message in done.stderr and done.stderr.count("\n") == 1
    assert not (checkout / ".venv").exists()


def test_missing_venv_module_is_named(checkout):
    program = (
        'case "$2" in *ensurepip*) exit 1 ;; esac\nexec ' + shlex.quote(sys.executable) + ' "$@"\n'
    )
    _executable(checkout / "programs" / "python3", "#!/bin/sh\n" + program)
    done = start(checkout, "--cpu")
    assert done.returncode == 1
    assert "has no venv module: apt install python3." in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("broken", ["ruff", "pyright", "pytest"])
def test_a_failed_check_fails_the_verb_after_the_others_ran(checkout, broken):
    done = start(checkout, verb="test", FAIL=broken)
    assert done.returncode == 1
    assert [line.split()[2] for line in done.stdout.splitlines() if line.startswith("ran")] == [
        "ruff", "ruff", "pyright", "pytest",
    ]  # fmt: skip
    assert f"failed: {broken}" in done.stderr.splitlines()[-1]
    assert start(checkout, verb="test").returncode == 0


def test_arguments_run_pytest_alone(checkout):
    done = start(checkout, "tests/cost", "--cpu", "-k", "dense or sparse", verb="test")
    assert done.stdout == "ran -m pytest tests/cost -k dense or sparse\n"
    assert start(checkout, "tests/cost", verb="test", FAIL="pytest").returncode == 1


def test_quickstart_passes_arguments_on_and_names_the_page(checkout, tmp_path):
    start(checkout, "--cpu")
    _executable(checkout / ".venv" / "bin" / "efficient", '#!/bin/sh\necho "$@"\n')
    plain = start(checkout, "--cpu", "--dry-run", verb="quickstart")
    assert plain.stdout.split(" --out ") == [
        f"compare {checkout}/experiments/quickstart", f"{checkout}/runs/quickstart --dry-run\n"
    ]  # fmt: skip
    assert "report:" not in plain.stderr
    page = tmp_path / "other results" / "report" / "index.html"
    page.parent.mkdir(parents=True)
    page.touch()
    moved = start(checkout, "--out", str(tmp_path / "other results"), verb="quickstart")
    assert f"report: {page}" in moved.stderr


def _executable(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
