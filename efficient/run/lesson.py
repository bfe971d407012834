"""What teachers say beforehand: their outputs for every training example, or a text of theirs.

A lesson is computed once, before the first step of the first run that needs it, and charged to
that run (the lap `scoring`, `flops_scoring`). It is kept beside the teacher and reused by every
later run, whose evidence says who has paid: `lesson_paid_by`, `lesson_flops`, `lesson_s`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from efficient.config import untyped
from efficient.cost.flops import count
from efficient.data import Dataset
from efficient.deploy import read
from efficient.deploy.format import load_arrays, save_arrays
from efficient.ledger.codec import RecordError
from efficient.ledger.store import digest_file, digest_json, read_json, write_json
from efficient.models.generation import generate
from efficient.models.signature import Signature
from efficient.run.attempt import DIARY
from efficient.run.parent import WEIGHTS, finished, is_artefact, load, tapped
from efficient.train.loop import Evaluation, compile_ahead
from efficient.variants import Outputs, VariantError
from efficient.workloads import WORKLOADS

FOLDER, ARRAY = "lessons", "lesson"
OUTPUTS, TEXT = "outputs", "text"
#: Texts that a teacher writes side by side, and the least length of one in contexts.
STREAMS, CONTEXTS = 64, 4


@dataclass(frozen=True)
class Lesson:
    """One teacher's, for one training split.

    run: the teacher; kind: outputs or text; settings: of the sampling; path: of its file, which
    is named by all that it depends on.
    """

    run: str
    kind: str
    settings: tuple[float, ...]
    path: Path

    @property
    def card(self) -> Path:
        """Says what it has cost, and seals it."""
        return self.path.with_suffix(".json")


@dataclass
class Teachers:
    """Other runs' models, and their lessons.

    paid: the cards of the lessons that were asked for; missing: lessons that nobody has computed
    yet, with the shapes that stand for them.
    """

    out: Path
    signature: Signature
    workload: Any
    dataset: Dataset
    paid: dict[Lesson, dict[str, Any]] = field(default_factory=dict)
    missing: dict[Lesson, Any] = field(default_factory=dict)

    def __call__(self, run: str) -> tuple[Callable[[Any, jax.Array], jax.Array], Any]:
        """`apply(weights, inputs) -> logits` of a run or an artefact, and its weights."""
        self._same_language(run)
        return load(self.out, run, self.signature)

    def tapped(
        self, run: str, layers: tuple[str, ...]
    ) -> tuple[Callable[[Any, jax.Array], Outputs], Any]:
        """As `__call__`, with what these layers give."""
        self._same_language(run)
        return tapped(self.out, run, self.signature, layers)

    def stored(self, run: str) -> Any:
        """(examples, classes) float32 logits; only their shape where nobody has computed them.

        Raises:
            VariantError: the examples are a text's.
        """
        if self.signature.kind == "text":
            raise VariantError(
                "distill stored=true fits images only: the windows of a text are shifted at random "
                "in every epoch, so no stored output belongs to them; drop stored"
            )
        examples = self.workload.examples(self.dataset, "train")
        return self._ask(run, OUTPUTS, (), (examples, self.signature.classes), np.float32)

    def sampled(self, run: str, temperature: float, amount: int) -> Any:
        """(amount,) tokens of a teacher's text; likewise.

        Raises:
            VariantError: the workload is of images.
        """
        if self.signature.kind != "text":
            raise VariantError(
                f"distill level=sequence needs a language model, and {self.dataset.name!r} holds "
                "images; use level=token"
            )
        dtype = self.dataset.splits["train"]["tokens"].dtype
        return self._ask(run, TEXT, (temperature, amount), (amount,), dtype)

    @property
    def evidence(self) -> dict[str, float | int | str]:
        """Who has paid for the lessons, and how much; empty where there are none."""
        if not self.paid:
            return {}
        cards = self.paid.values()
        found = {
            "lesson_paid_by": " ".join(sorted({card["paid_by"] for card in cards})),
            "lesson_s": sum(card["seconds"] for card in cards),
        }
        flops = [card["flops"] for card in cards]
        return found if None in flops else found | {"lesson_flops": sum(flops)}

    def prepare(self, training: Any) -> None:
        """Compute what is missing at the expense of a `run.training.Training` that has not begun,
        and give it to the objective."""
        built, found = training.built, {}
        for lesson, shape in self.missing.items():
            DIARY.info("asks %s for its %s", lesson.run, lesson.kind)
            begun = time.perf_counter()
            with training.clock.lap("scoring"):
                array, jaxpr = KINDS[lesson.kind](self, lesson, built)
            flops = count(jaxpr, platform=built.platform).total
            seconds = time.perf_counter() - begun
            training.spending.charge("flops_scoring", flops)
            with training.clock.lap("write"):
                training.journal("killed")
                bill = {"paid_by": training.attempt.run_id, "flops": flops, "seconds": seconds}
                self._keep(lesson, array, bill)
            found[id(shape)] = jnp.asarray(array)
        self.missing.clear()
        built.frozen = jax.tree.map(lambda leaf: found.get(id(leaf), leaf), built.frozen)

    def _ask(
        self, run: str, kind: str, settings: tuple[float, ...], shape: tuple[int, ...], dtype: Any
    ) -> Any:
        """The array of a lesson, or the shape that stands for it; a damaged file does not count."""
        self._same_language(run)
        lesson = self._lesson(run, kind, settings)
        try:
            card = read_json(lesson.card)
            intact = card["sha256"] == digest_file(lesson.path)
        except (OSError, RecordError, KeyError):
            intact = False
        if not intact:
            return self.missing.setdefault(lesson, jax.ShapeDtypeStruct(shape, dtype))
        self.paid[lesson] = card
        return jnp.asarray(load_arrays(lesson.path)[ARRAY])

    def _lesson(self, run: str, kind: str, settings: tuple[float, ...]) -> Lesson:
        if is_artefact(run):
            home = Path(run).with_name(f"{Path(run).name}-{FOLDER}")
            weights = Path(run) / WEIGHTS
        else:
            _, directory = finished(self.out, run, "teacher")
            home, weights = directory / FOLDER, directory / WEIGHTS
        workload = untyped(WORKLOADS, self.workload)
        parts = [digest_file(weights), self.dataset.fingerprint, workload, kind, settings]
        return Lesson(run, kind, settings, home / f"{kind}-{digest_json(parts)[:16]}.safetensors")

    def _keep(self, lesson: Lesson, array: np.ndarray, bill: dict[str, Any]) -> None:
        save_arrays(lesson.path, {ARRAY: array})
        said = {"teacher": lesson.run, "kind": lesson.kind, "settings": lesson.settings}
        card = {"sha256": digest_file(lesson.path), **said, **bill}
        write_json(lesson.card, card)
        self.paid[lesson] = card

    def _same_language(self, run: str) -> None:
        """Refuse a teacher whose tokens are other characters, though as many."""
        if self.signature.kind != "text":
            return
        if is_artefact(run):
            name = read(Path(run))[1]["workload"]["data"]
            same = name == self.dataset.name
        else:
            data = finished(self.out, run, "teacher")[0].data
            name = data.name
            same = data.details.get("vocabulary") == self.dataset.details.get("vocabulary")
        if not same:
            raise VariantError(
                f"teacher {run} reads the vocabulary of {name!r}, this run that of "
                f"{self.dataset.name!r}; choose a teacher of this workload"
            )


def _outputs(teachers: Teachers, lesson: Lesson, built: Any) -> tuple[np.ndarray, Any]:
    """Logits of every training example in its stored order, and the program that gave them."""
    apply, weights = teachers(lesson.run)
    evaluation = Evaluation(
        lambda weights, batch: apply(weights, batch.inputs),
        built.config.workload.window,
        built.data,
        built.examples,
        min(built.config.eval_batch_size, built.examples),
    )
    evaluation.prepare(weights)
    assert evaluation.compiled is not None
    return evaluation.run(weights), evaluation.compiled.jaxpr


def _text(teachers: Teachers, lesson: Lesson, built: Any) -> tuple[np.ndarray, Any]:
    """What a teacher writes, as several texts side by side that begin like the training text."""
    temperature, amount = lesson.settings[0], int(lesson.settings[1])
    apply, weights = teachers(lesson.run)
    context = teachers.signature.input_shape[0]
    streams = max(1, min(STREAMS, amount // (CONTEXTS * context)))
    steps, prompt = -(-amount // streams), max(1, context // 2)
    tokens = np.asarray(built.data["tokens"])
    begins = np.arange(streams) * (len(tokens) - prompt) // streams
    prompts = jnp.asarray(tokens[begins[:, None] + np.arange(prompt)[None]], jnp.int32)

    def write(weights: Any, prompts: jax.Array, key: jax.Array) -> jax.Array:
        return generate(
            lambda inputs: apply(weights, inputs),
            prompts,
            steps,
            jax.random.wrap_key_data(key, impl="threefry2x32"),
            context=context,
            temperature=temperature,
        )

    arguments = (weights, prompts, jnp.zeros(2, jnp.uint32))
    compiled = compile_ahead(write, *arguments)
    written = jax.device_get(compiled.run(*arguments))[:, prompt:]
    return written.ravel()[:amount].astype(tokens.dtype), compiled.jaxpr


KINDS = {OUTPUTS: _outputs, TEXT: _text}
