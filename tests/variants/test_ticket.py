"""Controls of lottery tickets: the mask is the ticket's, the weights are not."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import tiny
from flax import nnx

from efficient.deploy import read
from efficient.models.signature import Signature
from efficient.models.tree import flatten, nest
from efficient.models.vgg import VGGSpec
from efficient.variants import Phase, Prune, Ticket, VariantError, Work
from efficient.variants.prune.state import mask_state
from efficient.variants.variant import weight_table

PRUNED = dataclasses.replace(tiny.DIGITS, variants=(Prune(0.75, updates=2),))


@pytest.fixture(scope="module")
def kernels(trained):
    """By control: kernels of the shipped network, "" for those of the ticket itself."""

    def of(record):
        arrays = read(trained.out / record.run_id / "artefact")[0].arrays
        return {name: a for name, a in arrays.items() if name.endswith("/kernel")}

    found = {"": of(ticket := trained(PRUNED))}
    for control in ("reinit", "shuffle"):
        variant = (Ticket(control),)
        config = dataclasses.replace(tiny.DIGITS, variants=variant, start=ticket.run_id)
        record = trained(config)
        assert record.evidence["weights_removed_nonzero"] == 0
        assert record.evidence["weights_kept"] == ticket.evidence["weights_kept"]
        found[control] = of(record)
    return found


def test_reinit_keeps_the_places_and_shuffle_the_counts(kernels):
    for name, ticket in kernels[""].items():
        reinit, shuffle = (kernels[control][name] for control in ("reinit", "shuffle"))
        # A weight behind a pixel that is always 0 has no gradient: it stays as it was drawn.
        assert ((reinit != 0) == (ticket != 0)).all()
        assert np.count_nonzero(shuffle) == np.count_nonzero(ticket)
        assert ((shuffle != 0) != (ticket != 0)).any()
        assert not np.allclose(reinit[reinit != 0], ticket[ticket != 0])


def ticket_of(control: str, seed: int = 0):
    """The work of a run that starts from a ticket, before its first step and after."""
    signature = Signature((2, 2, 1), 3, "image")
    spec = VGGSpec(((2,),), (4,))
    model, variant = spec.build(signature, nnx.Rngs(0)), Ticket(control)
    (phase,) = variant.phases((Phase("train", 5),))
    tx = variant.extend(optax.sgd(0.1), weight_table(model), (phase,))
    _, *trees = nnx.split(model, nnx.Param, ...)
    rng = np.random.default_rng(0)
    params, rest = (
        jax.tree.map(lambda x: x + jnp.asarray(rng.random(x.shape), x.dtype), nnx.to_pure_dict(t))
        for t in trees
    )
    flat = flatten(params)
    places = rng.random(flat["head/kernel"].shape) < 0.5
    params = nest(flat | {"head/kernel": jnp.where(places, flat["head/kernel"], 0)})
    key = jnp.array([0, seed], jnp.uint32)
    work = Work(spec, signature, params, rest, tx.init(params), {}, {}, {}, key)
    return work, phase.enter(work, None)


def test_without_a_control_the_ticket_is_trained():
    """Its mask is held, and its weights are those of the start."""
    before, after = ticket_of("")
    jax.tree.map(np.testing.assert_array_equal, after.params, before.params)
    jax.tree.map(np.testing.assert_array_equal, after.rest, before.rest)
    mask = mask_state(after.opt_state).masks["head/kernel"]
    np.testing.assert_array_equal(mask, before.params["head"]["kernel"] != 0)
    assert not mask.all()


def test_fresh_weights_have_fresh_statistics():
    before, after = ticket_of("reinit")
    means = [name for name in flatten(before.rest) if name.endswith("/mean")]
    assert means and all((flatten(before.rest)[name] != 0).all() for name in means)
    assert all((flatten(after.rest)[name] == 0).all() for name in means)


@pytest.mark.parametrize("control", ["reinit", "shuffle"])
def test_another_seed_of_the_run_is_another_control(control):
    one, again, other = (ticket_of(control, seed)[1].params["head"]["kernel"] for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()


def test_what_is_no_ticket_is_refused(trained):
    with pytest.raises(VariantError, match="begin with a pruned run"):
        trained(dataclasses.replace(tiny.DIGITS, variants=(Ticket(),)))
    with pytest.raises(VariantError, match="control 'both' is unknown"):
        Ticket("both")
