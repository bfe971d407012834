"""The longest of three times names the bound; what is not known is said, and never guessed."""

from __future__ import annotations

import inspect

import jax
import jax.numpy as jnp
import pytest

from efficient.cost.roofline import Bound, dispatch_floor, verdict

KNOWN = {
    "flops": 1e12,
    "bytes_moved": 1e10,
    "train_s": 100.0,
    "dispatch_s": 1.0,
    "flops_per_s": 1e11,
    "bytes_per_s": 1e10,
}


def test_fractions_are_of_the_time_of_training():
    found = verdict(**KNOWN)
    assert found.fractions == {"compute": 0.1, "memory": 0.01, "host": 0.01}
    assert found.name == "compute" and "10%" in found.reason


@pytest.mark.parametrize(
    ("change", "name"),
    [({}, "compute"), ({"bytes_moved": 5e11}, "memory"), ({"dispatch_s": 60.0}, "host")],
)
def test_the_longest_of_the_three_binds(change, name):
    assert verdict(**KNOWN | change).name == name


@pytest.mark.parametrize("name", sorted(set(KNOWN) - {"train_s"}))
def test_without_one_of_the_three_lines_there_is_no_verdict(name):
    found = verdict(**KNOWN | {name: None})
    assert found == Bound(None, {}, found.reason) and found.reason.startswith("not known: ")


def test_no_training_has_no_verdict():
    found = verdict(**KNOWN | {"train_s": 0.0})
    assert found.name is None and "time of training" in found.reason


def test_every_argument_is_covered_above():
    assert set(inspect.signature(verdict).parameters) == set(KNOWN)


def test_dispatch_floor_leaves_the_state_alone():
    state = {
        "weights": jnp.arange(4.0),
        "step": jnp.int32(3),
        "key": jax.random.key_data(jax.random.key(0)),
    }
    assert dispatch_floor(state) > 0
    assert not any(leaf.is_deleted() for leaf in jax.tree.leaves(state))
    assert state["weights"].tolist() == [0, 1, 2, 3]


def test_dispatch_floor_needs_shapes_only():
    assert dispatch_floor([jax.ShapeDtypeStruct((10**9, 10**6), "bfloat16")]) > 0
