"""What networks and training cost in the literature: the counts on which a counter is checked."""

from __future__ import annotations

from dataclasses import dataclass

from efficient.cost.table import rows


@dataclass(frozen=True)
class ModelFlops:
    """Exact counts of one network for one example; a multiply-add is 2 FLOPs, contractions alone.

    model, shortcut   names of `efficient.models.reference`; "" for the default shortcut
    input             height x width x channels of an image, or tokens of a text
    flops_train       of the loss and its gradient by the forward rule
    flops_*_unpadded  without the taps that fall on padding
    published_params, published_macs  as printed, rounded or not; None: not published
    status            verified: a source that prints the published number was read; recalled: not
                      read again; computed: from the description of the network alone
    """

    model: str
    shortcut: str
    input: str
    params: int
    flops_forward: int
    flops_forward_unpadded: int
    flops_train: int
    flops_train_unpadded: int
    published_params: int | None
    published_macs: int | None
    source: str
    status: str

    @property
    def input_shape(self) -> tuple[int, ...]:
        return tuple(int(size) for size in self.input.split("x"))


@dataclass(frozen=True)
class TrainFlops:
    """A total by formula, for which no network is traced.

    tokens           seen in training, or of one sequence
    rule             "6ND" or "3ND": FLOPs per parameter and token, 3 where each token meets half
                     of the parameters; "chinchilla": three forwards of appendix F, softmax with 3
                     FLOPs a score, no embeddings, logits or relative positions
    depth, width, heads   where the rule needs them
    flops            of the rule, exact
    published_flops  as printed, three digits
    published_ratio  of the flops to 6ND, as printed, two decimals
    status           as in ModelFlops
    """

    model: str
    params: int
    tokens: int
    rule: str
    depth: int | None
    width: int | None
    heads: int | None
    flops: int
    published_flops: float | None
    published_ratio: float | None
    source: str
    status: str


def model_flops() -> tuple[ModelFlops, ...]:
    """The networks that are counted exactly."""
    return rows("model_flops", ModelFlops)


def train_flops() -> tuple[TrainFlops, ...]:
    """The totals that are formulas."""
    return rows("train_flops", TrainFlops)
