"""Distillation: learn from a teacher's softened probabilities (Hinton, Vinyals and Dean 2015,
arXiv 1503.02531).

loss = (1 - mix) * base + mix * T^2 * KL(teachers at temperature T || student at temperature T),
the mean over units. Several teachers are one: the mean of their softened probabilities. A live
teacher runs inside the step, in evaluation mode, on the very inputs of the student, augmentation
included (a patient and consistent teacher: Beyer et al. 2021, arXiv 2106.05237), so its forward is
on the step's bill (`flops_teacher`). A stored one was asked once, about the images as they are, at
the expense of the first run that needed it. Its own training is on the lineage's bill.

At the level of sequences the student learns from a text that the teacher wrote (Kim and Rush 2016,
arXiv 1606.07947; samples stand here for their beam search), and no teacher runs in the step.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import lax

from efficient.variants.distill.divergence import relative_entropy, soften
from efficient.variants.distill.feature import Pair, distance, listen, pairs
from efficient.variants.variant import (
    Load,
    Objective,
    Outputs,
    Plan,
    Probe,
    Variant,
    VariantError,
    Work,
    begin,
)

TOKEN, SEQUENCE = LEVELS = ("token", "sequence")
#: A text sampled above this temperature is closer to noise than to a language.
HOTTEST = 2.0
#: Contexts that are read in one piece from the teacher's text.
BLOCK = 8

#: `taught(frozen, batch)`: what each teacher says of a batch
Taught = Callable[[Any, Any], list[Outputs]]


@dataclass(frozen=True)
class Distill(Variant):
    """Learn what a teacher knows, through the loss or a text that it wrote.

    teacher: a finished run's id, an artefact's folder, or `preset:NAME` or `preset:NAME@SEED`
    (NAME may be a JSON config), which `efficient train` trains first; several with `|` between.
    temperature: of the teachers' and the student's probabilities, or of the samples; above 0.
    mix: the teachers' share of the loss, or of the text; in [0, 1].
    stored: ask the teachers once, about every training image without augmentation.
    features: pairs of layers `STUDENT=TEACHER`, whose outputs are matched by the squared error;
    with `:WIDTH` through a trained projection to that width. hint: the weight of that error.
    level: token (each unit's probabilities) or sequence (a text that the teacher wrote, of
    `amount` tokens, read again from its beginning where the training text is longer).
    """

    family: ClassVar[str] = "teacher"

    teacher: str = ""
    temperature: float = 4.0
    mix: float = 0.7
    stored: bool = False
    features: str = ""
    hint: float = 1.0
    level: str = "token"
    amount: int = 65_536

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise VariantError(f"distill temperature {self.temperature} must be above 0")
        if not 0 <= self.mix <= 1:
            raise VariantError(f"distill mix {self.mix} is not a fraction in [0, 1]")
        if not self.hint > 0:
            raise VariantError(f"distill hint {self.hint} must be above 0; drop features for none")
        if self.level not in LEVELS:
            raise VariantError(f"distill level {self.level!r} is neither of {', '.join(LEVELS)}")
        if self.amount < 1:
            raise VariantError(f"distill amount {self.amount} must be at least 1 token")
        if len(set(self.teachers)) < len(self.teachers):
            raise VariantError(f"distill teacher {self.teacher!r} names a teacher twice; keep one")
        alone = len(self.teachers) < 2
        if self.pairs and (self.stored or not alone):
            raise VariantError(
                "distill features follow one live teacher; drop features, or stored and the other "
                "teachers"
            )
        if self.level == SEQUENCE and (self.stored or self.pairs or not alone):
            raise VariantError(
                "distill level=sequence takes one teacher, without stored and without features"
            )
        if self.level == SEQUENCE and self.temperature > HOTTEST:
            raise VariantError(
                f"distill level=sequence would sample noise at temperature {self.temperature:g}; "
                f"give temperature=1, at most {HOTTEST:g}"
            )

    @property
    def teachers(self) -> tuple[str, ...]:
        """Each by its own name."""
        return tuple(name.strip() for name in self.teacher.split("|") if name.strip())

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """The layers that are matched."""
        return pairs(self.features)

    @property
    def neutral(self) -> bool:
        return self.mix == 0 and not self.features

    def parents(self) -> tuple[tuple[str, str], ...]:
        if self.neutral:
            return ()
        if not self.teachers:
            raise VariantError("distill needs a teacher; give a run id: distill:teacher=RUN")
        return tuple(("teacher", name) for name in self.teachers)

    def phases(self, plan: Plan) -> Plan:
        if self.neutral or self.level != SEQUENCE:
            return plan
        return begin(plan, self._read)

    def rewrite(self, model: nnx.Module) -> nnx.Module:
        return listen(model, self.pairs) if self.features else model

    def objective(self, base: Objective, load: Load) -> tuple[Objective, dict[str, Any]]:
        if self.neutral:
            return base, {}
        if self.level == SEQUENCE:
            return base, {"text": load.sampled(self.teachers[0], self.temperature, self.amount)}
        taught, frozen = self._stored(load) if self.stored else self._live(load)
        return functools.partial(self._loss, base, taught), frozen

    def _loss(
        self, base: Objective, taught: Taught, outputs: Outputs, batch: Any, frozen: Any
    ) -> jax.Array:
        teachers = taught(frozen, batch)
        total = (1 - self.mix) * base(outputs, batch, frozen)
        if self.mix:
            target = soften([teacher.logits for teacher in teachers], self.temperature)
            near = relative_entropy(target, soften([outputs.logits], self.temperature))
            softened = (near * batch.weights).sum() / batch.weights.sum()
            total += self.mix * self.temperature**2 * softened
        if self.features:
            features = (outputs.features, teachers[0].features)
            total += self.hint * distance(self.pairs, *features, batch.weights)
        return total

    def _live(self, load: Load) -> tuple[Taught, dict[str, Any]]:
        """Teachers in the step, on the inputs of the student."""
        layers = tuple(dict.fromkeys(pair.teacher for pair in self.pairs))
        applies, weights = zip(*(load.tapped(n, layers) for n in self.teachers), strict=True)

        def taught(frozen: Any, batch: Any) -> list[Outputs]:
            with jax.named_scope("teacher"):
                both = zip(applies, frozen["teacher"], strict=True)
                return lax.stop_gradient([apply(own, batch.inputs) for apply, own in both])

        return taught, {"teacher": weights}

    def _stored(self, load: Load) -> tuple[Taught, dict[str, Any]]:
        """What the teachers said of each training example, by its number."""

        def taught(frozen: Any, batch: Any) -> list[Outputs]:
            return [Outputs(jnp.take(said, batch.index, axis=0)) for said in frozen["stored"]]

        return taught, {"stored": tuple(load.stored(name) for name in self.teachers)}

    def _read(self, work: Work, probe: Probe) -> Work:
        """Before the first step: the teacher's text in place of a share of the training text."""
        del probe
        block = BLOCK * work.signature.input_shape[0]
        own, text = (np.asarray(tokens) for tokens in (work.data["tokens"], work.frozen["text"]))
        mixed = jnp.asarray(blend(own, text, self.mix, block))
        return replace(work, data=work.data | {"tokens": mixed})


def blend(tokens: np.ndarray, text: np.ndarray, share: float, block: int) -> np.ndarray:
    """`tokens` with a share of its blocks, evenly spread, taken from `text` one after another.

    tokens: (tokens,); text: (amount,), begun again where it ends.
    """
    place = np.arange(len(tokens))
    passed = np.floor(place // block * share)
    taken = np.floor((place // block + 1) * share) > passed
    source = (passed * block + place % block).astype(np.int64) % len(text)
    return np.where(taken, text[source], tokens)
