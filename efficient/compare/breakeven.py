"""After how many predictions is an arm's extra training paid back?"""

from __future__ import annotations

import math

from efficient.compare.difference import SAME
from efficient.compare.summary import Row


def break_even(row: Row, baseline: Row) -> float | None:
    """Predictions of one example after which the FLOPs of training more are made up for.

    Training is what was executed with all that the arm needed, each parent charged in full.
    Infinite where predictions are no cheaper; None where training is no dearer, so that nothing is
    to be paid back, or where a cost is unknown, that of a missing parent say.
    """
    dearer, cheaper = _training(row), row.cost("flops_inference")
    whole, dense = _training(baseline), baseline.cost("flops_inference")
    if dearer is None or cheaper is None or not whole or not dense:
        return None
    if dearer - whole <= SAME * whole:
        return None
    saved = dense - cheaper
    return (dearer - whole) / saved if saved > SAME * dense else math.inf


def said(predictions: float) -> str:
    """In words."""
    if math.isinf(predictions):
        return "its predictions are no cheaper: the extra training FLOPs are never paid back"
    return f"the extra training FLOPs are paid back after {predictions:,.0f} predictions"


def _training(row: Row) -> float | None:
    own, parents = row.cost("flops_executed"), row.cost("flops_parents")
    return None if own is None or parents is None else own + parents
