"""Feature matching: hidden outputs of the student follow those of its teacher, through a trained
projection where their widths differ (FitNets: Romero et al. 2015, arXiv 1412.6550).

FitNets trains on the hint first and on the probabilities afterwards; here both are one loss. The
projection is a linear map of the last axis, as their convolutional regressor with a 1 x 1 kernel.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

import jax
from flax import nnx

from efficient.models.layers import project, tap
from efficient.variants.variant import VariantError

_PAIR = re.compile(r"([^=:\s]+)=([^=:\s]+)(?::([1-9]\d*))?")


class Pair(NamedTuple):
    """A layer of the student and one of the teacher; width: of the projection, 0 for none."""

    student: str
    teacher: str
    width: int

    def __str__(self) -> str:
        return f"{self.student}={self.teacher}" + (f":{self.width}" if self.width else "")


def pairs(text: str) -> tuple[Pair, ...]:
    """`STUDENT=TEACHER` or `STUDENT=TEACHER:WIDTH`, several with `|` between them.

    Raises:
        VariantError: it is neither, or a layer of the student stands twice.
    """
    found = []
    for part in text.split("|") if text else ():
        match = _PAIR.fullmatch(part.strip())
        if match is None:
            raise VariantError(
                f"distill features {part!r} is no pair of layers; write STUDENT=TEACHER, or "
                "STUDENT=TEACHER:WIDTH with the width of the teacher's layer"
            )
        found.append(Pair(match[1], match[2], int(match[3] or 0)))
    names = [pair.student for pair in found]
    if twice := [name for name in names if names.count(name) > 1]:
        raise VariantError(
            f"distill features name the student's layer {twice[0]!r} twice; keep one of its pairs"
        )
    return tuple(found)


def listen(model: nnx.Module, wanted: tuple[Pair, ...]) -> nnx.Module:
    """Taps the student's layers, in place, and gives them their projections.

    Raises:
        SpecError: there is no such layer.
    """
    tap(model, [pair.student for pair in wanted], "the student")
    for pair in wanted:
        if pair.width:
            project(model, pair.student, pair.width)
    return model


def distance(
    wanted: tuple[Pair, ...],
    mine: Mapping[str, jax.Array],
    theirs: Mapping[str, jax.Array],
    weights: jax.Array,
) -> jax.Array:
    """Mean squared error of the features, summed over the pairs: () float32.

    mine, theirs: (batch, ..., width) float32 by path; weights: of the batch, one for each unit.

    Raises:
        VariantError: features of a pair are of other shapes; the message says what to write.
    """
    total = weights.sum() * 0
    for pair in wanted:
        student, teacher = mine[pair.student], theirs[pair.teacher]
        _compare(pair, student.shape[1:], teacher.shape[1:])
        error = (student - teacher) ** 2
        error = error.mean(axis=tuple(range(weights.ndim, error.ndim)))
        total += (error * weights).sum() / weights.sum()
    return total


def _compare(pair: Pair, student: tuple[int, ...], teacher: tuple[int, ...]) -> None:
    if student == teacher:
        return
    remedy = "choose layers of the same height and width"
    if student[:-1] == teacher[:-1]:
        remedy = f"write {pair._replace(width=teacher[-1])}"
    raise VariantError(
        f"distill features {pair} compare {student} of the student with {teacher} of the teacher; "
        f"{remedy}"
    )
