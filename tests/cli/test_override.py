"""Typed words: what a config prints as its fields can be read back."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from efficient.cli.override import convert, fields, option, override, variant
from efficient.cli.selection import _words
from efficient.config import Config, ConfigError, load_preset, presets
from efficient.models.vgg import VGGSpec
from efficient.train.optimizer import Optimizer, Schedule
from efficient.variants import Distill, Prune, Quantize
from efficient.workloads import ImageClassification

FLOATS = st.floats(0, 0.9, allow_nan=False)
SIZES = st.lists(st.integers(1, 999), min_size=1, max_size=4).map(tuple)
CONFIGS = st.builds(
    Config,
    workload=st.builds(
        ImageClassification, data=st.just("digits"), crop=st.integers(0, 4), flip=st.booleans()
    ),
    model=st.builds(
        VGGSpec, widths=st.lists(SIZES, min_size=1, max_size=3).map(tuple), hidden=SIZES
    ),
    optimizer=st.builds(
        Optimizer,
        name=st.sampled_from(["sgd", "adam"]),
        lr=FLOATS,
        schedule=st.builds(Schedule, name=st.just("step"), warmup=FLOATS),
        nesterov=st.booleans(),
    ),
    batch_size=st.integers(1, 4096),
    label_smoothing=FLOATS,
    seed=st.integers(0, 2**32 - 1),
)


def words(config):
    """The command line that gives every field of a config."""
    return [w for path, v in fields(config) for w in (option(path), *_words(v).split())]


@given(CONFIGS)
def test_every_field_reads_back(config):
    assert override(load_preset("digits_mlp"), words(config)) == config


@pytest.mark.parametrize("name", sorted(presets()))
def test_every_preset_reads_back(name):
    config = load_preset(name)
    assert override(config, words(config)) == config


def test_both_spellings_and_equals():
    made = override(load_preset("digits_mlp"), ["--train_for=3 steps", "--batch-size=7"])
    assert (made.train_for, made.batch_size) == ("3 steps", 7)
    made = override(load_preset("digits_mlp"), ["--train-for", "3", "steps"])
    assert made.train_for == "3 steps"


def test_another_model_keeps_none_of_the_old_ones_fields():
    made = override(load_preset("digits_mlp"), ["--model", "vgg", "--model.hidden", "9"])
    assert made.model == VGGSpec(hidden=(9,))
    with pytest.raises(ConfigError, match="has no field 'depth'"):
        override(load_preset("digits_mlp"), ["--model", "vgg", "--model.depth", "9"])


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("prune", Prune()),
        ("prune:sparsity=0.5,scope=global", Prune(0.5, "global")),
        ("prune:weights=block_*/mlp/*", Prune(weights="block_*/mlp/*")),
        ("quantize:bits=4", Quantize(bits=4)),
        ("efficient.variants:Quantize:bits=4,activations=8", Quantize(bits=4)),
        ("distill:teacher=digits-baseline-s0-1234-0001", Distill("digits-baseline-s0-1234-0001")),
    ],
)
def test_variant(text, made):
    assert variant(text) == made


@pytest.mark.parametrize(
    ("hint", "texts", "value"),
    [
        (int | None, ["none"], None),
        (int | None, ["3"], 3),
        (tuple[int, int], ["3", "4"], (3, 4)),
        (tuple[tuple[int, ...], ...], ["3,4", "5"], ((3, 4), (5,))),
        (tuple[int, ...], [], ()),
        (bool, ["false"], False),
        (float, ["1e-3"], 1e-3),
    ],
)
def test_convert(hint, texts, value):
    assert convert(hint, texts, "field") == value


@pytest.mark.parametrize(
    ("hint", "texts"),
    [(tuple[int, int], ["3"]), (dict, ["3"]), (bool, ["0"]), (int, ["1", "2"]), (int, ["none"])],
)
def test_convert_refuses(hint, texts):
    with pytest.raises(ConfigError, match="field"):
        convert(hint, texts, "field")


def test_labels_are_no_options():
    paths = {path for path, _ in fields(load_preset("digits_mlp"))}
    assert {f.name for f in dataclasses.fields(Config)} - {p.split(".")[0] for p in paths} == {
        "variants",
        "preset",
        "arm",
    }
