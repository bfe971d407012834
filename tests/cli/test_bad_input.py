"""Mistakes of people: one line that names the remedy, an exit code, and nothing half-written."""

from __future__ import annotations

import errno
import os
import shutil

import pytest

from efficient.cli import main
from efficient.cli.failure import ours

#: words after `efficient`, exit code, what the line must say
MISTAKES = [
    ("train digits_mpl", 2, "did you mean 'digits_mlp'?"),
    ("train nosuch.py", 2, "config 'nosuch.py' does not exist"),
    ("train nosuch.json", 2, "config 'nosuch.json' does not exist"),
    ("train", 2, "CONFIG is missing"),
    ("trian digits_mlp", 2, "did you mean 'train'?"),
    ("train digits_mlp --optimiser.lr 0.1", 2, "did you mean '--optimizer.lr'?"),
    ("train digits_mlp --lr 0.1", 2, "did you mean '--optimizer.lr'?"),
    ("train digits_mlp --variant prune", 2, "did you mean '--variants'?"),
    ("train digits_mlp --arm mine", 2, "override '--arm' is unknown"),
    ("train digits_mlp stray", 2, "'stray' belongs to no option"),
    ("train --seed 3 digits_mlp", 2, "CONFIG comes before --seed"),
    ("train digits_mlp --seed -1", 2, "seed -1 is not in"),
    ("train digits_mlp --seed 1 --seed 2", 2, "stands twice"),
    ("train digits_mlp --batch-size many", 2, "--batch-size 'many' is not a whole number"),
    ("train digits_mlp --batch_size 1.5", 2, "--batch-size '1.5' is not a whole number"),
    ("train digits_mlp --batch-size", 2, "takes one value, not 0"),
    ("train digits_mlp --optimizer.lr fast", 2, "--optimizer.lr 'fast' is not a number"),
    ("train digits_mlp --workload.flip maybe", 2, "is not true or false"),
    ("train digits_mlp --model.hidden 10 x", 2, "--model.hidden 'x' is not a whole number"),
    ("train digits_mlp --model nosuch:Net", 2, "cannot be loaded"),
    ("train digits_mlp --workload images", 2, "needs a value for its field 'data'"),
    ("train digits_mlp --train-for soon", 2, '"20 epochs"'),
    ("train digits_mlp --batch-size 0", 2, "must be at least 1"),
    ("train digits_mlp --batch-size 100000", 1, "choose a smaller one"),
    ("train digits_mlp --optimizer.name sdg", 1, "choose one of"),
    ("train digits_mlp --variants prun:sparsity=0.5", 2, "did you mean 'prune'?"),
    ("train digits_mlp --variants prune:sparsty=0.5", 2, "did you mean 'sparsity'?"),
    ("train digits_mlp --variants prune:sparsity", 2, "is no field=value"),
    ("train digits_mlp --variants prune:sparsity=1.5", 2, "not a fraction in [0, 1)"),
    ("train digits_mlp --variants quantize:bits=0", 2, "choose 2 to 8"),
    ("train digits_mlp --variants quantize:bits=few", 2, "is not a whole number"),
    ("train digits_mlp --variants prune:weights=nothing*", 1, "matches no layer"),
    ("train digits_mlp --variants prune:pattern=stripes", 2, "pattern 'stripes' is unknown"),
    ("train digits_mlp --variants prune:pattern=3:7", 1, "does not divide the 64 inputs"),
    ("train digits_mlp --variants prune:criterion=snip", 2, "choose schedule one_shot or static"),
    ("train digits_mlp --variants quantize:bits=9", 2, "choose 2 to 8, or 32 for none"),
    ("train digits_mlp --variants remove:units=nothing*", 1, "match no group"),
    ("train digits_mlp --variants prune dynamic", 1, "would claim the same weights in one run"),
    ("train digits_mlp --variants precision:dtype=float8", 1, "float8"),
    ("train digits_mlp --variants ticket", 1, "begin with a pruned run"),
    ("train digits_mlp --train-for 0_steps", 2, '"20 epochs"'),
    ("export nobody --out there", 1, "no run 'nobody'"),
    ("bench nobody", 1, "nobody"),
    ("train digits_mlp --variants distill", 1, "distill needs a teacher"),
    ("train digits_mlp --variants distill:teacher=nobody", 1, "no run 'nobody'"),
    ("train digits_mlp --start nobody", 1, "no run 'nobody'"),
    ("train digits_mlp --data-dir", 2, "expected one argument"),
    ("train mnist_mlp", 1, "efficient data prepare mnist"),
    ("flops digits_mlp --batch-size many", 2, "is not a whole number"),
    ("compare nosuch --dry-run", 2, "experiment 'nosuch' does not exist"),
    ("compare nosuch --seeds 0", 2, "is not a whole number above 0"),
    ("show nobody", 1, "no run 'nobody'"),
    ("show", 2, "RUN"),
    ("list --jsn", 2, "did you mean '--json'?"),
    ("check prun", 1, "did you mean 'prune'?"),
    ("data show mnist", 1, "efficient data prepare mnist"),
    ("data show 3/4", 1, "not a dataset name"),
    ("data shwo digits", 2, "invalid choice"),
]


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def refuse(done, code, text):
    """Exactly one line, on stderr."""
    assert (done.code, done.out) == (code, "")
    assert done.err.count("\n") == 1 and done.err.startswith("efficient: error: "), done.err
    assert text in done.err


@pytest.fixture
def folder(tmp_path, finished):
    """A folder to work in, whose `runs` holds one finished run."""
    shutil.copytree(finished[0], tmp_path / "runs")
    return tmp_path


@pytest.mark.parametrize(("words", "code", "text"), MISTAKES, ids=[m[0] for m in MISTAKES])
def test_is_one_line(command, folder, monkeypatch, words, code, text):
    monkeypatch.chdir(folder)
    before = files(folder)
    refuse(command(*words.split()), code, text)
    assert files(folder) == before


def test_teacher_of_other_classes(command, folder, finished, text_config):
    before = files(folder)
    run = finished[1].document["run_id"]
    words = ("--variants", f"distill:teacher={run}", "--out", folder / "runs")
    refuse(command("train", text_config, *words), 1, "choose a teacher of this workload")
    assert files(folder) == before


def test_output_under_a_file(command, folder):
    (folder / "file").touch()
    before = files(folder)
    done = command("train", "digits_mlp", "--train-for", "2 steps", "--out", folder / "file" / "x")
    refuse(done, 1, "choose another folder with --out")
    done = command("report", folder / "runs", "--out", folder / "file")
    refuse(done, 1, "give another --out")
    assert files(folder) == before


@pytest.mark.parametrize("damage", [b"{", b"[]", b"{}", b"\xff", b'{"schema": 99}', b""])
def test_damaged_record(command, folder, finished, damage):
    runs, run = folder / "runs", finished[1].document["run_id"]
    (runs / run / "record.json").write_bytes(damage)
    before = files(folder)
    for words, code in (
        (("show", run, "--out", runs), 1),
        (("train", runs / run, "--out", runs), 2),
        (("train", "digits_mlp", "--start", run, "--out", runs), 1),
        (("sample", run, "--out", runs), 1),
    ):
        refuse(command(*words), code, "record.json")
    assert files(folder) == before


def test_report_of_damaged_records_alone(command, folder, finished):
    for path in (folder / "runs").rglob("record.json"):
        path.write_bytes(b"{")
    refuse(command("report", folder / "runs"), 1, "holds no finished run")


def test_full_disk(command, folder, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("efficient.ledger.store.os.fsync", full)
    done = command("train", "digits_mlp", "--train-for", "2 steps", "--out", folder, "--quiet")
    refuse(done, 1, "free some space or give another --out")
    assert not [name for name in files(folder) if name.endswith(".tmp")]
    new = [path for path in folder.iterdir() if path.name.startswith("digits")]
    assert not any((path / "record.json").exists() for path in new)


def test_damaged_cache_file_is_rebuilt_and_said(command, tmp_path, monkeypatch):
    monkeypatch.setenv("EFFICIENT_CACHE_DIR", str(tmp_path))
    sound = command("data", "show", "digits")
    largest = max(tmp_path.rglob("*"), key=lambda path: path.stat().st_size * path.is_file())
    largest.chmod(0o644)
    largest.write_bytes(b"damage" + largest.read_bytes()[6:])
    mended = command("data", "show", "digits")
    assert (mended.code, mended.out) == (0, sound.out)
    assert mended.err.startswith("efficient: warning: digits: cache entry ")
    assert mended.err.count("\n") == 1
    assert command("data", "show", "digits").err == ""


def test_a_bug_keeps_its_trace(monkeypatch):
    def broken(arguments):
        raise ValueError("not one of ours")

    monkeypatch.setattr("efficient.cli.listing.listing", broken)
    with pytest.raises(ValueError, match="not one of ours") as raised:
        main(["list"])
    assert not ours(raised.value)


def test_an_error_of_the_disk_is_one_line(command, monkeypatch):
    def full(arguments):
        raise OSError(errno.ENOSPC, "No space left on device", "some/file")

    monkeypatch.setattr("efficient.cli.listing.listing", full)
    refuse(command("list"), 1, "some/file: No space left on device: check the disk")


def test_control_c_outside_of_a_run_is_quiet(command, monkeypatch):
    def stop(arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("efficient.cli.listing.listing", stop)
    done = command("list")
    assert (done.code, done.out, done.err) == (130, "", "")
