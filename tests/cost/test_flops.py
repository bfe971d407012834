"""The walk: control flow, dead code, platforms, devices, scopes, and what has no price."""

import jax
import jax.numpy as jnp
import pytest
from jax import lax
from jax.experimental import pallas

from efficient.cost.flops import count, count_training, flops

SQUARE = jax.ShapeDtypeStruct((4, 4), jnp.float32)
PRODUCT = 2 * 4**3  # of two squares


def products(function, *args, **options):
    """How many products of two squares `function` executes."""
    total = count(jax.make_jaxpr(function)(*args or (SQUARE, SQUARE)), **options).total
    return None if total is None else total / PRODUCT


def test_dead_code_is_free_at_every_depth():
    def body(carry, _):
        used, unused, feeds_unused = carry
        return (used @ used, feeds_unused @ used, feeds_unused), unused @ unused

    def outer(left, right):
        _ = left @ right
        (used, _, _), _ = jax.jit(lambda x: lax.scan(body, (x, x, x), None, length=3))(left)
        return jax.checkpoint(lambda x, y: (x @ y, x @ x))(used, right)[0]

    assert products(outer) == 3 + 1


def test_effects_keep_what_they_print():
    def noisy(left, right):
        jax.debug.print("{x}", x=(left @ right).sum())
        _ = left @ left
        return left

    assert products(noisy) == 1
    assert products(lambda x, y: (jax.jit(noisy)(x, y), y)[1]) == 1


def test_scan_multiplies():
    def loop(left, right):
        nested = lambda x, _: (lax.fori_loop(0, 2, lambda _, y: y @ right, x), None)  # noqa: E731
        return lax.scan(nested, left, None, length=5)[0]

    assert products(loop) == 10


def test_scan_of_length_zero_is_free():
    def body(carry, right):
        return jnp.linalg.cholesky(carry @ right), None

    assert products(lambda x, y: lax.scan(body, x, y[None][:0])[0]) == 0


def test_data_decides_so_the_dearest_branch_counts():
    def branch(left, right):
        dear = lambda: left @ right @ right  # noqa: E731
        return lax.cond(left.sum() > 0, dear, lambda: left @ right)

    assert products(branch) == 2


def test_platform_decides_which_branch_counts():
    def dispatch(left, right):
        return lax.platform_dependent(
            left,
            right,
            cpu=lambda x, y: x @ y,
            cuda=lambda x, y: x @ y @ y,
            default=lambda x, y: x @ y @ y @ y,
        )

    expected = {"cpu": 1, "cuda": 2, "gpu": 2, "tpu": 3, "default": 3}
    assert {name: products(dispatch, platform=name) for name in expected} == expected
    assert flops(dispatch, SQUARE, SQUARE).total == 3 * PRODUCT

    def loss(left, right):
        return dispatch(left, right).sum()

    rule = count_training(jax.make_jaxpr(loss)(SQUARE, SQUARE), (True, False))
    assert rule.total == 6 * PRODUCT
    gradient = jax.value_and_grad(loss)
    assert products(gradient, platform="cpu") == 2
    assert products(gradient, platform="tpu") == 6


def test_platform_without_a_branch_pays_for_the_dearest():
    def dispatch(left, right):
        return lax.platform_dependent(
            left, right, cpu=lambda x, y: x @ y, cuda=lambda x, y: x @ y @ y
        )

    assert (products(dispatch, platform="cpu"), products(dispatch, platform="default")) == (1, 2)


def test_what_only_another_platform_reads_is_dead():
    def dispatch(left, right):
        return lax.platform_dependent(
            left @ right, left, cpu=lambda _, y: y, default=lambda x, _: x
        )

    assert (products(dispatch, platform="cpu"), products(dispatch, platform="tpu")) == (0, 1)


@pytest.mark.parametrize(
    ("axes", "rows", "executed"),
    [({"row"}, jax.P("row"), 1), ({"row", "other"}, jax.P("row"), 2), ({"row"}, jax.P(), 2)],
    ids=["split", "split in two and repeated", "repeated"],
)
def test_sharded_program_counts_all_devices(axes, rows, executed):
    """The mesh is abstract: no device is needed to count."""
    automatic = (jax.sharding.AxisType.Auto,) * 2
    mesh = jax.sharding.AbstractMesh((2, 2), ("row", "other"), axis_types=automatic)
    specs = {"in_specs": (rows, jax.P()), "out_specs": rows}
    sharded = jax.shard_map(jnp.matmul, mesh=mesh, axis_names=axes, check_vma=False, **specs)
    assert products(sharded) == executed


def kernel(left, right, out):
    out[...] = left[...] @ right[...]


def pallas_product(left, right, cost=None):
    call = pallas.pallas_call(kernel, out_shape=SQUARE, cost_estimate=cost, interpret=True)
    return call(left, right)


def test_kernel_costs_what_it_declares():
    cost = pallas.CostEstimate(flops=PRODUCT, transcendentals=0, bytes_accessed=0)
    assert products(lambda x, y: pallas_product(x, y, cost)) == 1
    jaxpr = jax.make_jaxpr(lambda x, y: pallas_product(x, y, cost).sum())(SQUARE, SQUARE)
    assert count_training(jaxpr, (False, False)).total == PRODUCT
    gradient = count_training(jaxpr, (True, False))
    assert (gradient.total, gradient.priced, gradient.unpriced) == (None, PRODUCT, ("pallas_call",))


def endless(left, right):
    return lax.while_loop(lambda x: x.sum() < 1, lambda x: x @ right, left)


def grouped(left, right):
    return lax.ragged_dot(left, right[None], jnp.array([4]))


def host(left, _):
    return jax.pure_callback(lambda x: x, SQUARE, left)


UNPRICED = {
    "while": endless,
    "ragged_dot_general": grouped,
    "pure_callback": host,
    "pallas_call": pallas_product,
    "cholesky": lambda left, _: jnp.linalg.cholesky(left),
    "fft": lambda left, _: jnp.fft.fft(left),
    "custom_linear_solve": lambda a, b: lax.custom_linear_solve(lambda x: a @ x, b, lambda _, y: y),
}


@pytest.mark.parametrize("name", UNPRICED)
def test_what_has_no_price_leaves_no_total(name):
    found = count(jax.make_jaxpr(lambda x, y: UNPRICED[name](x, y) @ y)(SQUARE, SQUARE))
    assert (found.total, found.priced, found.unpriced) == (None, PRODUCT, (name,))
    assert found.reason == f"no FLOPs known for {name}; {PRODUCT} is a lower bound"


def test_what_has_no_price_may_be_dead_or_on_a_branch():
    assert products(lambda x, y: (jnp.linalg.cholesky(x), x @ y)[1]) == 1
    assert products(lambda x, y: lax.cond(x.sum() > 0, lambda: endless(x, y), lambda: x)) is None


def test_loop_that_does_not_contract_is_free():
    def search(left, right):
        return lax.while_loop(lambda x: x.sum() < 1, lambda x: x + 1, left) @ right

    found = count(jax.make_jaxpr(search)(SQUARE, SQUARE))
    assert (found.total, found.reason) == (PRODUCT, None)


def test_calls_are_looked_into():
    composite = lax.composite(jnp.matmul, "test.product")
    for call in (composite, jax.checkpoint(jnp.matmul), jax.jit(jax.jit(jnp.matmul))):
        assert products(call) == 1


def test_scopes_nest_through_calls_and_transformations():
    @jax.named_scope("outer")
    def loss(weight, inputs):
        with jax.named_scope("first"):
            inputs = jax.vmap(jax.named_scope("row")(lambda row: row @ weight))(inputs)

        @jax.checkpoint
        @jax.named_scope("second")
        def body(carry, _):
            return jnp.tanh(carry @ weight), None

        with jax.named_scope("loop"):
            inputs, _ = lax.scan(body, inputs, None, length=2)
        with jax.named_scope("again"):
            return jax.checkpoint(lambda x: jnp.tanh(x @ weight) @ weight)(inputs).sum()

    paths = {"outer/first/row": 1, "outer/loop/second": 2, "outer/again": 2}
    jaxpr = jax.make_jaxpr(loss)(SQUARE, SQUARE)
    assert count(jaxpr).by_scope == {path: n * PRODUCT for path, n in paths.items()}
    gradient = count(jax.make_jaxpr(jax.jit(jax.value_and_grad(loss)))(SQUARE, SQUARE))
    assert gradient.by_scope.keys() == paths.keys()
    assert sum(gradient.by_scope.values()) == gradient.total


def test_every_number_is_an_integer():
    found = count_training(
        jax.make_jaxpr(lambda x, y: (x @ y).sum())(SQUARE, SQUARE), (True, False)
    )
    layer = found.layers[""]
    numbers = [found.total, found.priced, *found.by_scope.values(), *found.by_dtype.values()]
    assert {type(n) for n in [*numbers, layer.forward, layer.gradient_weights]} == {int}
