"""A run that was stopped and started again ends bit for bit where the uninterrupted one ends."""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
from dataclasses import dataclass, replace

import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from efficient.ledger.record import FINISHED, INTERRUPTED
from efficient.ledger.store import read_lines, read_record
from efficient.run import train
from efficient.train import checkpoint
from efficient.variants import Variant
from efficient.variants.variant import divide, steps_of

SAVING = dataclasses.replace(tiny.DIGITS, checkpoint_s=0.0, chunk_steps=4, evaluations=6)


@dataclass(frozen=True)
class Rewind(Variant):
    """Keeps what it sees at a third of the run, and starts from it again at two thirds."""

    def phases(self, plan):
        third = steps_of(plan) // 3

        def keep(work, probe):
            loss = np.float32(probe.loss(work.params))
            return replace(work, kept={"early": work.params, "loss": loss})

        def rewind(work, probe):
            return replace(work, params=work.kept["early"])

        plan = divide(plan, third, "first", "second", keep)
        return divide(plan, 2 * third, "second", "third", rewind)


def stop_at(step: int):
    """An observer that sends SIGTERM to its own process when a chunk ends there."""

    def observe(progress):
        if progress.step == step:
            os.kill(os.getpid(), signal.SIGTERM)

    return observe


CASES = {
    "mid-phase": (SAVING, 12),
    "select best": (dataclasses.replace(SAVING, select="best"), 12),
    "between phases": (dataclasses.replace(SAVING, variants=(tiny.ONE_SHOT,)), 8),
    "after the cut": (dataclasses.replace(SAVING, variants=(tiny.ONE_SHOT,)), 12),
    "something kept": (dataclasses.replace(SAVING, variants=(Rewind(),)), 12),
}


@pytest.mark.parametrize("config, step", CASES.values(), ids=CASES)
def test_resumed_equals_uninterrupted(config, step, trained, tmp_path):
    whole = trained(config)
    stopped = train(config, tmp_path, observe=stop_at(step))
    assert (stopped.status, stopped.steps) == (INTERRUPTED, step)
    assert read_record(tmp_path / stopped.run_id).status == INTERRUPTED
    record = train(config, tmp_path)
    assert record.status == FINISHED
    assert record.run_id == stopped.run_id
    assert record.params_digest == whole.params_digest
    assert record.scores == whole.scores
    assert [p.validation for p in record.points] == [p.validation for p in whole.points]
    assert [p.step for p in record.points] == [4, 8, 12, 16, 20, 24]
    assert record.notes == ()
    assert not (tmp_path / record.run_id / "checkpoints").exists()


def test_both_processes_are_on_the_bill(trained, tmp_path):
    stopped = train(SAVING, tmp_path, observe=stop_at(12))
    record = train(SAVING, tmp_path)
    first, second = record.cost.processes
    assert (first.outcome, first.steps) == (INTERRUPTED, 12)
    assert (second.outcome, second.steps) == (FINISHED, 12)
    assert record.cost.total_s == pytest.approx(first.total_s + second.total_s)
    assert record.cost.total_s > stopped.cost.total_s
    for name in ("flops_executed", "flops_eval"):
        assert getattr(record.cost, name) == getattr(first, name) + getattr(second, name)
    assert record.cost.flops_executed == trained(SAVING).cost.flops_executed
    assert record.cost.flops_effective == trained(SAVING).cost.flops_effective
    costs = [(p.train_s, p.total_s, p.flops_executed) for p in record.points]
    assert costs == sorted(costs)


def test_a_finished_run_is_not_touched_again(tmp_path):
    first, second = train(tiny.DIGITS, tmp_path), train(tiny.DIGITS, tmp_path)
    assert first.run_id != second.run_id
    assert first.params_digest == second.params_digest


def flip(path):
    """One bit in the middle of the largest file of the arrays."""
    file = max((f for f in path.rglob("*") if f.is_file()), key=lambda f: f.stat().st_size)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def truncate(path):
    file = max((f for f in path.rglob("*") if f.is_file()), key=lambda f: f.stat().st_size)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def unseal(path):
    path.with_suffix(".json").unlink()


def lose(path):
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """A folder with a run stopped at step 12 of 24, with checkpoints at 4, 8 and 12."""
    out = tmp_path_factory.mktemp("stopped")
    return out, train(SAVING, out, observe=stop_at(12))


@pytest.mark.parametrize("damage", [flip, truncate, unseal, lose])
def test_a_damaged_checkpoint_falls_back_and_says_so(damage, stopped, trained, tmp_path):
    out, first = stopped
    shutil.copytree(out, tmp_path, dirs_exist_ok=True)
    damage(tmp_path / first.run_id / "checkpoints" / "step_0000000012_phase_0")
    record = train(SAVING, tmp_path)
    assert record.params_digest == trained(SAVING).params_digest
    assert [p.steps for p in record.cost.processes] == [12, 16]
    (note,) = record.notes
    assert "step_0000000012_phase_0" in note
    assert "\n" not in note
    assert [line["step"] for line in read_lines(tmp_path / first.run_id / "curve.jsonl")] == [
        4, 8, 12, 16, 20, 24,
    ]  # fmt: skip


def test_without_any_intact_checkpoint_it_begins_again(stopped, trained, tmp_path):
    out, first = stopped
    shutil.copytree(out, tmp_path, dirs_exist_ok=True)
    for path in (tmp_path / first.run_id / "checkpoints").glob("step_*_0"):
        flip(path)
    record = train(SAVING, tmp_path)
    assert record.params_digest == trained(SAVING).params_digest
    assert len(record.notes) == 3
    assert [p.steps for p in record.cost.processes] == [12, 24]
    assert record.cost.examples_seen == 24 * 32


@pytest.mark.parametrize("damage", [flip, truncate])
def test_damaged_arrays_are_not_opened(damage, tmp_path):
    """Orbax leaves tasks behind that fail later, in whatever runs then."""
    checkpoint.save(tmp_path, 3, 0, {"a": jnp.arange(1000.0)}, {})
    damage(tmp_path / "step_0000000003_phase_0")
    complaints: list[str] = []
    assert (
        checkpoint.newest(tmp_path, lambda phase, note: {"a": jnp.zeros(1000)}, complaints) is None
    )
    (complaint,) = complaints
    assert complaint.endswith("is damaged (its digest is another); passed over")


def test_only_the_newest_checkpoints_stay(tmp_path):
    tree = {"a": jnp.arange(3.0), "b": jnp.int32(7)}
    for step in range(6):
        checkpoint.save(tmp_path, step, 0, tree, {"x": {"y": np.float32(step)}})
    assert len(list(tmp_path.glob("*.json"))) == checkpoint.KEEP
    found = checkpoint.newest(tmp_path, lambda phase, note: tree, [])
    assert (found.step, found.phase, found.kept) == (5, 0, {"x": {"y": 5}})
    assert checkpoint.digest(found.tree) == checkpoint.digest(tree)
    complaints: list[str] = []
    assert checkpoint.newest(tmp_path, {"a": tree["a"]}, complaints) is None
    assert len(complaints) == checkpoint.KEEP


def test_the_tenth_phase_is_newer_than_the_ninth(tmp_path):
    """The phases of one step: a phase that has none, or one that was entered and then killed."""
    tree = {"a": jnp.arange(3.0)}
    for phase in range(8, 12):
        checkpoint.save(tmp_path, 4, phase, tree, {})
    assert checkpoint.newest(tmp_path, lambda phase, note: tree, []).phase == 11
    kept = {path.stem for path in tmp_path.glob("*.json")}
    assert kept == {f"step_0000000004_phase_{phase}" for phase in (9, 10, 11)}
