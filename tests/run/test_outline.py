"""A run on paper costs what the run that is built costs, and allocates nothing."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import jax
import pytest
from tiny import DIGITS, PRECISION, PRUNE, QUANTIZE, TEXT

from efficient.config import ConfigError, untyped
from efficient.data import load
from efficient.ledger.store import write_record
from efficient.models.network import NETWORKS
from efficient.run.build import build
from efficient.run.outline import outline
from efficient.train.step import train_step
from efficient.variants import Distill, VariantError

NOWHERE = Path("nowhere")


@pytest.mark.parametrize(
    "config",
    [
        DIGITS,
        TEXT,
        replace(TEXT, model=replace(TEXT.model, dropout=0.5)),
        replace(DIGITS, variants=(PRUNE, QUANTIZE, PRECISION)),
        replace(DIGITS, accumulate=4, train_for="1.5 epochs"),
        replace(DIGITS, train_for="2e7 FLOP"),
    ],
    ids=["image", "text", "dropout", "variants", "accumulate", "flop"],
)
def test_is_the_run_that_is_built(config):
    dataset = load(config.workload.data)
    built = build(config, dataset, NOWHERE)
    found = outline(config, dataset, NOWHERE, built.platform)
    assert found.model == built.model_count
    assert found.executed == built.executed
    assert (found.steps, found.teacher_step) == (built.steps, built.teacher)
    assert found.flops_step == built.model_count.total and found.reason == ""
    state, memory = jax.eval_shape(built.initial), found.memory
    assert memory.gradients_bytes == held(state.params)
    assert memory.weights_bytes == held((state.params, state.rest))
    assert memory.optimizer_bytes == held(state.opt_state)
    assert memory.data_bytes == held(built.data)
    assert memory.examples == config.batch_size // config.accumulate


def test_products_of_the_update_are_counted():
    """muon multiplies matrices to orthogonalise a step; adamw multiplies none."""
    dataset = load("digits")
    muon = replace(DIGITS, optimizer=replace(DIGITS.optimizer, name="muon"))
    plain, found = (outline(config, dataset, NOWHERE, "cpu") for config in (DIGITS, muon))
    assert plain.update_step == 0 and found.update_step
    assert found.flops_step == plain.flops_step + found.update_step


def held(tree) -> int:
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))


def test_activations_and_gradients_are_about_the_compiled_temporaries():
    """Within a factor of two: the model knows nothing of what a compiler fuses."""
    sizes = replace(TEXT.model, depth=2, width=64, hidden=256)
    config = replace(TEXT, batch_size=16, model=sizes)
    built = build(config, load(config.workload.data), NOWHERE)
    memory = outline(config, built.dataset, NOWHERE, built.platform).memory
    step = jax.jit(partial(train_step, built.program), donate_argnums=0)
    index = jax.ShapeDtypeStruct((config.batch_size,), "int32")
    batch = jax.eval_shape(config.workload.window, built.data, index)
    compiled = step.lower(jax.eval_shape(built.initial), batch, built.frozen).compile()
    temporaries = compiled.memory_analysis().temp_size_in_bytes
    assert memory.activation_bytes is not None
    predicted = memory.gradients_bytes + memory.examples * memory.activation_bytes
    assert temporaries / 2 < predicted < 2 * temporaries


def test_a_teacher_is_counted(trained):
    teacher = trained(DIGITS)
    config = replace(DIGITS, variants=(Distill(teacher=teacher.run_id),))
    dataset = load(config.workload.data)
    found = outline(config, dataset, trained.out, "cpu")
    built = build(config, dataset, trained.out)
    assert found.teacher_step == built.teacher and found.teacher_step
    assert found.flops_step == built.model_count.total + built.teacher


def test_a_run_that_goes_on_from_a_smaller_network_is_of_its_sizes(trained, tmp_path):
    """What stands in a record as `spec` is what a phase made of the config's network."""
    baseline, small = trained(DIGITS), replace(DIGITS, model=replace(DIGITS.model, hidden=(6,)))
    (tmp_path / baseline.run_id).mkdir()
    spec = untyped(NETWORKS, small.model)
    write_record(tmp_path / baseline.run_id, replace(baseline, spec=spec))
    config = replace(DIGITS, start=baseline.run_id, train_for="0 steps")
    found, like = (outline(c, load("digits"), tmp_path, "cpu") for c in (config, small))
    assert found.steps == 0 and found.params_total == like.params_total
    assert (found.model, found.executed) == (like.model, like.executed)


def test_a_run_of_no_step_is_refused():
    dataset = load("digits")
    with pytest.raises(VariantError, match="less than one step"):
        outline(replace(DIGITS, train_for="1 FLOP"), dataset, NOWHERE, "cpu")
    with pytest.raises(ConfigError):
        replace(DIGITS, train_for="1 parsec")
