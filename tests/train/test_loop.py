"""The loop: what it computes does not depend on how it is cut, and it fetches once a chunk."""

from __future__ import annotations

import contextlib
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import softmax
from jax import monitoring

from efficient.train.loop import Stretch
from efficient.train.optimizer import Optimizer
from efficient.train.step import epoch_order

STEPS = 24
RULE = Optimizer("sgd", 0.5).build(STEPS)


@pytest.fixture(scope="module")
def whole():
    """The run in one chunk."""
    return softmax.train(softmax.program(RULE), STEPS, STEPS)


@pytest.mark.parametrize("length", [5, 8])
def test_chunks_do_not_change_the_result(whole, length):
    digest, losses, _ = softmax.train(softmax.program(RULE), length, STEPS)
    assert digest == whole[0]
    np.testing.assert_array_equal(losses, whole[1])
    assert losses[-1] < losses[0]


def test_the_seed_changes_the_result_and_nothing_else_does(whole):
    program = softmax.program(RULE)
    assert softmax.train(program, STEPS, STEPS)[0] == whole[0]
    assert softmax.train(program, STEPS, STEPS, seed=1)[0] != whole[0]


def test_every_example_once_an_epoch():
    """Chunks of 5 straddle the epochs of 6 batches; after each epoch all counts are equal."""
    program = softmax.counting(RULE)
    loop = softmax.loop(program, 3)
    loop.prepare(softmax.initial(program), 12)
    seen = {s.step: np.asarray(loop.state.rest["seen"]) for s in loop.run(0, 12)}
    assert (seen[6] == 1).all()
    assert (seen[12] == 2).all()
    assert sorted(set(seen[3].tolist())) == [0, 1]
    assert (softmax.train(program, 5, STEPS)[2].state.rest["seen"] == 4).all()


def test_orders_are_permutations_that_differ_by_epoch_and_seed():
    keys = [jax.random.key_data(jax.random.key(seed)) for seed in (0, 1)]
    orders = [
        tuple(np.asarray(epoch_order(key, jnp.int32(epoch), 100)).tolist())
        for key, epoch in itertools.product(keys, range(3))
    ]
    assert len(set(orders)) == 6
    assert all(sorted(order) == list(range(100)) for order in orders)


@pytest.mark.parametrize("length, steps, chunks", [(8, 24, {8}), (7, 24, {7, 3}), (50, 24, {24})])
def test_one_compilation_a_shape_and_none_while_it_runs(length, steps, chunks):
    """The order, the chunk, and the tail where there is one."""
    program = softmax.program(RULE)
    loop, state = softmax.loop(program, length), softmax.initial(program)
    loop._zeros.block_until_ready()
    with compilations() as compiled:
        loop.prepare(state, steps)
    assert set(loop.chunks) == chunks
    assert len(compiled) == 1 + len(chunks)
    with compilations() as compiled:
        assert sum(stretch.steps for stretch in loop.run(0, steps)) == steps
    assert compiled == []


@contextlib.contextmanager
def compilations():
    """Seconds of every compilation inside the block."""
    found: list[float] = []

    def note(event: str, seconds: float, **facts) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            found.append(seconds)

    monitoring.register_event_duration_secs_listener(note)
    try:
        yield found
    finally:
        monitoring.unregister_event_duration_listener(note)


def test_one_fetch_a_chunk_and_no_implicit_transfer(monkeypatch):
    program = softmax.program(RULE)
    loop = softmax.loop(program, 5)
    loop.prepare(softmax.initial(program), STEPS)
    fetches, device_get = [], jax.device_get

    def counted(tree):
        with monkeypatch.context() as patch:
            for name, original in originals.items():
                patch.setattr(kind, name, original)
            fetches.append(tree)
            return device_get(tree)

    def refuse(self, *args, **kwargs):
        raise AssertionError("an array was fetched by the way")

    kind = type(jnp.zeros(1))
    names = ("__array__", "__float__", "__int__", "__bool__", "__index__", "item", "tolist")
    originals = {name: getattr(kind, name) for name in names}
    for name in names:
        monkeypatch.setattr(kind, name, refuse)
    for name in ("asarray", "array"):
        original = getattr(np, name)
        monkeypatch.setattr(np, name, _without_arrays(original, kind))
    monkeypatch.setattr(jax, "device_get", counted)
    with jax.transfer_guard_host_to_device("disallow"):
        stretches = list(loop.run(0, STEPS))
    monkeypatch.undo()
    assert len(fetches) == len(stretches) == 5
    assert isinstance(stretches[0].losses, np.ndarray)


def test_the_state_is_donated():
    program = softmax.program(RULE)
    loop, state = softmax.loop(program, 8), softmax.initial(program)
    loop.prepare(state, STEPS)
    next(loop.run(0, STEPS))
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves(state.params))


def test_another_shape_raises_instead_of_retracing():
    program = softmax.program(RULE)
    loop = softmax.loop(program, 8)
    loop.prepare(softmax.initial(program), STEPS)
    loop.state = loop.state._replace(params={"kernel": jnp.zeros((2, 2)), "bias": jnp.zeros(2)})
    with pytest.raises(TypeError):
        next(loop.run(0, STEPS))


def test_a_stretch_names_the_first_step_that_is_not_finite():
    losses = np.array([1.0, 0.5, np.inf, np.nan])
    stretch = Stretch(step=12, losses=losses, kept=np.zeros((4, 0), np.int32))
    assert not stretch.finite
    assert stretch.first_nonfinite == 11


def _without_arrays(original, kind):
    """`np.asarray` and `np.array` read a CPU's array without asking it; only a fetch may."""

    def convert(value, *args, **kwargs):
        assert not isinstance(value, kind), "an array was fetched by the way"
        return original(value, *args, **kwargs)

    return convert
