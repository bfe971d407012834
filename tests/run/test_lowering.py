"""The training chunk of every preset and family lowers for CUDA and TPU, on any machine.

Everything is a shape: no dataset is read, no weight is drawn, nothing is compiled.
"""

from __future__ import annotations

import functools
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from efficient.config import load_preset, presets
from efficient.models.signature import Signature
from efficient.run.build import assemble, begin
from efficient.train.step import chunk
from efficient.variants import (
    Distill,
    Dynamic,
    Outputs,
    Phase,
    Precision,
    Prune,
    Quantize,
    compose,
)

PLATFORMS = ("cuda", "tpu")
SIGNATURES = {
    "digits": Signature((8, 8, 1), 10, "image"),
    "mnist": Signature((28, 28, 1), 10, "image"),
    "cifar10": Signature((32, 32, 3), 10, "image"),
    "pystdlib": Signature((128,), 256, "text"),
    "tiny_shakespeare": Signature((256,), 65, "text"),
}
FAMILIES = {
    "baseline": (),
    "prune": (Prune(),),
    "dynamic": (Dynamic(),),
    "quantize": (Quantize(),),
    "lsq": (Quantize(method="lsq"),),
    "precision": (Precision(),),
    "int8": (Precision("int8"),),
    "distill": (Distill(teacher="itself"),),
}


#: The network of another preset at other sizes.
SAME_AGAIN = ("pystdlib_gpt", "shakespeare_gpt", "shakespeare_gpt_gpu")
PRESETS = [
    pytest.param(name, marks=pytest.mark.slow) if name in SAME_AGAIN else name for name in presets()
]


@functools.cache
def network(preset: str):
    """Model and shapes of the training data."""
    config = load_preset(preset)
    signature = SIGNATURES[config.workload.data]
    examples = 2 * config.batch_size
    if signature.kind == "image":
        inputs = np.zeros((examples, *signature.input_shape), np.uint8)
        split = {"inputs": inputs, "targets": np.zeros(examples, np.int32)}
    else:
        signature = Signature((config.workload.context,), signature.classes, "text")
        split = {"tokens": np.zeros(examples * config.workload.context + 1, np.uint8)}
    data = config.workload.arrays(SimpleNamespace(splits={"train": split}), "train")
    build = functools.partial(config.model.build, signature)
    model = nnx.eval_shape(lambda: build(nnx.Rngs(0)))
    return config, model, jax.tree.map(shape_of, data)


def shape_of(array):
    return jax.ShapeDtypeStruct(array.shape, array.dtype)


def lower(preset: str, family: str):
    config, model, data = network(preset)

    class Itself:
        """The very network as a teacher."""

        def tapped(self, run, layers):
            made = compose((), nnx.clone(model), 0.0, None)
            weights = made.params, made.rest
            return lambda weights, inputs: Outputs(made.predict(*weights, inputs)), weights

    made = compose(FAMILIES[family], nnx.clone(model), config.label_smoothing, Itself())
    program = assemble(config, made, made.plan((Phase("train", 100),)))
    key, number = jax.ShapeDtypeStruct((2,), jnp.uint32), jax.ShapeDtypeStruct((), jnp.int32)
    state = jax.eval_shape(functools.partial(begin, program), key, made.params, made.rest)
    orders = (jax.ShapeDtypeStruct((2 * config.batch_size,), jnp.int32),) * 2
    run = jax.jit(functools.partial(chunk, program, 2, config.batch_size), donate_argnums=0)
    traced = run.trace(state, data, orders, number, made.frozen)
    return traced.lower(lowering_platforms=PLATFORMS)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("preset", PRESETS)
def test_the_chunk_lowers_for_accelerators(preset, family):
    state, metrics = lower(preset, family).out_info
    assert metrics.loss.shape == (2,)
    assert state.step.dtype == jnp.int32


def test_what_an_accelerator_lacks_would_be_seen():
    traced = jax.jit(jnp.linalg.eig).trace(jax.ShapeDtypeStruct((2, 2), jnp.float32))
    with pytest.raises(NotImplementedError):
        traced.lower(lowering_platforms=("tpu",))
