"""A run between chunks: phases, points, checkpoints, and what each of them is charged."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from efficient.cost.clock import Clock
from efficient.cost.flops import count
from efficient.ledger.bill import Process
from efficient.ledger.record import FINISHED, INTERRUPTED, NONFINITE, OVER_BUDGET, Point, Score
from efficient.run.attempt import DIARY, Attempt, Progress
from efficient.run.build import Built
from efficient.run.curve import CURVE, Curve
from efficient.run.score import total
from efficient.run.spending import Spending
from efficient.run.standing import Standing
from efficient.train.loop import Compiled, Evaluation, Stretch
from efficient.train.step import TrainState
from efficient.variants import Composition, Phase

_log = logging.getLogger(__name__)


@dataclass
class Training:
    """A run between chunks. What of it must survive a kill is in `standing`.

    limit: says in words which limit of a budget the processes have reached, empty while they may
    go on; validation: its evaluation by the program of the phase; scored and validated: the newest
    score on it and the function that it is of.
    """

    attempt: Attempt
    spending: Spending
    observe: Callable[[Progress], None]
    limit: Callable[[tuple[Process, ...]], str]
    standing: Standing
    validation: Evaluation
    curve: Curve
    scored: Score | None = None
    validated: Composition | None = None
    resumed: int = 0
    chunks: dict[int, Compiled] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    caught: list[int] = field(default_factory=list)
    saved_s: float = field(default_factory=time.perf_counter)

    @classmethod
    def begin(cls, built: Built, attempt: Attempt, spending: Spending, observe, limit) -> Training:
        """At the newest intact checkpoint, or at the first step."""
        standing, curve = Standing.begin(built), Curve(attempt.directory / CURVE)
        validation = built.evaluation("validation")
        run = cls(attempt, spending, observe, limit, standing, validation, curve)
        with run.clock.lap("checkpoint"):
            if standing.restore(run._folder, run.notes):
                run.resumed = run.step
                curve.restore(run.step)
                run.scored = curve.points[-1].validation if curve.points else None
                DIARY.info("goes on from step %d, process %d", run.step, spending.number)
            else:
                curve.restart()
        return run

    @property
    def built(self) -> Built:
        """The program of the phase in which the run stands."""
        return self.standing.built

    @property
    def state(self) -> TrainState:
        return self.standing.state

    @property
    def step(self) -> int:
        return self.standing.step

    @property
    def clock(self) -> Clock:
        return self.spending.clock

    def run(self) -> str:
        """Every phase from where it stands; returns the status."""
        end = 0
        for index, phase in enumerate(self.built.plan):
            end += phase.steps
            if index < self.standing.phase:
                continue
            if index > self.standing.phase:
                self._enter(index, phase)
            status = self._train(phase, end) if self.step < end else FINISHED
            if status != FINISHED:
                return status
        return FINISHED

    def score(self, evaluation: Evaluation, weights: Any) -> tuple[Score, Any]:
        """A split's score and its measures by example; the evaluation is charged."""
        with self.clock.lap("eval"):
            measures = evaluation.run(weights)
        self.spending.charge("flops_eval", executed(evaluation.compiled, self.built.platform))
        return total(measures), measures

    def final_validation(self) -> Score:
        """The score on validation of the weights that are selected, by the program at the end."""
        composed = self.built.composition
        if self.validated is not composed or self.standing.best is not None or not self.scored:
            evaluation, weights = self.built.evaluation("validation"), self.standing.selected
            with self.clock.lap("compile"):
                evaluation.prepare(weights)
            self.scored, _ = self.score(evaluation, weights)
        return self.scored

    def journal(self, outcome: str) -> tuple[Process, ...]:
        """Write down what this process has spent; the bills of all processes of the attempt."""
        processes = self.spending.processes(outcome)
        self.attempt.journal(processes[-1])
        return processes

    def _enter(self, index: int, phase: Phase) -> None:
        """Change the work before a phase; what it became is saved before any step of it."""
        with self.clock.lap("build"):
            self.standing.move(index)
        if phase.enter is None:
            return
        probe = self.standing.probe(self.clock)
        with self.clock.lap("build"):
            self.standing.enter(phase, probe)
        self.spending.charge("flops_scoring", probe.flops)
        self.save()

    def _train(self, phase: Phase, end: int) -> str:
        """The chunks of one phase."""
        loop, standing = self.built.loop(), self.standing
        self.validation = self.built.evaluation("validation")
        with self.clock.lap("compile"):
            self.validation.prepare(standing.weights)
            loop.prepare(self.state, end - self.step)
        self.chunks = loop.chunks
        with self.clock.lap("write"):
            self.journal("killed")
        cost = {n: executed(made, self.built.platform) for n, made in loop.chunks.items()}
        stretches = loop.run(self.step, end)
        while self.step < end:
            before = self.clock.laps().get("train", 0.0)
            with self.clock.lap("train"):
                stretch = next(stretches)
            assert loop.state is not None
            standing.state, standing.step = loop.state, stretch.step
            self.spending.steps += stretch.steps
            self.spending.charge("flops_executed", cost[stretch.steps])
            if not stretch.finite:
                first = stretch.first_nonfinite
                return self._stop(NONFINITE, f"the loss is not finite from step {first} on")
            standing.effective.add(stretch.kept)
            score = self._validate(stretch, stretch.step == end)
            if score is not None and not math.isfinite(score.loss):
                note = f"the validation loss is not finite at step {self.step}"
                return self._stop(NONFINITE, note)
            with self.clock.lap("write"):
                processes = self.journal("killed")
                chunk_s = processes[-1].laps["train"] - before
                point = self.curve.add(phase.name, stretch, chunk_s, score, processes)
            self._tell(point, float(stretch.losses[-1]))
            status = self._ends(processes)
            if status:
                return status
            if self.step < self.built.steps and self._checkpoint_due():
                self.save()
        return FINISHED

    def _ends(self, processes: tuple[Process, ...]) -> str:
        """Stop here and go on later: somebody asks for it, or a budget does."""
        reached = "" if self.caught else self.limit(processes)
        if self.step >= self.built.steps or not (self.caught or reached):
            return ""
        self.save()
        if self.caught:
            self.journal(INTERRUPTED)
            return INTERRUPTED
        return self._stop(OVER_BUDGET, f"stopped at step {self.step}: {reached}")

    def _stop(self, status: str, note: str) -> str:
        self.notes.append(note)
        self.journal(status)
        return status

    def _validate(self, stretch: Stretch, last: bool) -> Score | None:
        """The score on validation, where the curve has one, and at the end of every phase."""
        points, steps = self.built.config.evaluations, self.built.steps
        before = (stretch.step - stretch.steps) * points // steps
        if stretch.step * points // steps == before and not last:
            return None
        score, _ = self.score(self.validation, self.standing.weights)
        self.scored, self.validated = score, self.built.composition
        if self.built.config.select == "best" and math.isfinite(score.loss):
            self.standing.offer(int(stretch.kept[-1].sum()), score.loss)
        return score

    def _tell(self, point: Point, loss: float) -> None:
        found = f", validation {point.validation}" if point.validation else ""
        steps = self.built.steps
        DIARY.info("%s step %d/%d loss %.4f%s", point.phase, point.step, steps, loss, found)
        train_s = self.clock.laps().get("train", 0.0)
        self.observe(
            Progress(self.attempt.run_id, point, steps, loss, train_s, resumed=self.resumed)
        )

    def _checkpoint_due(self) -> bool:
        return time.perf_counter() - self.saved_s >= self.built.config.checkpoint_s

    def save(self) -> None:
        """Write a checkpoint of everything that a resumed run continues from."""
        with self.clock.lap("checkpoint"):
            self.standing.save(self._folder)
        self.saved_s = time.perf_counter()

    @property
    def _folder(self) -> Path:
        return self.attempt.directory / "checkpoints"


def executed(compiled: Compiled | None, platform: str) -> int | None:
    """FLOPs of a compiled program as it runs here."""
    assert compiled is not None
    return count(compiled.jaxpr, platform=platform).total
