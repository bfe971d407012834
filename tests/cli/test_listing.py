"""`list`, `show` and `report`: they read what is there, without jax."""

from __future__ import annotations

import ast
import dataclasses
import shlex
import shutil
import subprocess
import sys

import pytest

from efficient.cli import inventory
from efficient.cli.parser import _tree, parse
from efficient.config import load_preset, presets
from efficient.models.network import NETWORKS
from efficient.variants import VARIANTS
from efficient.workloads import WORKLOADS

WITHOUT_JAX = (
    "import sys; from efficient.cli import main; code = main(sys.argv[1:]); "
    "sys.exit('jax was imported' if 'jax' in sys.modules else code)"
)


@pytest.mark.parametrize(
    ("kinds", "table"),
    [
        (inventory.variants, VARIANTS),
        (inventory.networks, NETWORKS),
        (inventory.workloads, WORKLOADS),
    ],
)
def test_source_says_what_the_tables_hold(kinds, table):
    listed = {kind.name: kind for kind in kinds()}
    assert list(listed) == list(table)
    for name, kind in table.items():
        assert listed[name].purpose and len(listed[name].purpose) < 80
        settings = {f.name: f.default for f in dataclasses.fields(kind)}
        assert list(listed[name].fields) == list(settings)
        for field, (_, default) in listed[name].fields.items():
            expected = settings[field] if default else dataclasses.MISSING
            assert (ast.literal_eval(default) if default else dataclasses.MISSING) == expected


def test_presets_are_all_listed():
    listed = inventory.presets()
    assert list(listed) == list(presets())
    assert all(text for text in listed.values())


def test_list_shows_runs_of_every_state(command, finished, tmp_path):
    run = finished[1].document["run_id"]
    shutil.copytree(finished[0], tmp_path / "runs")
    (tmp_path / "runs" / "killed").mkdir()
    (tmp_path / "runs" / "killed" / "attempts.jsonl").touch()
    (tmp_path / "runs" / "damaged").mkdir()
    (tmp_path / "runs" / "damaged" / "record.json").write_text("{")
    done = command("list", "--out", tmp_path / "runs")
    assert done.code == 0
    for text in ("digits_mlp", "sparsity=0.9", "hidden=(300, 100)", run, "killed", "no record yet"):
        assert text in done.out
    assert done.err.startswith("efficient: warning: ") and done.err.count("\n") == 1
    plain = command("list", "--out", tmp_path / "runs", "--json").document
    assert run in [r["run_id"] for r in plain["runs"]]
    assert plain["unfinished"] == ["killed"] and len(plain["complaints"]) == 1
    assert plain["variants"]["prune"]["fields"]["sparsity"] == {"type": "float", "default": "0.9"}


def test_show_has_every_part_of_the_record(command, finished):
    out, trained = finished
    run = trained.document["run_id"]
    done = command("show", run, "--out", out)
    assert done.code == 0 and done.err == ""
    parts = ("scores", "curve", "cost", "laps", "evidence", "files")
    assert all(f"\n{part}" in done.out for part in parts)
    executed = trained.document["cost"]["flops_executed"]
    assert f"{executed:,}" in done.out and str(out / run) in done.out
    assert command("show", out / run, "--json").document["run_id"] == run


def test_report_prints_tables_and_writes_the_page(command, finished, tmp_path):
    out, _ = finished
    done = command("report", out, "--out", tmp_path, "--title", "A title")
    assert done.code == 0
    assert "Quality" in done.out and "executed training FLOPs (logarithmic)" in done.out
    assert "A title" in (tmp_path / "index.html").read_text()
    assert command("report", out, "--out", tmp_path, "--json").document["rows"][0]["arm"]


def test_data(command):
    rows = {row["name"]: row for row in command("data", "list", "--json").document}
    assert rows["digits"]["embedded"] and not rows["mnist"]["prepared"]
    assert "not prepared" in command("data", "list").out
    found = command("data", "show", "digits", "--json").document
    assert found["classes"] == load_preset("digits_mlp").model.hidden[1] // 10
    assert "fingerprint" in command("data", "show", "digits").out
    assert command("data", "prepare", "digits", "--json").document["name"] == "digits"


@pytest.mark.parametrize("words", ["--help", "list", "show RUN", "report OUT", "train --help"])
def test_starts_without_jax(finished, tmp_path, words):
    names = {"RUN": str(finished[0] / finished[1].document["run_id"]), "OUT": str(finished[0])}
    command = [names.get(word, word) for word in words.split()]
    command += ["--out", str(tmp_path)] if command[0] == "report" else []
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_JAX, *command], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


def test_every_command_has_an_example_that_is_read():
    for name, parser in _tree()[1].items():
        epilog = parser.epilog
        assert epilog is not None and "example:\n  efficient " in epilog, name
        line = epilog.split("example:\n  efficient ")[1].splitlines()[0]
        _, arguments = parse(shlex.split(line))
        assert arguments.parser.prog.startswith(f"efficient {name}")


@pytest.mark.parametrize("passed", [True, False])
def test_check_says_what_is_broken(command, monkeypatch, passed):
    from efficient.check import Finding

    findings = [Finding("finishes", True, "12 steps"), Finding("is neutral", passed, "a detail")]
    monkeypatch.setattr("efficient.cli.check.examine", lambda name, say, variant: findings)
    done = command("check", "own_method:Mine")
    assert done.code == (0 if passed else 1)
    assert f"own_method:Mine: {1 + passed} of 2 contracts kept" in done.out
    assert ("BROKEN  is neutral: a detail" in done.out) == (not passed)
    assert command("check", "own_method:Mine", "--json").document["passed"] == passed


def test_version_and_help_return(command):
    assert command("--version").out.startswith("efficient-jax ")
    assert command().out == command("--help").out != ""
    assert command("data", "--help").code == 0


def test_a_reader_that_has_seen_enough_is_no_error():
    process = subprocess.Popen(
        [sys.executable, "-m", "efficient", "list", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 1
