"""When quantization begins: conversion at the end, calibration, and steps that are learned."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import tiny
from flax import nnx

from efficient.cost.clock import Clock
from efficient.data import load
from efficient.deploy import read
from efficient.deploy.format import load_arrays
from efficient.models.clip import clipped_scale
from efficient.models.gpt import GPTSpec
from efficient.models.mlp import MLPSpec
from efficient.models.signature import Signature
from efficient.models.tree import flatten, nest
from efficient.run.build import build
from efficient.run.standing import Standing
from efficient.variants import Dynamic, Phase, Prune, Quantize, VariantError, Work, compose
from efficient.variants.quantize.calibration import observe
from efficient.variants.quantize.rounding import Calibrated

IMAGE, TEXT = Signature((8, 8, 1), 10, "image"), Signature((6,), 11, "text")
PERCEPTRON = MLPSpec(hidden=(16,))
PLAN = (Phase("train", 24),)


class Batches:
    """A probe on given inputs."""

    def __init__(self, rest, inputs):
        self.rest, self.inputs, self.read = rest, inputs, 0

    def measure(self, fn, params, batches):
        self.read += batches
        found = [SimpleNamespace(inputs=x) for x in self.inputs[:batches]]
        return [
            jax.jit(lambda p, r, x: fn(p, r, SimpleNamespace(inputs=x)))(
                params, self.rest, batch.inputs
            )
            for batch in found
        ]


def work_of(variant, spec=PERCEPTRON, signature=IMAGE):
    """What a phase starts from, of the rewritten network and of weights unlike the initial ones."""
    made = compose((variant,), spec.build(signature, nnx.Rngs(0)), 0.0, None)
    flat = flatten(made.params)
    params = nest({n: x if "/slots/" in n else 1.5 * x for n, x in flat.items()})
    return Work(spec, signature, params, made.rest, optax.sgd(0.1).init(params), {}, {})


def images(*largest):
    shape = (4, 8, 8, 1)
    return [jnp.zeros(shape).at[0, 1, 2, 0].set(x).at[1, 3, 3, 0].set(-x / 2) for x in largest]


def test_conversion_comes_last_and_takes_no_step():
    variant = Quantize(method="ptq")
    *before, last = variant.phases(PLAN)
    assert tuple(before) == PLAN
    assert (last.name, last.steps) == (variant.since, 0)
    assert Quantize().phases(PLAN) is PLAN
    assert Quantize().since == Quantize(method="lsq").since == ""


def test_running_steps_need_steps():
    with pytest.raises(VariantError, match="static in qat needs steps; choose method=ptq"):
        Quantize(static=True).phases((Phase("train", 0),))


def test_conversion_measures_weights_and_inputs():
    variant = Quantize(method="ptq", static=True, bits=4, clip="mse", batches=3)
    work = work_of(variant)
    probe = Batches(work.rest, images(1.0, 2.54, 0.5, 9.0))
    after = variant.phases(PLAN)[-1].enter(work, probe)
    assert probe.read == 3
    rest, before = flatten(after.rest), flatten(work.rest)
    assert rest["hidden_0/slots/input_step"] == pytest.approx(2.54 / 127)
    assert rest["head/slots/input_step"] != before["head/slots/input_step"]
    for path in ("hidden_0", "head"):
        kernel = flatten(work.params)[f"{path}/kernel"]
        steps = clipped_scale(kernel, 4, (0,), "mse").ravel()
        np.testing.assert_allclose(rest[f"{path}/slots/kernel_step"], steps, rtol=1e-5)
    jax.tree.map(np.testing.assert_array_equal, after.params, work.params)
    assert jax.tree.map(jnp.shape, after.rest) == jax.tree.map(jnp.shape, work.rest)


def test_a_percentage_is_averaged_over_batches():
    variant = Quantize(method="ptq", static=True, input_clip="100%", batches=2)
    work = work_of(variant)
    after = variant.phases(PLAN)[-1].enter(work, Batches(work.rest, images(1.27, 3.81)))
    assert flatten(after.rest)["hidden_0/slots/input_step"] == pytest.approx(0.02)


def test_steps_that_follow_from_each_input_read_no_batch():
    variant = Quantize(method="ptq")
    work = work_of(variant)
    probe = Batches(work.rest, [])
    variant.phases(PLAN)[-1].enter(work, probe)
    assert probe.read == 0


def test_inputs_are_observed_without_dropout():
    spec = GPTSpec(depth=1, width=8, heads=2, hidden=6, dropout=0.5)
    work = work_of(Quantize(method="ptq"), spec, TEXT)
    tokens = jnp.arange(12).reshape(2, 6) % 11
    rules = {"block_0/attention/query": Calibrated(8, "absmax")}
    first = observe(work, Batches(work.rest, [tokens] * 2), rules, 2)
    (steps,) = first.values()
    assert steps.shape == (2,)
    assert steps[0] == steps[1] > 0


def test_learned_steps_start_from_the_weights_and_inputs_as_they_are():
    """2 mean|v| / sqrt(Qp), after whatever else the first phase begins with."""
    variant = Quantize(method="lsq", bits=3, batches=1)
    called = []

    def earlier(work, probe):
        called.append(probe)
        return dataclasses.replace(work, params=jax.tree.map(lambda x: 2 * x, work.params))

    plan = variant.phases((Phase("dense", 4, earlier), Phase("finetune", 4)))
    assert [phase.steps for phase in plan] == [4, 4]
    work = work_of(variant)
    after = plan[0].enter(work, Batches(work.rest, images(1.0)))
    assert len(called) == 1
    params, before = flatten(after.params), flatten(work.params)
    kernel = 2 * np.asarray(before["head/kernel"])
    expected = 2 * np.abs(kernel).mean(0) / np.sqrt(3)
    np.testing.assert_allclose(params["head/slots/kernel_step"], expected, rtol=1e-5)
    mean = 1.5 / (4 * 64)
    expected = 2 * mean / np.sqrt(127)
    assert params["hidden_0/slots/input_step"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    "other",
    [
        Prune(sparsity=0.75, schedule="static", criterion="snip", scope="global"),
        Dynamic(sparsity=0.75),
    ],
    ids=["snip", "dynamic"],
)
def test_learned_steps_start_from_the_weights_that_a_mask_leaves(other):
    """Whatever the order of the two, and what reads the loss reads it with steps already."""
    config = dataclasses.replace(tiny.DIGITS, variants=(Quantize(method="lsq", bits=3), other))
    built = build(config, load("digits"), Path("nowhere"))
    standing = Standing.begin(built)
    standing.move(0)
    standing.enter(built.plan[0], standing.probe(Clock()))
    params = flatten(standing.state.params)
    kernel = np.abs(np.asarray(params["hidden_0/kernel"]))
    present = np.maximum((kernel > 0).sum(0), 1)
    assert present.sum() < 0.5 * kernel.size
    expected = np.where(kernel.any(0), 2 * kernel.sum(0) / present / np.sqrt(3), 2 / np.sqrt(3))
    np.testing.assert_allclose(params["hidden_0/slots/kernel_step"], expected, rtol=1e-5)


def test_steps_that_a_start_has_learned_are_kept():
    variant = Quantize(method="lsq", bits=3, batches=1)
    work = work_of(variant)
    learned = {"head/slots/kernel_step": jnp.full(10, 0.25), "head/slots/input_step": 0.5}
    work = dataclasses.replace(work, params=nest(flatten(work.params) | learned))
    (phase,) = variant.phases((Phase("train", 0),))
    after = flatten(phase.enter(work, Batches(work.rest, images(1.0))).params)
    for name, step in learned.items():
        np.testing.assert_array_equal(after[name], step)
    assert (after["hidden_0/slots/kernel_step"] != 1).all()  # it had none


def test_training_before_a_conversion_is_the_baselines(trained):
    baseline = trained(tiny.DIGITS)
    variant = Quantize(method="ptq", bits=3, static=True)
    record = trained(dataclasses.replace(tiny.DIGITS, variants=(variant,)))
    assert record.params_digest == baseline.params_digest
    assert [p.validation for p in record.points] == [p.validation for p in baseline.points]
    assert record.scores["test"] != baseline.scores["test"]
    assert record.cost.flops_scoring > 0
    _shipped_as_evaluated(record, trained.out, 3)


def test_a_run_of_its_own_converts_another(trained):
    baseline = trained(tiny.DIGITS)
    variant = Quantize(method="ptq", bits=3, static=True)
    within = trained(dataclasses.replace(tiny.DIGITS, variants=(variant,)))
    alone = trained(
        dataclasses.replace(
            tiny.DIGITS, variants=(variant,), start=baseline.run_id, train_for="0 steps"
        )
    )
    assert alone.params_digest == baseline.params_digest
    assert alone.scores["test"].loss == pytest.approx(within.scores["test"].loss, rel=1e-6)


def test_learned_steps_are_trained_and_shipped(trained):
    variant = Quantize(method="lsq", bits=2)
    record = trained(dataclasses.replace(tiny.DIGITS, variants=(variant,)))
    assert record.points[-1].validation.loss < record.points[0].validation.loss
    _shipped_as_evaluated(record, trained.out, 2)


def _shipped_as_evaluated(record, out, bits):
    weights = load_arrays(out / record.run_id / "weights.safetensors")
    names = {name.rpartition("/")[2] for name in weights if "/slots/" in name}
    assert names == {"kernel_step", "input_step"}
    packed, _ = read(out / record.run_id / "artefact")
    kernels = [a for name, a in packed.arrays.items() if name.endswith("/kernel")]
    assert {int(np.abs(kernel).max()) for kernel in kernels} == {2 ** (bits - 1) - 1}
    assert record.evidence["integer_arrays"] == len(kernels) == 2
    assert record.scores["artefact"].loss == pytest.approx(record.scores["test"].loss, rel=1e-4)
