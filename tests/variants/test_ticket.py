"""Controls of lottery tickets: the mask is the ticket's, the weights are not."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import tiny

from efficient.deploy import read
from efficient.variants import Prune, Ticket, VariantError

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


def test_without_a_control_it_is_the_baseline():
    plan = object()
    assert Ticket("").phases(plan) is plan
    assert Ticket("").extend(plan, (), ()) is plan


def test_what_is_no_ticket_is_refused(trained):
    with pytest.raises(VariantError, match="begin with a pruned run"):
        trained(dataclasses.replace(tiny.DIGITS, variants=(Ticket(),)))
    with pytest.raises(VariantError, match="control 'both' is unknown"):
        Ticket("both")
