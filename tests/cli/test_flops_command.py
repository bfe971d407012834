"""`efficient flops`: networks by their usual names, configs, and functions of one's own."""

import pytest

from efficient.models.reference import REFERENCES

KEYS = {
    "model",
    "input_shape",
    "batch",
    "inputs",
    "params_total",
    "flops_forward",
    "flops_train",
    "flops_forward_unpadded",
    "flops_train_unpadded",
    "weights_bytes",
    "gradients_bytes",
    "adam_bytes",
    "activation_bytes",
    "by_phase",
    "by_dtype",
    "by_layer",
    "flops_priced",
    "unpriced",
    "unknown",
}

FLOPS = ("flops_forward", "flops_train", "flops_forward_unpadded", "flops_train_unpadded")

PUBLISHED = {  # parameters, then FLOPs in the order above
    "lenet5": (61_706, 833_040, 2_263_920, 833_040, 2_263_920),
    "lenet_300_100": (266_610, 532_400, 1_126_800, 532_400, 1_126_800),
    "resnet20_cifar": (269_722, 81_102_080, 242_421_504, 73_915_008, 220_896_768),
    "resnet20_cifar --shortcut projection": (
        272_474,
        81_626_368,
        243_994_368,
        74_439_296,
        222_469_632,
    ),
    "gpt2": (
        124_439_808,
        291_648_307_200,
        874_944_921_600,
        291_648_307_200,
        874_944_921_600,
    ),
}

MODULE = """
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax

not_callable = 3


def dense(images):
    return images.reshape(images.shape[0], -1) @ jnp.ones((784, 10), images.dtype)


def attention(query, key, value):
    with jax.named_scope("scores"):
        scores = jax.nn.softmax(query @ key.swapaxes(-1, -2))
    return scores @ value


def outer(vector):
    return jnp.outer(vector, vector) @ vector


def solve(matrix):
    return jnp.linalg.cholesky(matrix @ matrix)


def train(weight, inputs):
    return jax.value_and_grad(lambda w: jnp.tanh(inputs @ w).sum())(weight)


class Net(nnx.Module):
    def __init__(self, size, classes):
        self.layer = nnx.Linear(size, classes, rngs=nnx.Rngs(0))

    def __call__(self, images):
        return self.layer(images.reshape(images.shape[0], -1))


@dataclass(frozen=True)
class NetSpec:
    def build(self, signature, rngs):
        height, width, channels = signature.input_shape
        return Net(height * width * channels, signature.classes)


net = Net(12, 5)
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A folder to stand in, with a module of one's own."""
    (tmp_path / "counted_by_me.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("words", PUBLISHED)
def test_networks_have_the_published_counts(command, words):
    found = command("flops", *words.split(), "--json").document
    params, *flops = PUBLISHED[words]
    assert found.keys() == KEYS
    assert (found["params_total"], *(found[key] for key in FLOPS)) == (params, *flops)
    assert found["weights_bytes"] == found["gradients_bytes"] == 4 * params
    assert found["adam_bytes"] == 8 * params
    assert (found["unknown"], found["unpriced"]) == ({}, [])
    for parts in (found["by_phase"], found["by_dtype"]):
        assert sum(parts.values()) == found["flops_train"]
    layers = found["by_layer"].values()
    assert sum(layer["total"] for layer in layers) == found["flops_train"]
    assert sum(layer["forward"] for layer in layers) == found["flops_forward"]


def test_a_batch_multiplies_and_a_shape_replaces(command):
    once = command("flops", "lenet_300_100", "--json").document
    often = command("flops", "lenet_300_100", "--batch", "7", "--json").document
    assert [often[key] for key in FLOPS] == [7 * once[key] for key in FLOPS]
    assert often["params_total"] == once["params_total"]
    assert often["activation_bytes"] > once["activation_bytes"] > 0
    words = ("lenet_300_100", "--input-shape", "8", "8", "1", "--classes", "3")
    small = command("flops", *words, "--json").document
    assert small["flops_forward"] == 2 * (64 * 300 + 300 * 100 + 100 * 3)
    assert (small["input_shape"], small["batch"]) == ([8, 8, 1], 1)


def test_a_config_has_the_same_keys_and_its_run(command):
    found = command("flops", "digits_mlp", "--json").document
    forward = 2 * (64 * 300 + 300 * 100 + 100 * 10)
    step = 64 * (3 * forward - 2 * 64 * 300)  # no gradient of the images
    assert found.keys() > KEYS
    assert (found["flops_forward"], found["flops_train"]) == (forward, step // 64)
    assert found["flops_model_step"] == found["flops_executed_step"] == step
    assert found["flops_model"] == step * found["steps"]
    assert found["flops_teacher"] == found["flops_teacher_step"] == 0
    assert sum(found["executed_by_phase"].values()) == step
    assert sum(layer["total"] for layer in found["by_layer"].values()) == step // 64


def test_overrides_and_a_shape_of_ones_own(command):
    words = ("digits_mlp", "--model.hidden", "10", "--train-for", "3 steps")
    found = command("flops", *words, "--json").document
    assert found["flops_forward"] == 2 * (64 * 10 + 10 * 10)
    assert found["steps"] == 3
    other = command("flops", *words, "--input-shape", "28", "28", "1", "--json").document
    assert other["flops_forward"] == 2 * (784 * 10 + 10 * 10)
    assert "steps" not in other  # the run is of the dataset's own images


def test_a_finished_run_can_be_counted(command, finished):
    out, done = finished
    run = done.document["run_id"]
    found = command("flops", run, "--out", out, "--json").document
    assert found["flops_model"] == done.document["cost"]["flops_model"]


def test_a_function_is_counted_as_it_stands(command, own):
    words = ("flops", "counted_by_me:dense", "--input-shape", "28", "28", "1")
    found = command(*words, "--dtype", "bfloat16", "--json").document
    assert found.keys() == KEYS
    assert found["flops_forward"] == found["flops_forward_unpadded"] == 2 * 784 * 10
    assert found["by_dtype"] == {"bfloat16": 2 * 784 * 10}
    assert found["inputs"] == [{"shape": [1, 28, 28, 1], "dtype": "bfloat16"}]
    for key in ("flops_train", "params_total", "weights_bytes"):
        assert found[key] is None
        assert "efficient.flops(jax.value_and_grad(loss)" in found["unknown"][key]
    batched = command(*words, "--batch", "5", "--json").document
    assert batched["flops_forward"] == 5 * found["flops_forward"]


def test_a_function_may_have_several_inputs(command, own):
    shapes = [word for _ in range(3) for word in ("--input-shape", "4", "8")]
    found = command("flops", "counted_by_me:attention", *shapes, "--json").document
    assert found["flops_forward"] == 2 * 2 * 4 * 4 * 8
    assert found["by_layer"].keys() == {"scores", "outside of layers"}
    assert found["input_shape"] == [[4, 8]] * 3


def test_a_function_without_a_batch_is_traced_as_it_is(command, own):
    found = command("flops", "counted_by_me:outer", "--input-shape", "3", "--json").document
    assert (found["flops_forward"], found["batch"]) == (2 * 3 * 3, None)
    assert found["inputs"] == [{"shape": [3], "dtype": "float32"}]


def test_a_gradient_has_its_phases(command, own):
    shapes = ("--input-shape", "4", "8", "--input-shape", "2", "4")
    found = command("flops", "counted_by_me:train", *shapes, "--json").document
    assert found["by_phase"] == {"forward": 128, "backward": 128, "update": 0}
    assert found["flops_forward"] == 256


@pytest.mark.parametrize(("name", "classes"), [("NetSpec", 10), ("net", 5)])
def test_a_network_of_ones_own_is_trained(command, own, name, classes):
    words = (f"counted_by_me:{name}", "--input-shape", "2", "2", "3")
    found = command("flops", *words, "--json").document
    assert found["params_total"] == 12 * classes + classes
    assert found["flops_forward"] == 2 * 12 * classes
    assert found["flops_train"] == 2 * found["flops_forward"]


def test_what_has_no_price_is_null_with_a_reason(command, own):
    words = ("flops", "counted_by_me:solve", "--input-shape", "4", "4")
    found = command(*words, "--json").document
    assert (found["flops_forward"], found["flops_priced"]) == (None, 2 * 4**3)
    assert found["unpriced"] == ["cholesky"]
    assert found["unknown"]["flops_forward"].startswith("no FLOPs known for cholesky")
    assert "no FLOPs known for cholesky" in command(*words).out


def test_text_has_the_layers_on_demand(command):
    brief = command("flops", "lenet5").out
    full = command("flops", "lenet5", "--by-layer").out
    assert "2,263,920" in brief and "61,706" in brief and "by weights" not in brief
    assert "by weights" in full and full.count("\n") > brief.count("\n") + len("12345")
    run = command("flops", "digits_mlp", "--train-for", "1 step", "--batch-size", "1").out
    assert "1 steps" in run and "executed on cpu" in run and "teacher" in run


MISTAKES = [
    ("", "MODEL is missing"),
    ("resnt50", "model 'resnt50' does not exist; did you mean 'resnet50'?"),
    ("digits_mpl", "did you mean 'digits_mlp'?"),
    ("nosuch.py", "config 'nosuch.py' does not exist"),
    ("lenet5 --input-shape 32 32", "lenet5 does not take inputs 32 x 32"),
    ("lenet5 --input-shape 0 1", "'0' is not a whole number above 0"),
    ("lenet5 --input-shape 8 8 1 --input-shape 8 8 1", "give --input-shape once"),
    ("vit_b16 --input-shape 225 225 3", "use a common divisor"),
    ("resnet20_cifar --shortcut ident", "use 'identity' or 'projection'"),
    ("resnet50 --shortcut identity", "resnet50 has one kind of shortcut"),
    ("digits_mlp --shortcut identity", "digits_mlp has one kind"),
    ("lenet5 --seed 3", "--seed belongs to a config; lenet5 is a network"),
    ("lenet5 --variants quantize", "--variants belongs to a config"),
    ("digits_mlp --modle.hidden 3", "did you mean"),
    ("counted_by_me:dense", "needs --input-shape"),
    ("counted_by_me:dens --input-shape 784", "counted_by_me has no 'dens'; did you mean 'dense'?"),
    ("counted_by_you:dense --input-shape 784", "cannot be loaded"),
    ("counted_by_me:not_callable --input-shape 3", "is no function, network or Spec"),
    ("counted_by_me:dense --input-shape 5", "does not take inputs 5"),
    ("counted_by_me:outer --input-shape 3 3 --batch 2", "does not take inputs 3 x 3"),
    ("counted_by_me:dense --input-shape 784 --dtype float23", "--dtype 'float23' is unknown"),
    ("counted_by_me:dense --input-shape 784 --dtype int8 --dtype int8", "--dtype stands 2 times"),
]


@pytest.mark.parametrize(
    ("words", "text"), MISTAKES, ids=[words or "none" for words, _ in MISTAKES]
)
def test_mistakes_are_one_line(command, own, words, text):
    done = command("flops", *words.split())
    assert (done.code, done.out) == (2, "")
    assert done.err.count("\n") == 1 and done.err.startswith("efficient: error: ")
    assert text in done.err


def test_help_of_a_network(command):
    assert command("flops", "lenet5", "--help").code == 0
    assert "--input-shape" in command("flops", "digits_mlp", "--help").out


@pytest.mark.parametrize("name", ["mobilenet_v2", "bert_base", "wrn16_4"])
def test_other_references_are_known(command, name):
    found = command("flops", name, "--json").document
    assert found["params_total"] > 0 and name in REFERENCES
    assert found["flops_forward"] < found["flops_train"] <= 3 * found["flops_forward"]
