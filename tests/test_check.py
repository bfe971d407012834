"""Techniques that keep the contracts pass, and each broken contract is found by its name."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from efficient.check import Finding, check
from efficient.check.case import CASES
from efficient.config import ConfigError
from efficient.models.layers import weighted_layers
from efficient.models.operand import wrap
from efficient.variants import Phase, Variant, VariantError

IMAGES = {"images": replace(CASES["images"], evaluations=1)}


@dataclass(frozen=True)
class Grown(Variant):
    """Trains longer than it was asked to."""

    def phases(self, plan):
        return (*plan, Phase("more", 5))


@dataclass(frozen=True)
class Widened(Variant):
    """Changes the shape of a weight, so that whatever is shipped is another network."""

    def rewrite(self, model):
        layer = next(iter(weighted_layers(model).values()))
        layer.kernel[...] = jnp.concatenate([layer.kernel[...]] * 2, axis=1)
        layer.bias[...] = jnp.concatenate([layer.bias[...]] * 2)
        return model


@dataclass(frozen=True)
class Extra(Variant):
    """Brings a weight of its own."""

    def rewrite(self, model):
        model.extra = nnx.Param(jnp.zeros(3))
        return model


@dataclass(frozen=True)
class Diverging(Variant):
    """Good for five steps."""

    def extend(self, tx, weights, plan):
        return optax.chain(tx, optax.scale_by_schedule(lambda n: jnp.where(n < 5, 1.0, jnp.nan)))


@dataclass(frozen=True)
class Drifting(Variant):
    """Keeps a number whose type changes in the first step."""

    def extend(self, tx, weights, plan):
        def update(updates, state, params=None):
            return updates, state + jnp.float32(1)

        return optax.chain(tx, optax.GradientTransformation(lambda params: jnp.int32(0), update))


@dataclass(frozen=True)
class Exploding(Variant):
    """A loss without a finite gradient."""

    def objective(self, base, load):
        return lambda outputs, batch, frozen: jnp.log(base(outputs, batch, frozen) * 0), {}


@dataclass(frozen=True)
class Silent(Variant):
    """A loss that no weight can change."""

    def objective(self, base, load):
        return lambda outputs, batch, frozen: jax.lax.stop_gradient(
            base(outputs, batch, frozen)
        ), {}


@dataclass(frozen=True)
class Lottery(Variant):
    """Draws from the machine instead of the state, so that no run can be repeated."""

    def phases(self, plan):
        def enter(work, probe):
            noise = np.float32(1 + np.random.default_rng().random() / 10)
            return replace(work, params=jax.tree.map(lambda x: x * noise, work.params))

        return (replace(plan[0], enter=enter), *plan[1:])


@dataclass(frozen=True)
class Halved:
    """An operation that the shipped file knows nothing of."""

    inner: object

    def __call__(self, inputs, kernel, slots):
        return self.inner(inputs, 0.5 * kernel, slots)


@dataclass(frozen=True)
class Hidden(Variant):
    """Changes what is computed, but not what is stored."""

    def rewrite(self, model):
        for layer in weighted_layers(model).values():
            wrap(layer, Halved)
        return model


@dataclass(frozen=True)
class Forgetful(Variant):
    """A setting that JSON gives back as another value."""

    shares: dict[int, float] = dataclasses.field(default_factory=lambda: {1: 0.5})

    __hash__ = Variant.__hash__


@dataclass(frozen=True)
class Opaque(Variant):
    """A loop of unknown length that contracts: nobody can say what it costs."""

    def objective(self, base, load):
        def loss(outputs, batch, frozen):
            def once(carry):
                logits = jax.lax.stop_gradient(outputs.logits)
                return carry[0] + 1, (logits.T @ logits).sum()

            start = (batch.index[0] * 0, jnp.float32(0))
            _, extra = jax.lax.while_loop(lambda c: c[0] < batch.index[0] * 0 + 1, once, start)
            return base(outputs, batch, frozen) + 0 * extra

        return loss, {}


@dataclass(frozen=True)
class Refusing(Variant):
    """Fits no network."""

    def rewrite(self, model):
        raise VariantError("pattern 'x' matches no layer")


@dataclass(frozen=True)
class Reluctant(Variant):
    """Sees only when training begins that it fits no network."""

    def phases(self, plan):
        def refuse(work, probe):
            raise VariantError("pattern 'x' matches no unit")

        return (replace(plan[0], enter=refuse), *plan[1:])


@dataclass(frozen=True)
class Crashing(Variant):
    """A mistake in the method itself."""

    def rewrite(self, model):
        return model.no_such_layer


@dataclass(frozen=True)
class Wanting(Variant):
    """A setting without a default."""

    amount: float = dataclasses.field(kw_only=True)


class Undecorated(Variant):
    """No dataclass of its own."""


def found(name: str, cases=None) -> dict[str, Finding]:
    said: list[str] = []
    cases = IMAGES if cases is None else cases
    findings = {f.name: f for f in check(name, said.append, cases)}
    assert set(said) >= {name for name in findings if name.startswith("images: the ")}
    return findings


def broken(kind: type) -> list[str]:
    findings = found(f"{__name__}:{kind.__name__}")
    return [name.removeprefix("images: ") for name, f in findings.items() if not f.passed]


@pytest.mark.parametrize("name", ["prune", pytest.param("distill", marks=pytest.mark.slow)])
def test_our_own_techniques_keep_every_contract(name):
    findings = found(name)
    assert len(findings) == 12
    assert [f for f in findings.values() if not f.passed] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["prune", "quantize", "distill", "precision"])
def test_our_own_techniques_keep_every_contract_on_text_too(name):
    findings = found(name, CASES)
    assert len(findings) == 23
    assert [f for f in findings.values() if not f.passed] == []


@pytest.mark.parametrize(
    ("kind", "contracts"),
    [
        (Grown, ["phases keep the number of steps"]),
        (Widened, ["fits the network"]),
        (Extra, ["rewrite keeps the parameters"]),
        (Diverging, ["trains to its end"]),
        (Drifting, ["the state keeps its shape in a step"]),
        (Exploding, ["the gradient is finite"]),
        (Silent, ["the gradient is finite"]),
        (Lottery, ["the same seed gives the same bits", "a killed run resumes bit for bit"]),
        (Hidden, ["the shipped file scores the same"]),
        (Forgetful, ["the config survives JSON"]),
        (Opaque, ["executed FLOPs can be counted"]),
        (Refusing, ["accepts a network"]),
        (Reluctant, ["accepts a network"]),
        (Crashing, ["fits the network"]),
        (Wanting, ["a frozen dataclass with defaults"]),
        (Undecorated, ["a frozen dataclass with defaults"]),
    ],
)
def test_each_broken_contract_is_found(kind, contracts):
    assert broken(kind) == contracts


def test_something_else_than_a_variant_is_found():
    finding = found("collections:Counter")["a frozen dataclass with defaults"]
    assert not finding.passed and "efficient.Variant" in finding.detail


def test_an_unknown_variant_is_refused_in_one_line():
    with pytest.raises(ConfigError, match="did you mean 'prune'"):
        check("prun")


def test_settings_of_jax_are_as_before():
    before = jax.config.jax_compilation_cache_dir
    check("precision", cases={})
    assert jax.config.jax_compilation_cache_dir == before
