"""What a shipped model multiplies, and what speed may be claimed for it: read off, never timed."""

from __future__ import annotations

from collections import Counter

import jax
import jax.numpy as jnp
import numpy as np

from efficient.cost.bits import bit_operations
from efficient.cost.flops import count
from efficient.deploy import Artefact
from efficient.ledger.benchmark import NO_CLAIM, Contraction
from efficient.models.layers import Storage

#: A gain below this promises nothing, and so many zero weights are worth a word.
LEAST_GAIN, MANY_ZEROS = 1.05, 0.05
#: Most by which the shares of a type may differ between two that are compared in FLOPs.
OTHER_TYPES = 0.05


def contraction(artefact: Artefact) -> Contraction:
    """Of an artefact as it is exported: the forms of a machine add operations of their own."""
    signature = artefact.signature
    kind = jnp.int32 if signature.kind == "text" else jnp.float32
    example = jax.ShapeDtypeStruct((1, *signature.input_shape), kind)
    traced = jax.make_jaxpr(artefact.predict)(artefact.weights, example)
    found, bits = count(traced, padded=True, platform="default"), bit_operations(traced)
    assert found.total is not None and bits is not None, found.reason
    flops_needed, bits_needed = 0.0, 0.0
    for scope, flops in found.by_scope.items():
        needed = flops * _density(artefact, scope)
        flops_needed += needed
        bits_needed += needed / 2 * _width(artefact.packed.storage.get(scope)) ** 2
    return Contraction(
        dtype=Counter(found.by_dtype).most_common(1)[0][0],
        dtypes=dict(found.by_dtype),
        flops=found.total,
        bit_operations=bits,
        zeros=_zeros(artefact),
        flops_needed=flops_needed,
        bit_operations_needed=bits_needed,
    )


def theoretical(made: Contraction, reference: Contraction) -> tuple[float, str]:
    """How many times less there is to multiply, and in what that is counted."""
    if _alike(made, reference):
        return reference.flops_needed / made.flops_needed, "FLOPs"
    return reference.bit_operations_needed / made.bit_operations_needed, "bit operations"


def refusal(artefact: Artefact, made: Contraction, reference: Contraction) -> str:
    """Why no speed is claimed: it multiplies as much, in numbers as wide. Empty where it may be,
    and where it multiplies more."""
    ratio = reference.bit_operations / made.bit_operations
    if ratio >= LEAST_GAIN or ratio * LEAST_GAIN <= 1:
        return ""
    reasons = []
    if made.zeros >= MANY_ZEROS:
        reasons.append(f"{100 * made.zeros:.0f} % of the weights are 0 and are multiplied")
    stored = {s.bits for s in artefact.packed.storage.values() if s.dtype == "int8"}
    if stored and not any("int8" in dtype for dtype in made.dtypes):
        bits = " and ".join(str(number) for number in sorted(stored))
        reasons.append(f"weights of {bits} bits are widened to {made.dtype}")
    reasons = reasons or ["it multiplies as much as the reference, in numbers as wide"]
    return f"{NO_CLAIM}: {'; '.join(reasons)}"


def _alike(made: Contraction, reference: Contraction) -> bool:
    """Whether both multiply the same types of numbers, in about the same shares."""
    every = made.dtypes.keys() | reference.dtypes.keys()
    shares = [
        (made.dtypes.get(dtype, 0) / made.flops, reference.dtypes.get(dtype, 0) / reference.flops)
        for dtype in every
    ]
    return all(abs(mine - theirs) <= OTHER_TYPES for mine, theirs in shares)


def _width(storage: Storage | None) -> int:
    """Bits of the numbers that a layer multiplies."""
    if storage is None or (storage.dtype == "int8" and storage.activations > 8):
        return 32
    return {"int8": 8, "bfloat16": 16}.get(storage.dtype, 32)


def _density(artefact: Artefact, path: str) -> float:
    """Share of a layer's weights that are not 0; 1 where a few have been rounded to 0."""
    kernel = artefact.packed.arrays.get(f"{path}/kernel")
    density = 1.0 if kernel is None else np.count_nonzero(kernel) / kernel.size
    return density if density <= 1 - MANY_ZEROS else 1.0


def _zeros(artefact: Artefact) -> float:
    kernels = [a for n, a in artefact.packed.arrays.items() if n.endswith("/kernel")]
    return 1 - sum(np.count_nonzero(a) for a in kernels) / sum(a.size for a in kernels)
