"""One device and four count the same: the whole program, not one device's share."""

import json
import os
import subprocess
import sys

import pytest

SCRIPT = """
import json

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec as P

from efficient.cost.flops import count, flops

devices = len(jax.devices())
mesh = jax.make_mesh((devices,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
rows, whole = NamedSharding(mesh, P("data")), NamedSharding(mesh, P())


def loss(weights, images):
    first, kernel, last = weights
    images = jax.lax.conv_general_dilated(
        images, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    hidden = jnp.tanh(images.reshape(images.shape[0], -1) @ first)
    hidden, _ = jax.lax.scan(lambda h, _: (jnp.tanh(h @ last), None), hidden, None, length=3)
    return (hidden @ last).sum()


gradient = jax.value_and_grad(loss)
shapes = (48, 5), (3, 3, 1, 3), (5, 5)
weights = tuple(np.ones(shape, np.float32) for shape in shapes)
images = np.ones((8, 4, 4, 1), np.float32)


def average(weights, images):
    value, gradients = gradient(weights, images)
    return jax.lax.psum(value, "data"), jax.tree.map(lambda g: jax.lax.psum(g, "data"), gradients)


programs = {
    "plain": gradient,
    "jit": jax.jit(gradient, in_shardings=(whole, rows), out_shardings=whole),
    "constraint": lambda w, x: gradient(w, jax.lax.with_sharding_constraint(x, rows)),
    "shard_map": jax.shard_map(
        average, mesh=mesh, in_specs=(P(), P("data")), out_specs=P(), check_vma=False
    ),
}
placed = jax.device_put(weights, whole), jax.device_put(images, rows)
counts = {name: flops(program, *placed) for name, program in programs.items()}
exact = {
    name: count(jax.make_jaxpr(program)(*placed)).total for name, program in programs.items()
}
found = {name: [c.total, exact[name], c.by_phase] for name, c in counts.items()}
print(json.dumps({"devices": devices, "found": found}))
"""


@pytest.fixture(scope="module")
def counted():
    """What the script counts on one CPU device and on four simulated ones."""

    def count(devices):
        environment = os.environ | {"JAX_NUM_CPU_DEVICES": str(devices), "JAX_PLATFORMS": "cpu"}
        command = [sys.executable, "-W", "error", "-c", SCRIPT]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    return {devices: count(devices) for devices in (1, 4)}


def test_the_devices_are_there(counted):
    assert [counted[devices]["devices"] for devices in (1, 4)] == [1, 4]


@pytest.mark.parametrize("name", ["plain", "jit", "constraint", "shard_map"])
def test_four_devices_count_what_one_counts(counted, name):
    one, four = counted[1]["found"], counted[4]["found"]
    assert four[name] == one[name] == one["plain"]
    padded, exact, phases = four[name]
    assert sum(phases.values()) == padded > exact
