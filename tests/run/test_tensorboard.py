"""The curve reaches TensorBoard's event files as it grows."""

from __future__ import annotations

import builtins

import pytest
from events import events

from efficient.ledger.record import Point, Score
from efficient.run.attempt import Progress
from efficient.run.tensorboard import ExportError, scalars, tensorboard

SCORE = Score(0.25, 0.5, 10)


def point(step, validation=None, **known):
    return Point(step, "train", 2.0 / step, validation, 1.0, 2.0, 2**40 * step, **known)


def test_only_what_is_known_is_a_scalar():
    assert scalars(point(2)).keys() == {
        "train/loss",
        "cost/train_s",
        "cost/total_s",
        "cost/flops_executed",
    }
    whole = scalars(point(2, SCORE, energy_j=3.0))
    assert whole["validation/accuracy"] == 0.5 and whole["cost/energy_j"] == 3.0
    assert "validation/loss" not in scalars(point(2, Score(float("nan"), 0.5, 10)))


def test_points_are_there_before_the_run_ends(tmp_path):
    with tensorboard(tmp_path / "new") as observe:
        observe(Progress("digits-0001", point(2), 4, 1.0, 1.0, 0))
        found = events(tmp_path / "new" / "digits-0001")
        assert ("train/loss", 2, 1.0) in found and ("cost/flops_executed", 2, 2.0**41) in found
        observe(Progress("digits-0001", point(4, SCORE), 4, 1.0, 1.0, 0))
    assert ("validation/loss", 4, 0.25) in events(tmp_path / "new" / "digits-0001")


def test_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ExportError, match="cannot be made"), tensorboard(tmp_path / "file"):
        pass


def test_disk_that_fills_up_ends_the_export_and_not_the_run(tmp_path, caplog):
    with tensorboard(tmp_path) as observe:
        (tmp_path / "digits-0001").write_text("in the way")
        for step in (2, 4):
            observe(Progress("digits-0001", point(step), 4, 1.0, 1.0, 0))
    assert [r.message for r in caplog.records if "no more points" in r.message] != []
    assert len(caplog.records) == 1


def test_missing_extra_is_one_line(tmp_path, monkeypatch):
    real = builtins.__import__

    def missing(name, *rest):
        if name.startswith("tensorboard"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ExportError, match=r"pip install 'efficient-jax\[tensorboard\]'"):
        tensorboard(tmp_path).__enter__()
