"""Configs: what they refuse, how they travel as JSON, and what makes a request another one."""

from __future__ import annotations

import dataclasses
import json
import math

import pytest
import tiny

from efficient.config import (
    TABLES,
    Config,
    ConfigError,
    Duration,
    digest,
    find_type,
    from_json,
    load_preset,
    nearest,
    presets,
    to_json,
    type_name,
)
from efficient.models.mlp import MLPSpec
from efficient.train.optimizer import Optimizer, Schedule
from efficient.variants import VARIANTS, Distill, Prune, Quantize

FULL = dataclasses.replace(
    tiny.DIGITS, variants=(Prune(sparsity=0.5), Quantize(bits=4), Distill(teacher="x"))
)


@pytest.mark.parametrize("name", presets())
def test_every_preset_loads_and_travels_as_json(name):
    config = load_preset(name)
    assert config.preset == name
    plain = json.loads(json.dumps(to_json(config), allow_nan=False))
    assert from_json(plain) == config
    assert to_json(from_json(plain)) == plain


def test_the_presets_of_the_first_release_are_there():
    assert {
        "digits_mlp",
        "mnist_mlp",
        "mnist_cnn",
        "cifar10_resnet",
        "cifar10_vit",
        "pystdlib_gpt",
        "shakespeare_gpt",
    } <= set(presets())


def test_variants_travel_with_their_settings():
    assert from_json(json.loads(json.dumps(to_json(FULL)))) == FULL


@pytest.mark.parametrize(
    "change, words",
    [
        (dict(batch_size=0), "batch_size 0"),
        (dict(accumulate=0), "accumulate 0"),
        (dict(accumulate=5), "accumulate 5 does not divide"),
        (dict(evaluations=0), "evaluations 0"),
        (dict(eval_batch_size=-1), "eval_batch_size -1"),
        (dict(label_smoothing=1.0), "label_smoothing 1.0"),
        (dict(select="newest"), "select 'newest'"),
        (dict(seed=-1), "seed -1"),
        (dict(seed=2**32), "seed 4294967296"),
        (dict(chunk_steps=-1), "negative"),
        (dict(checkpoint_s=-1.0), "negative"),
        (dict(train_for="a while"), "train_for 'a while'"),
    ],
)
def test_values_that_cannot_be_run_are_refused_in_one_line(change, words):
    with pytest.raises(ConfigError, match=words) as caught:
        dataclasses.replace(tiny.DIGITS, **change)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text, count, unit",
    [
        ("20 epochs", 20, "epoch"),
        ("1 epoch", 1, "epoch"),
        ("0.5 epochs", 0.5, "epoch"),
        ("2000 steps", 2000, "step"),
        ("2e3 steps", 2000, "step"),
        (" 3e15 FLOP ", 3e15, "FLOP"),
        ("3E+15 FLOPs", 3e15, "FLOP"),
    ],
)
def test_durations(text, count, unit):
    assert Duration.parse(text) == Duration(count, unit)


@pytest.mark.parametrize(
    "text", ["", "20", "epochs", "-3 steps", "0 epochs", "1e999 FLOP", "1.2.3 steps", "3 flop"]
)
def test_durations_that_nobody_understands(text):
    with pytest.raises(ConfigError, match="train_for"):
        Duration.parse(text)


def test_the_label_is_the_arm_or_the_variants():
    assert tiny.DIGITS.label == "baseline"
    assert FULL.label == "prune+quantize+distill"
    assert dataclasses.replace(FULL, arm="mine").label == "mine"


def _others() -> dict[str, object]:
    """Another value for every field of a config."""
    return dict(
        workload=tiny.TEXT.workload,
        model=MLPSpec(hidden=(17,)),
        optimizer=Optimizer(schedule=Schedule(end=0.5)),
        variants=(Prune(),),
        train_for="25 steps",
        batch_size=33,
        accumulate=2,
        label_smoothing=0.1,
        evaluations=4,
        eval_batch_size=100,
        select="best",
        chunk_steps=9,
        checkpoint_s=1.0,
        seed=1,
        start="x",
        reference="y",
    )


def test_the_request_changes_with_every_field_but_the_labels():
    fields = {field.name for field in dataclasses.fields(Config)}
    assert fields == set(_others()) | {"preset", "arm"}
    request = digest(tiny.DIGITS, "data")
    changed = {
        digest(dataclasses.replace(tiny.DIGITS, **{n: v}), "data") for n, v in _others().items()
    }
    assert len(changed | {request}) == len(_others()) + 1
    assert digest(tiny.DIGITS, "other data") != request
    assert digest(dataclasses.replace(tiny.DIGITS, preset="p", arm="a"), "data") == request
    assert dataclasses.replace(tiny.DIGITS, preset="p", arm="a") == tiny.DIGITS


def test_names_of_types():
    assert type_name(VARIANTS, Prune()) == "prune"
    assert find_type(VARIANTS, "prune") is Prune
    assert type_name({}, Prune()) == "efficient.variants.prune.mask:Prune"
    assert find_type({}, "efficient.variants.prune.mask:Prune") is Prune


@pytest.mark.parametrize(
    "name, words",
    [
        ("prun", "did you mean 'prune'"),
        ("qqqq", "choose one of distill"),
        ("nowhere_at_all:Prune", "nowhere_at_all"),
        ("efficient.variants:Nothing", "Nothing"),
        ("math:pi", "math:pi"),
        (":Prune", ":Prune"),
        (".relative:Prune", "relative"),
    ],
)
def test_types_that_do_not_exist(name, words):
    with pytest.raises(ConfigError, match=words) as caught:
        find_type(VARIANTS, name)
    assert "\n" not in str(caught.value)


def test_a_users_module_that_is_broken_is_named(tmp_path, monkeypatch):
    (tmp_path / "half_written.py").write_text("def")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match="half_written"):
        find_type(VARIANTS, "half_written:Method")


def _damaged(**changes):
    plain = to_json(FULL) | changes
    return {name: value for name, value in plain.items() if value is not math.inf}


@pytest.mark.parametrize(
    "plain, words",
    [
        ([], "must be a JSON object"),
        (_damaged(workload=math.inf), "lacks 'workload'"),
        (_damaged(model=3), "config.model must be an object"),
        (_damaged(model={"hidden": [3]}), "config.model must be an object with a type"),
        (_damaged(model={"type": "mpl", "hidden": [3]}), "did you mean 'mlp'"),
        (_damaged(model={"type": "mlp", "width": 3}), "config.model: unknown field 'width'"),
        (_damaged(model={"type": "mlp", "hidden": ["x"]}), r"config.model.hidden\[0\]"),
        (_damaged(variants=[{"type": "prune", "sparsity": "high"}]), r"variants\[0\].sparsity"),
        (_damaged(variants=[{"type": "prune", "sparsity": 1.5}]), "sparsity 1.5"),
        (_damaged(variants=None), "variants"),
        (_damaged(variants={"type": "prune"}), "variants"),
        (_damaged(batch_size="many"), "config.batch_size: expected int"),
        (_damaged(epochs=3), "unknown field 'epochs'"),
    ],
)
def test_damaged_json_is_refused_in_one_line(plain, words):
    with pytest.raises(ValueError, match=words) as caught:
        from_json(plain)
    assert "\n" not in str(caught.value)


def test_presets_by_path_and_their_errors(tmp_path):
    good = tmp_path / "mine.py"
    good.write_text("from tiny import DIGITS as config\n")
    assert load_preset(str(good)) == tiny.DIGITS
    assert load_preset(str(good)).preset == "mine"
    for text, words in (
        ("config = 3", "defines no `config`"),
        ("import nowhere_at_all", "cannot be read"),
        ("def", "cannot be read"),
        ("config.x = 3", "cannot be read"),
    ):
        (tmp_path / "bad.py").write_text(text)
        with pytest.raises(ConfigError, match=words):
            load_preset(str(tmp_path / "bad.py"))
    with pytest.raises(ConfigError, match="did you mean 'digits_mlp'"):
        load_preset("digit_mlp")


def test_nearest_lists_all_when_nothing_is_near():
    assert nearest("zzzz", {"b": 1, "a": 2}) == "choose one of a, b"
    assert set(TABLES) == {"workload", "model", "variants"}
