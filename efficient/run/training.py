"""A run between chunks: phases, points, checkpoints, and what each of them is charged."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from efficient.cost.clock import Clock
from efficient.cost.effective import Effective
from efficient.cost.flops import count
from efficient.ledger.codec import from_dict, to_dict
from efficient.ledger.record import FINISHED, INTERRUPTED, NONFINITE, Point, Score
from efficient.ledger.store import append_line, read_lines, write_text
from efficient.run.attempt import DIARY, FLOPS, Attempt, Progress
from efficient.run.build import Built
from efficient.train import checkpoint
from efficient.train.loop import Compiled, Evaluation, Stretch
from efficient.train.probe import Probe
from efficient.train.step import TrainState
from efficient.variants import Phase, Work

CURVE = "curve.jsonl"
_log = logging.getLogger(__name__)


class Best(NamedTuple):
    """The weights with the lowest loss on validation among those with the fewest kept entries."""

    kept: int
    loss: float
    params: Any
    rest: Any


@dataclass
class Training:
    """A run between chunks. What of it must survive a kill is in the checkpoints.

    phase: index of the last phase that was entered; steps_run: by this process, repeated ones
    included; flops_*: by this process, None once something could not be counted.
    """

    built: Built
    attempt: Attempt
    clock: Clock
    observe: Callable[[Progress], None]
    state: TrainState
    effective: Effective
    validation: Evaluation
    kept: dict[str, Any] = field(default_factory=dict)
    phase: int = -1
    step: int = 0
    resumed: int = 0
    points: list[Point] = field(default_factory=list)
    best: Best | None = None
    steps_run: int = 0
    flops: dict[str, int | None] = field(default_factory=lambda: dict.fromkeys(FLOPS, 0))
    notes: list[str] = field(default_factory=list)
    caught: list[int] = field(default_factory=list)
    saved_s: float = field(default_factory=time.perf_counter)

    @classmethod
    def begin(cls, built: Built, attempt: Attempt, clock: Clock, observe) -> Training:
        """At the newest intact checkpoint, or at the first step."""
        counts = built.model_count
        effective = Effective(counts.layers, counts.unpriced, built.names, built.composition.params)
        run = cls(
            built,
            attempt,
            clock,
            observe,
            built.initial(),
            effective,
            built.evaluation("validation"),
        )
        with clock.lap("checkpoint"):
            run._restore()
        return run

    def run(self) -> str:
        """Every phase from where it stands; returns the status."""
        with self.clock.lap("compile"):
            self.validation.prepare((self.state.params, self.state.rest))
        end = 0
        for index, phase in enumerate(self.built.plan):
            end += phase.steps
            if index < self.phase:
                continue
            if index > self.phase:
                self._enter(index, phase)
            status = self._train(phase, end)
            if status != FINISHED:
                return status
        return FINISHED

    def charge(self, name: str, flops: int | None) -> None:
        """Add to this process's bill."""
        known = self.flops[name]
        self.flops[name] = None if known is None or flops is None else known + flops

    def weights(self) -> tuple[Any, Any]:
        """The selected `(params, rest)`."""
        if self.built.config.select == "best" and self.best is not None:
            return self.best.params, self.best.rest
        return self.state.params, self.state.rest

    def score(self, evaluation: Evaluation, weights: Any) -> tuple[Score, Any]:
        """A split's score and its measures by example; the evaluation is charged."""
        with self.clock.lap("eval"):
            measures = evaluation.run(weights)
        self.charge("flops_eval", executed(evaluation.compiled, self.built.platform))
        units = float(measures.weight.sum(dtype=np.float64))
        loss = float(measures.loss.sum(dtype=np.float64)) / units
        accuracy = float(measures.correct.sum(dtype=np.float64)) / units
        return Score(loss, accuracy, round(units)), measures

    def journal(self, outcome: str) -> None:
        self.attempt.journal(self.clock, self.steps_run, self.flops, outcome)

    def _enter(self, index: int, phase: Phase) -> None:
        """Change the work before a phase; what it became is saved before any step of it."""
        self.phase = index
        if phase.enter is None:
            return
        state = self.state
        probe = self._probe()
        with self.clock.lap("build"):
            work = phase.enter(Work(state.params, state.rest, state.opt_state, self.kept), probe)
        self.kept = jax.tree.map(jnp.copy, work.kept)  # the state's buffers are donated
        self.state = state._replace(params=work.params, rest=work.rest, opt_state=work.opt_state)
        self.charge("flops_scoring", probe.flops)
        self.save()

    def _train(self, phase: Phase, end: int) -> str:
        """The chunks of one phase."""
        loop = self.built.loop()
        with self.clock.lap("compile"):
            loop.prepare(self.state, end - self.step)
        with self.clock.lap("write"):
            self.journal("killed")
        cost = {n: executed(made, self.built.platform) for n, made in loop.chunks.items()}
        stretches = loop.run(self.step, end)
        while self.step < end:
            with self.clock.lap("train"):
                stretch = next(stretches)
            assert loop.state is not None
            self.state, self.step = loop.state, stretch.step
            self.steps_run += stretch.steps
            self.charge("flops_executed", cost[stretch.steps])
            if not stretch.finite:
                first = stretch.first_nonfinite
                return self._nonfinite(f"the loss is not finite from step {first} on")
            self.effective.add(stretch.kept)
            point = self._point(phase, stretch)
            if point is not None and not _finite(point):
                return self._nonfinite(f"the validation loss is not finite at step {self.step}")
            with self.clock.lap("write"):
                self.journal("killed")
            self._tell(phase, stretch, point)
            if self.caught and self.step < self.built.steps:
                self.save()
                self.journal(INTERRUPTED)
                return INTERRUPTED
            if self.step < self.built.steps and self._checkpoint_due():
                self.save()
        return FINISHED

    def _nonfinite(self, note: str) -> str:
        self.notes.append(note)
        self.journal(NONFINITE)
        return NONFINITE

    def _point(self, phase: Phase, stretch: Stretch) -> Point | None:
        """Score on validation where the curve has a point."""
        points, steps = self.built.config.evaluations, self.built.steps
        if stretch.step * points // steps == (stretch.step - stretch.steps) * points // steps:
            return None
        weights = (self.state.params, self.state.rest)
        score, _ = self.score(self.validation, weights)
        earlier = self.attempt.processes
        laps = self.clock.laps()
        point = Point(
            step=stretch.step,
            phase=phase.name,
            train_loss=float(stretch.losses.mean(dtype=np.float64)),
            validation=score,
            train_s=laps.get("train", 0.0) + sum(p.laps.get("train", 0.0) for p in earlier),
            total_s=sum(laps.values()) + sum(p.total_s for p in earlier),
            flops_executed=add(self.flops["flops_executed"], *(p.flops_executed for p in earlier)),
        )
        if not _finite(point):
            return point
        self.points.append(point)
        append_line(self.attempt.directory / CURVE, to_dict(point))
        kept = int(stretch.kept[-1].sum())
        if self.built.config.select == "best" and self._better(kept, score.loss):
            self.best = Best(kept, score.loss, *jax.tree.map(jnp.copy, weights))
        return point

    def _better(self, kept: int, loss: float) -> bool:
        """Whether a point replaces the best: a denser one never beats a sparser one."""
        return self.best is None or (kept, loss) < (self.best.kept, self.best.loss)

    def _tell(self, phase: Phase, stretch: Stretch, point: Point | None) -> None:
        found = f", validation {point.validation}" if point else ""
        loss = float(stretch.losses[-1])
        DIARY.info(
            "%s step %d/%d loss %.4f%s", phase.name, self.step, self.built.steps, loss, found
        )
        self.observe(
            Progress(
                run_id=self.attempt.run_id,
                phase=phase.name,
                step=stretch.step,
                steps=self.built.steps,
                loss=loss,
                score=point.validation if point else None,
                train_s=self.clock.laps().get("train", 0.0),
                resumed=self.resumed,
            )
        )

    def _checkpoint_due(self) -> bool:
        return time.perf_counter() - self.saved_s >= self.built.config.checkpoint_s

    def save(self) -> None:
        """Write a checkpoint of everything that a resumed run continues from."""
        with self.clock.lap("checkpoint"):
            checkpoint.save(self._folder, self.step, self.phase, self._tree(), self.kept)
        self.saved_s = time.perf_counter()

    @property
    def _folder(self) -> Path:
        return self.attempt.directory / "checkpoints"

    def _tree(self) -> dict[str, Any]:
        tree = {"state": self.state, "effective": self.effective.state()}
        if self.built.config.select == "best":
            best = self.best or Best(0, np.inf, self.state.params, self.state.rest)
            tree["best"] = (np.array([best.kept, best.loss]), best.params, best.rest)
        return tree

    def _restore(self) -> None:
        found = checkpoint.newest(self._folder, self._tree(), self.notes)
        curve = self.attempt.directory / CURVE
        for note in self.notes:
            _log.warning(note)
        if found is None:
            curve.unlink(missing_ok=True)
            return
        tree = jax.tree.map(jnp.asarray, {k: v for k, v in found.tree.items() if k != "effective"})
        self.state, self.kept = tree["state"], jax.tree.map(jnp.asarray, found.kept)
        self.effective.restore(found.tree["effective"])
        self.step, self.phase, self.resumed = found.step, found.phase, found.step
        DIARY.info("goes on from step %d, process %d", self.step, self.attempt.number)
        if "best" in tree and np.isfinite(found.tree["best"][0][1]):
            kept, loss = found.tree["best"][0].tolist()
            self.best = Best(int(kept), loss, *tree["best"][1:])
        lines = read_lines(curve) if curve.is_file() else []
        lines = [line for line in lines if line["step"] <= self.step]
        self.points = [from_dict(Point, line, CURVE) for line in lines]
        write_text(curve, "".join(json.dumps(line) + "\n" for line in lines))

    def _probe(self) -> Probe:
        built = self.built

        def loss_of(params, rest, batch):
            outputs, _ = built.program.apply(params, rest, batch.inputs)
            return built.program.objective(outputs, batch, built.frozen)

        return Probe(
            loss_of=loss_of,
            window=built.config.workload.window,
            data=built.data,
            rest=self.state.rest,
            examples=built.examples,
            batch_size=built.config.batch_size,
            clock=self.clock,
            platform=built.platform,
        )


def executed(compiled: Compiled | None, platform: str) -> int | None:
    """FLOPs of a compiled program as it runs here."""
    assert compiled is not None
    return count(compiled.jaxpr, platform=platform).total


def add(*counts: int | None) -> int | None:
    """A sum that is unknown as soon as a part is."""
    return None if any(n is None for n in counts) else sum(n for n in counts if n is not None)


def _finite(point: Point) -> bool:
    """Whether the validation loss of a point is a number."""
    return point.validation is not None and math.isfinite(point.validation.loss)
