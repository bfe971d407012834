"""Loops that data may stop: priced where their own equations prove how often they run."""

import jax
import jax.numpy as jnp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jax import lax

from efficient.cost.flops import count

SQUARE = jax.ShapeDtypeStruct((4, 4), jnp.float32)
PRODUCT = 2 * 4**3  # of two squares

COMPARE = {
    "lt": lambda i, bound: i < bound,
    "le": lambda i, bound: i <= bound,
    "gt": lambda i, bound: i > bound,
    "ge": lambda i, bound: i >= bound,
    "ne": lambda i, bound: i != bound,
}


def counted(test, start, step):
    """A loop whose counter is beside what it multiplies."""

    def loop(left, right):
        def body(carry):
            return carry[0] @ right, carry[1] + step

        return lax.while_loop(lambda carry: test(carry[1]), body, (left, start))[0]

    return count(jax.make_jaxpr(loop)(SQUARE, SQUARE))


def turns(test, start, step, most):
    """The same loop in Python; None when it goes on for more than `most` turns."""
    for turn in range(most):
        if not test(start):
            return turn
        start += step
    return None


whole = st.integers(-9, 9)


@pytest.mark.parametrize("name", COMPARE)
@given(start=whole, bound=whole, step=whole)
def test_counted_loop_runs_as_often_as_python_does(name, start, bound, step):
    expected = turns(lambda i: COMPARE[name](i, bound), start, step, most=20)
    found = counted(lambda i: COMPARE[name](i, bound), start, step)
    assert found.total == (None if expected is None else expected * PRODUCT)
    assert found.unpriced == (("while",) if expected is None else ())
    mirrored = counted(lambda i: COMPARE[name](bound, i), start, step)
    backwards = turns(lambda i: COMPARE[name](bound, i), start, step, most=20)
    assert mirrored.total == (None if backwards is None else backwards * PRODUCT)


def test_fori_loop_between_constants_is_a_scan_or_a_counted_loop():
    def body(_, carry):
        return carry @ carry

    for lower, upper in ((0, 5), (jnp.int32(2), jnp.int32(7))):
        loop = jax.jit(lambda x, a=lower, b=upper: lax.fori_loop(a, b, body, x))
        assert count(jax.make_jaxpr(loop)(SQUARE)).total == 5 * PRODUCT
        batched = jax.vmap(loop)
        batch = jax.ShapeDtypeStruct((3, 4, 4), jnp.float32)
        assert count(jax.make_jaxpr(batched)(batch)).total == 15 * PRODUCT


def test_loop_carries_what_it_needs_round():
    """The dead product of a loop is free, one that feeds the next turn is not."""

    def loop(left, right):
        def body(carry):
            i, used, feeds, unused = carry
            return i + 1, used @ right + feeds, feeds @ right, unused @ unused

        return lax.while_loop(lambda c: c[0] < 3, body, (0, left, left, left))[1]

    assert count(jax.make_jaxpr(loop)(SQUARE, SQUARE)).total == 6 * PRODUCT


def unknown_bound(x, n):
    return lax.fori_loop(0, n, lambda _, y: y @ y, x)


def moving_bound(x, _):
    def body(carry):
        return carry[0] + 1, carry[1] * 2, carry[2] @ carry[2]

    return lax.while_loop(lambda c: c[0] < c[1], body, (0, 1, x))[2]


def uneven_step(x, _):
    return lax.while_loop(lambda c: c[0] < 9, lambda c: (c[0] * 2, c[1] @ c[1]), (1, x))[1]


def unknown_start(x, n):
    return lax.while_loop(lambda c: c[0] < 9, lambda c: (c[0] + 1, c[1] @ c[1]), (n, x))[1]


def early_stop(x, _):
    def go_on(carry):
        return (carry[0] < 9) & (carry[1].sum() < 1)

    return lax.while_loop(go_on, lambda c: (c[0] + 1, c[1] @ c[1]), (0, x))[1]


def fractional(x, _):
    return lax.while_loop(lambda c: c[0] < 1, lambda c: (c[0] + 0.1, c[1] @ c[1]), (0.0, x))[1]


def wraps_round(x, _):
    start = jnp.int8(0)
    return lax.while_loop(lambda c: c[0] <= 126, lambda c: (c[0] + 100, c[1] @ c[1]), (start, x))[1]


UNPROVED = (
    unknown_bound,
    moving_bound,
    uneven_step,
    unknown_start,
    early_stop,
    fractional,
    wraps_round,
)


@pytest.mark.parametrize("loop", UNPROVED)
def test_loop_that_proves_nothing_is_unpriced(loop):
    found = count(jax.make_jaxpr(loop)(SQUARE, jax.ShapeDtypeStruct((), jnp.int32)))
    assert (found.total, found.priced, found.unpriced) == (None, 0, ("while",))
