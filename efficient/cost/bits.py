"""Bit operations: the multiply-adds of a program, each weighted by the bits of its operands.

    BOPs = sum of (multiply-adds x bits of the left operand x bits of the right operand)

A product of a 4-bit by an 8-bit number takes 32 one-bit products. Baskin et al. (UNIQ,
arXiv 1804.10969) propose to compare quantized networks by bit operations; they also charge the
additions of the accumulator, which is left out here, as in most later comparisons.

Only what is multiplied counts: weights that are stored in 4 bits and widened before the product
cost the product's bits. Bits never scale FLOPs, and bit operations are never added to them.
"""

from __future__ import annotations

import re

from efficient.cost.flops import count
from efficient.cost.value import Traced


def bit_operations(jaxpr: Traced) -> int | None:
    """Bit operations of `jaxpr`, padding counted; None where its FLOPs have no total."""
    found = count(jaxpr, padded=True, platform="default")
    if found.unpriced:
        return None
    return sum(flops // 2 * _weight(name) for name, flops in found.by_dtype.items())


def _weight(name: str) -> int:
    """Bits x bits of the operands of "int8", or of "bfloat16*int8"."""
    left, _, right = name.partition("*")
    return _bits(left) * _bits(right or left)


def _bits(dtype: str) -> int:
    """The width of a dtype; a complex product is four real ones of half its width."""
    found = re.search(r"\d+", dtype)
    width = int(found[0]) if found else 8
    return width // 2 if dtype.startswith("complex") else width
