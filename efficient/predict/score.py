"""After a run: what was predicted, held against what was measured."""

from __future__ import annotations

from dataclasses import replace

from efficient.ledger.bill import Cost, Estimate, Range

#: Field of an estimate -> the field of a bill that it predicted.
MEASURED = {
    "train_s": "train_s",
    "total_s": "total_s",
    "flops_executed": "flops_executed",
    "memory_bytes": "memory_static_bytes",
    "energy_j": "energy_j",
    "carbon_gco2e": "carbon_gco2e",
    "cost_usd": "cost_usd",
}


def score(estimate: Estimate, cost: Cost) -> Estimate:
    """The estimate with `errors`: central prediction / measured - 1, 0.25 for a quarter too much.

    A field that is unknown on one side, or was measured as 0, has no error. A run that stopped
    early is measured against the whole that was predicted: ask only of finished runs.
    """
    errors = {}
    for field, measured in MEASURED.items():
        predicted, found = getattr(estimate, field), getattr(cost, measured)
        if predicted is not None and found:
            central = predicted.central if isinstance(predicted, Range) else predicted
            errors[field] = central / found - 1
    return replace(estimate, errors=errors)
