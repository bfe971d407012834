"""Which values meet memory: the rules of fusion, one by one."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from efficient.predict.graph import graph
from efficient.predict.kernel import Kernel, kernels


def kernels_of(function, *shapes: tuple[int, ...]) -> list[Kernel]:
    arguments = [jax.ShapeDtypeStruct(shape, "float32") for shape in shapes]
    return kernels(graph(jax.make_jaxpr(function)(*arguments), "cpu"))


def names(found: list[Kernel]) -> list[str]:
    return [kernel.node.name for kernel in found]


def test_a_cheap_value_is_computed_again_by_each_that_needs_it():
    found = kernels_of(lambda x: (x * 3 + 1, x * 3 - 1), (8, 8))
    assert names(found) == ["add", "sub"]
    assert [kernel.operations for kernel in found] == [128, 128]


def test_an_expensive_value_with_two_users_is_computed_once():
    def both(x):
        y = jnp.tanh(x)
        return y + 1, y - 1

    assert names(kernels_of(both, (8, 8))) == ["tanh", "add", "sub"]
    assert names(kernels_of(lambda x: jnp.tanh(x) + 1, (8, 8))) == ["add"]


def test_a_stored_value_of_one_operand_is_computed_again_and_of_two_is_read():
    def unary(x, w):
        y = jnp.maximum(x, 0)
        return y @ w, y + 1

    def binary(x, w):
        y = x * w
        return y @ w, y + 1

    read = {kernel.node.name: kernel.reads for kernel in kernels_of(unary, (8, 8), (8, 8))}
    assert [r.node.name for r in read["add"]] == ["input"]
    read = {kernel.node.name: kernel.reads for kernel in kernels_of(binary, (8, 8), (8, 8))}
    assert [r.node.name for r in read["add"]] == ["mul"]


def test_a_contraction_reads_matrices_and_writes_one():
    (found,) = kernels_of(lambda x, w: x.reshape(8, 16) @ w.T, (2, 4, 16), (32, 16))
    assert [read.node.name for read in found.reads] == ["input", "input"]
    assert found.written == 4 * 8 * 32


def test_a_reduction_multiplies_on_the_way_and_nothing_else():
    assert names(kernels_of(lambda x, y: (x * y).sum(), (8, 8), (8, 8))) == ["reduce_sum"]
    assert names(kernels_of(lambda x, y: (x - y).sum(), (8, 8), (8, 8))) == ["sub", "reduce_sum"]


@pytest.mark.parametrize(
    ("order", "apart"),
    [((0, 1, 2), ""), ((1, 0, 2), ""), ((2, 0, 1), "matrix"), ((2, 1, 0), "images")],
)
def test_how_a_transposition_takes_an_array_apart(order, apart):
    (found,) = kernels_of(lambda x: jnp.transpose(x * 2, order), (4, 8, 16))
    assert [read.apart for read in found.reads] == [apart]


def test_a_value_behind_a_reshape_is_followed_to_its_own_axes():
    def turned(x):
        return jnp.transpose((x + 1).reshape(32, 16))

    (found,) = kernels_of(turned, (4, 8, 16))
    assert [read.apart for read in found.reads] == ["matrix"]


def test_what_is_the_same_for_all_neighbours_is_not_apart():
    (found,) = kernels_of(lambda x, b: (x + b[:, None]).T * 1.5, (8, 16), (8,))
    assert {read.node.shape: read.apart for read in found.reads} == {(8, 16): "matrix", (8,): ""}


def test_a_slice_reads_what_it_takes():
    (found,) = kernels_of(lambda x: lax.slice(x, (0,), (4,)) + 1, (1000,))
    assert [read.bytes for read in found.reads] == [16]


def test_a_gather_reads_what_it_gives():
    found = kernels_of(lambda x: x[jnp.array([1, 2, 3])] * 2, (1000, 8))
    gather = next(kernel for kernel in found if kernel.node.name == "gather")
    assert gather.reads[0].bytes == 3 * 8 * 4


def test_values_come_before_what_needs_them():
    def step(x, w):
        return jax.grad(lambda v: jnp.tanh(jnp.tanh(x @ v) @ v).sum())(w)

    found = kernels_of(step, (8, 8), (8, 8))
    done = set()
    for kernel in found:
        needed = {read.node for read in kernel.reads if read.node.name != "input"}
        assert needed <= done
        done.add(kernel.node)
