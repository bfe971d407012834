"""What a run is charged: identities between columns, and what can be counted independently."""

from __future__ import annotations

import dataclasses
import time

import jax
import numpy as np
import pytest
import tiny
from flax import nnx

from efficient.config import Duration
from efficient.cost.flops import count, flops
from efficient.data import load
from efficient.ledger.record import LAPS
from efficient.models.signature import Signature
from efficient.run import train
from efficient.run.build import build
from efficient.variants import Distill

BATCH, INPUTS, HIDDEN, CLASSES = 32, 64, 16, 10


def test_a_baseline_executes_what_the_model_costs(trained):
    """Forward and weight gradients of both layers, input gradients of the second: 2 per product."""
    cost = trained(tiny.DIGITS).cost
    products = 2 * INPUTS * HIDDEN + 3 * HIDDEN * CLASSES
    assert cost.flops_model == tiny.STEPS * 2 * BATCH * products
    assert cost.flops_executed == cost.flops_effective == cost.flops_model
    assert cost.flops_teacher == cost.flops_scoring == 0
    assert not [name for name in cost.unknown if name.startswith("flops")]


def test_evaluation_is_counted_with_its_padding(trained):
    """Three points and the artefact's and training weights' test scores, in whole batches."""
    record = trained(tiny.DIGITS)
    forward = 2 * (INPUTS * HIDDEN + HIDDEN * CLASSES)

    def padded(split):
        examples = record.data.splits[split].examples
        size = min(tiny.DIGITS.eval_batch_size, examples)
        return -(-examples // size) * size

    evaluated = 3 * padded("validation") + 2 * padded("test")
    assert record.cost.flops_eval == forward * evaluated
    assert record.cost.flops_inference == forward


def test_text_costs_the_same_model_and_executed(trained):
    cost = trained(tiny.TEXT).cost
    assert cost.flops_executed == cost.flops_effective == cost.flops_model > 0


def test_laps_are_the_whole_time(tmp_path):
    begun = time.perf_counter()
    cost = train(tiny.DIGITS, tmp_path).cost
    wall = time.perf_counter() - begun
    assert cost.total_s == pytest.approx(sum(cost.laps.values()), abs=1e-6)
    assert set(cost.laps) <= set(LAPS)
    assert all(seconds >= 0 for seconds in cost.laps.values())
    assert {"build", "data", "compile", "train", "eval", "deploy", "write"} <= set(cost.laps)
    assert 0.9 * wall < cost.total_s - cost.laps.get("start", 0.0) <= wall
    assert cost.train_s == cost.laps["train"]


def test_the_teacher_is_charged_its_forward(trained):
    teacher = trained(tiny.DIGITS)
    record = trained(_distilled(teacher.run_id))
    forward = 2 * BATCH * (INPUTS * HIDDEN + HIDDEN * CLASSES)
    assert record.cost.flops_teacher == tiny.STEPS * forward
    assert record.cost.flops_executed == teacher.cost.flops_executed + record.cost.flops_teacher
    assert record.cost.flops_model == teacher.cost.flops_model


@pytest.mark.parametrize("variant", [tiny.PRUNE, tiny.GLOBAL, tiny.ONE_SHOT, tiny.QUANTIZE])
def test_masked_and_rounded_models_execute_no_less(trained, variant):
    base = trained(tiny.DIGITS).cost
    cost = trained(dataclasses.replace(tiny.DIGITS, variants=(variant,))).cost
    assert cost.flops_executed >= base.flops_executed
    assert cost.flops_model == base.flops_model


def test_effective_flops_follow_the_schedule(trained):
    """A sum over the written cubic schedule, step by step and layer by layer."""
    record = trained(dataclasses.replace(tiny.DIGITS, variants=(tiny.PRUNE,)))
    begin, end = round(0.1 * tiny.STEPS), round(0.7 * tiny.STEPS)
    interval = (end - begin) // tiny.PRUNE.updates
    last = (end - begin) // interval
    total = 0
    for size, products in ((INPUTS * HIDDEN, 2), (HIDDEN * CLASSES, 3)):
        kept = size
        for step in range(tiny.STEPS):
            number = (step - begin) / interval
            if number in range(last + 1):
                sparsity = tiny.PRUNE.sparsity * (1 - (1 - number / last) ** 3)
                kept = round((1 - sparsity) * size)
            total += 2 * BATCH * products * kept
    assert record.cost.flops_effective == pytest.approx(total, abs=2)
    assert 0.25 < record.cost.flops_effective / record.cost.flops_model < 0.75


def test_one_shot_costs_all_of_a_third_and_half_of_the_rest(trained):
    cost = trained(dataclasses.replace(tiny.DIGITS, variants=(tiny.ONE_SHOT,))).cost
    assert cost.flops_effective == 2 * cost.flops_model // 3


def test_a_budget_in_flop_gives_the_steps_that_it_pays_for(tmp_path):
    per_step = 2 * BATCH * (2 * INPUTS * HIDDEN + 3 * HIDDEN * CLASSES)
    config = dataclasses.replace(tiny.DIGITS, train_for=f"{10.9 * per_step} FLOP")
    record = train(config, tmp_path)
    assert record.steps == record.steps_planned == 10
    assert record.cost.flops_executed == 10 * per_step
    twin = train(dataclasses.replace(config, train_for="10 steps"), tmp_path)
    assert record.params_digest == twin.params_digest


def test_a_teacher_is_paid_from_the_same_budget(trained):
    teacher = trained(tiny.DIGITS)
    config = dataclasses.replace(_distilled(teacher.run_id), train_for="1e7 FLOP")
    built = build(config, load("digits"), trained.out)
    assert built.executed.total == (teacher.cost.flops_executed // tiny.STEPS) + built.teacher
    assert built.steps == int(1e7 // built.executed.total)


class Unpriced:
    """A step of which something has no price."""

    batches = 10

    def step_flops(self):
        return None


def test_durations_that_pay_for_no_step_are_refused(tmp_path):
    config = dataclasses.replace(tiny.DIGITS, train_for="10 FLOP")
    with pytest.raises(ValueError, match="less than one step"):
        train(config, tmp_path)
    with pytest.raises(ValueError, match="FLOP"):
        Duration.parse("3e9 FLOP").steps(Unpriced())


def test_inference_is_counted_on_the_shipped_model(trained):
    record = trained(tiny.TEXT)
    model = tiny.TEXT.model.build(Signature((16,), 256, "text"), nnx.Rngs(0))
    model.eval()
    assert record.cost.flops_inference == flops(model, np.zeros((1, 16), np.int32)).total


def test_counts_of_examples(trained):
    """24 steps of 32 among 1,297 and more; and, past an epoch, exactly those that were fed."""
    cost = trained(tiny.DIGITS).cost
    assert cost.examples_seen == cost.examples_unique == cost.labels_used == 24 * 32
    assert trained(tiny.TEXT).cost.labels_used == 0


def test_unique_examples_past_an_epoch_are_those_that_were_fed(trained):
    config = dataclasses.replace(tiny.DIGITS, batch_size=400)
    built = build(config, load("digits"), trained.out)
    loop, key = built.loop(), built.initial().key
    fed: set[int] = set()
    for step in range(9):
        if step % loop.batches == 0:
            from efficient.train.step import epoch_order

            order = np.asarray(
                epoch_order(key, jax.numpy.int32(step // loop.batches), built.examples)
            )
        start = step % loop.batches * 400
        fed |= set(order[start : start + 400].tolist())
        assert built.examples_unique(step + 1) == len(fed)


def test_the_count_reads_the_compiled_program(trained):
    """One chunk of 8 steps is 8 steps: scan does not hide a repetition."""
    built = build(tiny.DIGITS, load("digits"), trained.out)
    loop = built.loop()
    loop.prepare(built.initial(), 8)
    assert count(loop.chunks[8].jaxpr).total == 8 * built.executed.total


def _distilled(teacher: str):
    return dataclasses.replace(tiny.DIGITS, variants=(Distill(teacher=teacher),))
