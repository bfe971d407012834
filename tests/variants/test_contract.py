"""What every variant must keep, on an image perceptron and on a language model."""

from __future__ import annotations

import dataclasses
import functools
import json

import jax
import numpy as np
import optax
import pytest
import tiny
from flax import nnx
from penalty import Confidence

from efficient.config import from_json, to_json
from efficient.data import load
from efficient.deploy import read
from efficient.ledger.codec import from_dict, to_dict
from efficient.ledger.record import Record
from efficient.models.layers import weighted_layers
from efficient.models.signature import Signature
from efficient.run import train
from efficient.run.build import build
from efficient.train.checkpoint import digest
from efficient.train.step import train_step
from efficient.variants import Distill, Phase, VariantError, Work, compose
from efficient.variants.compose import cross_entropy
from efficient.variants.variant import weight_table

MODELS = {"digits": tiny.DIGITS, "text": tiny.TEXT}
FAMILIES = {
    "prune": tiny.PRUNE,
    "quantize": tiny.QUANTIZE,
    "precision": tiny.PRECISION,
    "distill": Distill(teacher="baseline"),
}
SETTINGS = {"global": tiny.GLOBAL, "one_shot": tiny.ONE_SHOT}
#: Compiled for a GPT in the slow suite only.
LATER = ("text-precision", "text-distill")
CASES = {
    f"{model}-{name}": (config, variant)
    for model, config in MODELS.items()
    for name, variant in (FAMILIES | (SETTINGS if model == "digits" else {})).items()
}
both_models = pytest.mark.parametrize("config", MODELS.values(), ids=MODELS)
every_case = pytest.mark.parametrize(
    "config, variant",
    [
        pytest.param(*case, id=name, marks=[pytest.mark.slow] * (name in LATER))
        for name, case in CASES.items()
    ],
)


@pytest.fixture(scope="module")
def run(trained):
    """`run(config, *variants)`; the teacher of a distillation is the config's baseline."""

    def start(config, *variants):
        made = [
            dataclasses.replace(v, teacher=trained(config).run_id)
            if isinstance(v, Distill) and v.mix
            else v
            for v in variants
        ]
        return trained(dataclasses.replace(config, variants=tuple(made)))

    return start


@functools.cache
def dataset(config):
    return load(config.workload.data)


def model_of(config):
    data = dataset(config)
    signature = Signature(*config.workload.signature(data), data.kind)
    return config.model.build(signature, nnx.Rngs(0))


def shipped(record, trained):
    """The arrays that an artefact holds, unpacked."""
    return read(trained.out / record.run_id / "artefact")[0].arrays


@both_models
@pytest.mark.parametrize("variant", tiny.NEUTRAL, ids=lambda v: type(v).__name__)
def test_a_neutral_setting_is_the_baseline_bit_for_bit(config, variant, run):
    model, tx, base = model_of(config), optax.sgd(0.1), cross_entropy(0.0)
    plan = (Phase("train", tiny.STEPS),)
    assert variant.rewrite(model) is model
    assert variant.extend(tx, weight_table(model), plan) is tx
    assert variant.objective(base, None) == (base, {})
    assert variant.phases(plan) is plan
    assert all(layer.storage.bits == 32 for layer in weighted_layers(model).values())
    neutral, baseline = run(config, variant), run(config)
    assert neutral.params_digest == baseline.params_digest
    assert neutral.scores == baseline.scores
    assert neutral.request != baseline.request


@every_case
def test_a_variant_trains_and_proves_itself(config, variant, run):
    record, baseline = run(config, variant), run(config)
    assert record.status == "finished"
    assert record.params_digest != baseline.params_digest
    assert record.points[-1].validation.loss < record.points[0].validation.loss
    assert abs(record.scores["artefact"].loss - record.scores["test"].loss) < 0.02
    assert from_dict(Record, json.loads(json.dumps(to_dict(record), allow_nan=False))) == record
    assert from_json(json.loads(json.dumps(record.config))).variants[0] == dataclasses.replace(
        variant, **({"teacher": baseline.run_id} if isinstance(variant, Distill) else {})
    )


@every_case
def test_the_state_is_a_fixed_point_of_the_step(config, variant, run, trained):
    """Same structure, shapes and types after a step, so one executable serves all of them."""
    record = run(config, variant)
    built = build(from_json(record.config), dataset(config), trained.out)
    state = jax.eval_shape(built.initial)
    batch = jax.eval_shape(
        config.workload.window, built.data, jax.ShapeDtypeStruct((config.batch_size,), "int32")
    )
    step = functools.partial(train_step, built.program)
    after, _ = jax.eval_shape(step, state, batch, built.frozen)
    assert jax.tree.structure(after) == jax.tree.structure(state)
    for old, new in zip(jax.tree.leaves(state), jax.tree.leaves(after), strict=True):
        assert (new.shape, new.dtype, new.weak_type) == (old.shape, old.dtype, old.weak_type)


@every_case
def test_the_same_seed_gives_the_same_bits(config, variant, run, trained):
    """Once more by hand, through the seams alone."""
    record = run(config, variant)
    again = build(from_json(record.config), dataset(config), trained.out)
    loop, state = again.loop(), again.initial()
    for index, phase in enumerate(again.plan):
        if phase.enter:
            work = Work(
                again.spec, again.signature, *state[2:], data=again.data, frozen=again.frozen
            )
            work = phase.enter(work, None)
            state = state._replace(params=work.params, opt_state=work.opt_state)
        begun = sum(p.steps for p in again.plan[:index])
        loop.prepare(state, phase.steps)
        for _ in loop.run(begun, begun + phase.steps):
            pass
        state = loop.state
    assert digest(jax.device_get(state.params)) == record.params_digest


@pytest.mark.parametrize(
    "config, variant",
    [
        (tiny.TEXT, tiny.PRUNE),
        (tiny.DIGITS, tiny.PRUNE),
        (tiny.DIGITS, tiny.GLOBAL),
        (tiny.DIGITS, tiny.ONE_SHOT),
    ],
    ids=["text", "uniform", "global", "one_shot"],
)
def test_pruned_weights_are_exactly_as_many_as_asked(config, variant, run, trained):
    record = run(config, variant)
    arrays = shipped(record, trained)
    kernels = {
        w.kernel: arrays[w.kernel]
        for w in weight_table(model_of(config))
        if w.kind in ("linear", "convolution")
    }
    nonzero = {name: int(np.count_nonzero(kernel)) for name, kernel in kernels.items()}
    if variant.scope == "uniform":
        asked = {n: round((1 - variant.sparsity) * k.size) for n, k in kernels.items()}
        assert nonzero == asked
    total = sum(kernel.size for kernel in kernels.values())
    evidence = record.evidence
    assert evidence["weights_prunable"] == total
    assert evidence["weights_asked"] == evidence["weights_kept"] == sum(nonzero.values())
    if variant.scope == "global":
        assert evidence["weights_kept"] == round((1 - variant.sparsity) * total)
    assert evidence["weights_removed_nonzero"] == 0


@pytest.mark.parametrize(
    "config, bits", [(tiny.TEXT, 8), (tiny.DIGITS, 8), (tiny.DIGITS, 4), (tiny.DIGITS, 2)]
)
def test_shipped_integers_stay_within_their_bits(config, bits, run, trained):
    variant = dataclasses.replace(tiny.QUANTIZE, bits=bits)
    record = run(config, variant)
    arrays = shipped(record, trained)
    kernels = [a for name, a in arrays.items() if a.dtype == np.int8]
    assert len(kernels) == len(weight_table(model_of(config))) == record.evidence["integer_arrays"]
    top = 2 ** (bits - 1) - 1
    assert {int(np.abs(kernel).max()) for kernel in kernels} == {top}
    assert abs(record.scores["artefact"].loss - record.scores["test"].loss) < 0.02


def test_order_inside_the_tuple_has_no_meaning(run):
    first = run(tiny.DIGITS, tiny.PRUNE, tiny.QUANTIZE)
    second = run(tiny.DIGITS, tiny.QUANTIZE, tiny.PRUNE)
    assert first.params_digest == second.params_digest
    assert first.scores == second.scores


def test_all_families_together(run):
    record = run(tiny.DIGITS, Distill(), tiny.PRUNE, tiny.QUANTIZE, tiny.PRECISION)
    assert record.status == "finished"
    assert record.evidence["weights_removed_nonzero"] == 0
    assert record.evidence["weights_asked"] == record.evidence["weights_kept"]
    assert record.evidence["integer_arrays"] > 0
    assert record.evidence["reference_divergence"] > 0
    assert record.cost.flops_teacher > 0
    assert record.cost.flops_effective < record.cost.flops_model
    assert abs(record.scores["artefact"].loss - record.scores["test"].loss) < 0.05


def test_a_technique_twice_is_refused():
    with pytest.raises(VariantError, match="prune stands twice"):
        compose((tiny.PRUNE, tiny.GLOBAL), model_of(tiny.DIGITS), 0.0, None)


def test_two_objectives_read_their_own_arrays(run, trained):
    """Whichever wraps the other, the teacher and the amount are both found."""
    teacher = trained(tiny.DIGITS).run_id
    mild, strong = (run(tiny.DIGITS, Confidence(a), Distill(teacher=teacher)) for a in (0.0, 0.5))
    alone = run(tiny.DIGITS, Distill(teacher=teacher)).scores["validation"].loss
    assert mild.scores["validation"].loss == pytest.approx(alone, rel=1e-4)
    assert strong.scores["validation"].loss != pytest.approx(alone, rel=1e-2)
    assert mild.cost.flops_teacher == strong.cost.flops_teacher > 0


@pytest.mark.parametrize(
    "settings",
    [
        dict(bits=0),
        dict(bits=1),
        dict(bits=9),
        dict(activations=16),
        dict(bits=32, activations=8),
    ],
)
def test_bits_out_of_range_are_refused(settings):
    with pytest.raises(VariantError, match="quantize"):
        dataclasses.replace(tiny.QUANTIZE, **settings)


@pytest.mark.parametrize("settings", [dict(temperature=0), dict(mix=1.5), dict(mix=-0.1)])
def test_distillation_out_of_range_is_refused(settings):
    with pytest.raises(VariantError, match="distill"):
        Distill(**settings)


def test_a_precision_that_nobody_has_is_refused():
    with pytest.raises(VariantError, match="float16"):
        dataclasses.replace(tiny.PRECISION, dtype="float16")


@pytest.mark.parametrize("variant", [tiny.QUANTIZE, tiny.PRECISION], ids=["quantize", "precision"])
def test_a_rewrite_that_matches_nothing_is_refused(variant):
    with pytest.raises(VariantError, match="matches no layer"):
        dataclasses.replace(variant, weights="nowhere*").rewrite(model_of(tiny.DIGITS))


def test_a_users_own_variant_by_module_and_attribute(tmp_path, monkeypatch, trained):
    (tmp_path / "my_method.py").write_text(
        "from dataclasses import dataclass\n"
        "from efficient.variants import Variant\n"
        "@dataclass(frozen=True)\n"
        "class Louder(Variant):\n"
        "    factor: float = 3.0\n"
        "    def objective(self, base, load):\n"
        "        return lambda o, b, f: self.factor * base(o, b, f), {}\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    plain = to_json(tiny.DIGITS) | {"variants": [{"type": "my_method:Louder", "factor": 2.0}]}
    config = from_json(plain)
    assert to_json(config)["variants"] == plain["variants"]
    record = train(config, tmp_path / "runs")
    assert record.variants == ("my_method:Louder",)
    assert record.arm == "my_method:Louder"
    assert record.params_digest != trained(tiny.DIGITS).params_digest
    assert from_json(record.config) == config
