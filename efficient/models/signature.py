"""What a network must fit: the shape of its inputs and the number of its classes."""

from __future__ import annotations

from dataclasses import dataclass


class SpecError(ValueError):
    """A network that cannot be built: the message names the value and the remedy in one line."""


@dataclass(frozen=True)
class Signature:
    """The seam between a workload and a network.

    Attributes:
        input_shape: `(height, width, channels)` of an image, or `(context,)` of a text.
        classes: number of classes of an image, or size of the vocabulary of a text.
        kind: "image": inputs `(batch, height, width, channels)` float32, logits
            `(batch, classes)` float32. "text": inputs `(batch, time)` int32 with time at most
            the context, logits `(batch, time, classes)` float32.
    """

    input_shape: tuple[int, ...]
    classes: int
    kind: str

    def __post_init__(self) -> None:
        ranks = {"image": 3, "text": 1}
        if self.kind not in ranks:
            raise SpecError(f"signature kind is {self.kind!r}: use 'image' or 'text'")
        if len(self.input_shape) != ranks[self.kind] or min(self.input_shape) < 1:
            raise SpecError(
                f"signature of kind {self.kind!r} has input_shape {self.input_shape}: "
                f"give {ranks[self.kind]} positive sizes"
            )
        if self.classes < 1:
            raise SpecError(f"signature has classes {self.classes}: give at least 1")

    def require(self, kind: str, network: str) -> None:
        """Raises SpecError unless the signature is of `kind`."""
        if self.kind != kind:
            raise SpecError(f"{network} takes {kind} inputs, the workload gives {self.kind}")
