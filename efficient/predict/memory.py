"""Memory of a training step on each chip: does it fit, and what would make it fit?

Weights, gradients and optimizer state are counted exactly, in bytes. Activations are a model: of a
traced step what differentiation keeps (`predict.residual`), of a transformer given by its sizes
the formula of Korthikanti et al. 2022 (arXiv 2205.05198). Neither knows what a compiler fuses,
what its kernels need beside, or how an allocator fragments; so a step that fills a chip to the
last gigabyte may not fit.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace

from efficient.predict.language import Attention

#: Sharding over more chips than this is not proposed.
MOST_CHIPS = 2**17


@dataclass(frozen=True)
class Memory:
    """Bytes of one training step.

    weights_bytes, gradients_bytes, optimizer_bytes  of the whole model; what a chip holds of them
        is all, or its share where the state is sharded
    activation_bytes  of one example, kept from the forward to the backward pass; None: unknown
    recomputed_bytes  the same where blocks are computed again in the backward pass
    examples          of one micro-batch, over all chips
    activation_bits   of the numbers in the activations: 32 or 16
    model             of the activations, in words; without them, why
    data_bytes        of the training data, where every chip holds all of it
    """

    weights_bytes: int
    gradients_bytes: int
    optimizer_bytes: int
    activation_bytes: int | None
    recomputed_bytes: int | None
    examples: int
    activation_bits: int
    model: str
    data_bytes: int = 0

    @property
    def state_bytes(self) -> int:
        return self.weights_bytes + self.gradients_bytes + self.optimizer_bytes


@dataclass(frozen=True)
class Remedy:
    """A change, the number of chips with it, and the bytes that each of them then holds."""

    change: str
    chips: int
    chip_bytes: int


@dataclass(frozen=True)
class Fit:
    """What each chip holds as asked, what it has, and the smallest changes that make it fit."""

    chip_bytes: int
    capacity_bytes: int
    remedies: tuple[Remedy, ...]
    complete: bool  # False: the activations are unknown, and `chip_bytes` lacks them

    @property
    def fits(self) -> bool | None:
        """None: without the activations it would."""
        return False if self.chip_bytes > self.capacity_bytes else True if self.complete else None


@dataclass(frozen=True)
class _Layout:
    """How a step is spread. Without sharding every chip holds the whole state."""

    chips: int
    sharded: bool = False
    one_at_a_time: bool = False
    recomputed: bool = False
    halved: bool = False


#: What can be changed, and how it is said. The state stays as large under bf16: 2 bytes of weight,
#: 2 of gradient and a master of 4 replace 4 and 4.
CHANGES = {
    "one_at_a_time": "one example at a time on a chip, gradients accumulated",
    "recomputed": "rematerialisation: blocks are computed again in the backward pass",
    "halved": "bf16 weights and activations beside an f32 master",
    "sharded": "weights, gradients and optimizer state sharded",
}


def fit(memory: Memory, capacity_bytes: int, chips: int) -> Fit:
    """As asked: the state on every chip, the micro-batch divided among the chips.

    The remedies are all of the smallest number of changes that suffices: none if it fits already,
    or if nothing in `CHANGES` makes it fit. Sharding takes the smallest power of two of chips.
    """
    asked = _Layout(chips)
    needed = _chip_bytes(memory, asked)
    remedies = () if needed <= capacity_bytes else _remedies(memory, capacity_bytes, asked)
    return Fit(needed, capacity_bytes, remedies, memory.activation_bytes is not None)


def transformer_memory(params: float, attention: Attention | None, examples: int) -> Memory:
    """Of a transformer trained with Adam in 16 bits beside an f32 master.

    16 bytes for each parameter (Rajbhandari et al. 2020, arXiv 1910.02054): weight 2, gradient 2,
    master 4, two moments 8. Activations of a block, of b sequences of s tokens, width h, a heads:
    s b h (34 + 5 a s / h), and 2 s b h of it with full recomputation (Korthikanti et al. 2022,
    arXiv 2205.05198). Without sizes of the attention no activations are counted.
    """
    weights = round(params)
    kept = recomputed = None
    model = "sizes of the attention are not given: --layers --heads --head-dim --context"
    if attention is not None:
        stream = attention.context * attention.width
        block = 34 * stream + 5 * attention.heads * attention.context**2
        kept = attention.layers * block
        recomputed = attention.layers * 2 * stream + block
        model = "s b h (34 + 5 a s / h) bytes a block, Korthikanti et al. 2022, arXiv 2205.05198"
    return Memory(
        weights_bytes=2 * weights,
        gradients_bytes=2 * weights,
        optimizer_bytes=12 * weights,
        activation_bytes=kept,
        recomputed_bytes=recomputed,
        examples=examples,
        activation_bits=16,
        model=model,
    )


def recomputed_by_segments(activation_bytes: int, layers: int) -> int:
    """What is kept of `layers` equal layers when square-root many segments are computed again.

    The inputs of the segments, and one segment in full (Chen et al. 2016, arXiv 1604.06174).
    """
    return min(activation_bytes, math.ceil(2 * activation_bytes / math.sqrt(max(1, layers))))


def _remedies(memory: Memory, capacity_bytes: int, asked: _Layout) -> tuple[Remedy, ...]:
    """Of the smallest number of changes that suffices."""
    names = [name for name in CHANGES if name != "halved" or memory.activation_bits > 16]
    if memory.activation_bytes is None:
        names = ["sharded"]
    for count in range(1, len(names) + 1):
        tried = (
            _remedy(memory, capacity_bytes, asked, chosen)
            for chosen in itertools.combinations(names, count)
        )
        if found := tuple(remedy for remedy in tried if remedy):
            return found
    return ()


def _remedy(
    memory: Memory, capacity_bytes: int, asked: _Layout, names: tuple[str, ...]
) -> Remedy | None:
    """These changes, on as few chips as they fit on."""
    layout = replace(asked, **dict.fromkeys(names, True))
    if layout.sharded:
        layout = replace(layout, chips=2 ** math.ceil(math.log2(max(2, asked.chips))))
    while _chip_bytes(memory, layout) > capacity_bytes:
        layout = replace(layout, chips=2 * layout.chips)
        if not layout.sharded or layout.chips > MOST_CHIPS:
            return None
    words = " + ".join(CHANGES[name] for name in names)
    return Remedy(words, layout.chips, _chip_bytes(memory, layout))


def _chip_bytes(memory: Memory, layout: _Layout) -> int:
    examples = 1 if layout.one_at_a_time else -(-memory.examples // layout.chips)
    each = memory.recomputed_bytes if layout.recomputed else memory.activation_bytes
    each = -(-(each or 0) // 2) if layout.halved else each or 0
    state = -(-memory.state_bytes // layout.chips) if layout.sharded else memory.state_bytes
    return state + memory.data_bytes + examples * each
