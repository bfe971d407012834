"""How many weights each layer keeps, as exact integers.

`uniform` keeps the same fraction of every layer. `erk` (Erdos-Renyi-Kernel: Mocanu et al. 2018,
arXiv 1707.04780, for convolutions Evci et al. 2020, arXiv 1911.11134) gives a layer a density in
proportion to the sum of its sizes over their product, so that small layers stay denser, and is
exact in the total. `global` gives one number for all layers together; the scores divide it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

SCOPES = ("uniform", "erk", "global")


def allot(
    scope: str,
    shapes: Mapping[str, tuple[int, ...]],
    sparsity: float,
    units: Mapping[str, int] | None = None,
) -> np.ndarray:
    """Units to keep: (weights,) int32 by sorted name, or (1,) of all together when global.

    shapes: of the weights by name; units: what is kept or removed as one (entries, blocks,
    filters), how many there are of each weight; every entry is one without it.
    """
    names = sorted(shapes)
    sizes = [int(np.prod(shapes[name])) for name in names]
    totals = sizes if units is None else [units[name] for name in names]
    if scope == "uniform":
        kept = [round((1 - sparsity) * total) for total in totals]
    elif scope == "global":
        kept = [round((1 - sparsity) * sum(totals))]
    else:
        sums = [sum(shapes[name]) for name in names]
        shares = [s / size for s, size in zip(sums, sizes, strict=True)]
        kept = _erk(totals, shares, round((1 - sparsity) * sum(totals)))
    return np.array(kept, np.int32)


def _erk(totals: Sequence[int], shares: Sequence[float], asked: int) -> list[int]:
    """Integers that sum to `asked`, near `totals` times densities proportional to `shares`.

    A layer whose density would pass 1 stays dense, and the others share what is left; then the
    largest remainders round up, of equal ones the first.
    """
    dense: set[int] = set()
    while True:
        rest = [i for i in range(len(totals)) if i not in dense]
        left = asked - sum(totals[i] for i in dense)
        factor = left / max(sum(shares[i] * totals[i] for i in rest), 1e-300)
        over = {i for i in rest if factor * shares[i] > 1}
        if not over:
            break
        dense |= over
    wanted = [float(t) if i in dense else factor * shares[i] * t for i, t in enumerate(totals)]
    kept = [min(int(want), total) for want, total in zip(wanted, totals, strict=True)]
    by_remainder = sorted(range(len(totals)), key=lambda i: (kept[i] - wanted[i], i))
    for i in by_remainder[: asked - sum(kept)]:
        kept[i] += 1
    return kept
