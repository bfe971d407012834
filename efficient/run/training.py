"""A run between chunks: phases, points, checkpoints, and what each of them is charged."""

from __future__ import annotations

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
from efficient.ledger.bill import Process
from efficient.ledger.record import FINISHED, INTERRUPTED, NONFINITE, OVER_BUDGET, Score
from efficient.run.attempt import DIARY, Attempt, Progress
from efficient.run.build import Built
from efficient.run.curve import CURVE, Curve
from efficient.run.spending import Spending
from efficient.train import checkpoint
from efficient.train.loop import Compiled, Evaluation, Stretch
from efficient.train.probe import Probe
from efficient.train.step import TrainState
from efficient.variants import Phase, Work

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

    phase: index of the last phase that was entered; limit: says in words which limit of a budget
    the processes have reached, empty while they may go on.
    """

    built: Built
    attempt: Attempt
    spending: Spending
    observe: Callable[[Progress], None]
    limit: Callable[[tuple[Process, ...]], str]
    state: TrainState
    effective: Effective
    validation: Evaluation
    curve: Curve
    kept: dict[str, Any] = field(default_factory=dict)
    phase: int = -1
    step: int = 0
    resumed: int = 0
    best: Best | None = None
    chunks: dict[int, Compiled] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    caught: list[int] = field(default_factory=list)
    saved_s: float = field(default_factory=time.perf_counter)

    @classmethod
    def begin(cls, built: Built, attempt: Attempt, spending: Spending, observe, limit) -> Training:
        """At the newest intact checkpoint, or at the first step."""
        counts = built.model_count
        effective = Effective(counts.layers, counts.unpriced, built.names, built.composition.params)
        run = cls(
            built,
            attempt,
            spending,
            observe,
            limit,
            built.initial(),
            effective,
            built.evaluation("validation"),
            Curve(attempt.directory / CURVE),
        )
        with run.clock.lap("checkpoint"):
            run._restore()
        return run

    @property
    def clock(self) -> Clock:
        return self.spending.clock

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

    def weights(self) -> tuple[Any, Any]:
        """The selected `(params, rest)`."""
        if self.built.config.select == "best" and self.best is not None:
            return self.best.params, self.best.rest
        return self.state.params, self.state.rest

    def score(self, evaluation: Evaluation, weights: Any) -> tuple[Score, Any]:
        """A split's score and its measures by example; the evaluation is charged."""
        with self.clock.lap("eval"):
            measures = evaluation.run(weights)
        self.spending.charge("flops_eval", executed(evaluation.compiled, self.built.platform))
        units = float(measures.weight.sum(dtype=np.float64))
        loss = float(measures.loss.sum(dtype=np.float64)) / units
        accuracy = float(measures.correct.sum(dtype=np.float64)) / units
        return Score(loss, accuracy, round(units)), measures

    def journal(self, outcome: str) -> tuple[Process, ...]:
        """Write down what this process has spent; the bills of all processes of the attempt."""
        processes = self.spending.processes(outcome)
        self.attempt.journal(processes[-1])
        return processes

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
        self.spending.charge("flops_scoring", probe.flops)
        self.save()

    def _train(self, phase: Phase, end: int) -> str:
        """The chunks of one phase."""
        loop = self.built.loop()
        with self.clock.lap("compile"):
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
            self.state, self.step = loop.state, stretch.step
            self.spending.steps += stretch.steps
            self.spending.charge("flops_executed", cost[stretch.steps])
            if not stretch.finite:
                first = stretch.first_nonfinite
                return self._stop(NONFINITE, f"the loss is not finite from step {first} on")
            self.effective.add(stretch.kept)
            score = self._validate(stretch)
            if score is not None and not math.isfinite(score.loss):
                note = f"the validation loss is not finite at step {self.step}"
                return self._stop(NONFINITE, note)
            with self.clock.lap("write"):
                processes = self.journal("killed")
                chunk_s = processes[-1].laps["train"] - before
                self.curve.add(phase.name, stretch, chunk_s, score, processes)
            self._tell(phase, stretch, score)
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

    def _validate(self, stretch: Stretch) -> Score | None:
        """The score on validation, where the curve has one."""
        points, steps = self.built.config.evaluations, self.built.steps
        if stretch.step * points // steps == (stretch.step - stretch.steps) * points // steps:
            return None
        weights = (self.state.params, self.state.rest)
        score, _ = self.score(self.validation, weights)
        kept = int(stretch.kept[-1].sum())
        selects = self.built.config.select == "best" and math.isfinite(score.loss)
        if selects and self._better(kept, score.loss):
            self.best = Best(kept, score.loss, *jax.tree.map(jnp.copy, weights))
        return score

    def _better(self, kept: int, loss: float) -> bool:
        """Whether a point replaces the best: a denser one never beats a sparser one."""
        return self.best is None or (kept, loss) < (self.best.kept, self.best.loss)

    def _tell(self, phase: Phase, stretch: Stretch, score: Score | None) -> None:
        found = f", validation {score}" if score else ""
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
                score=score,
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
        for note in self.notes:
            _log.warning(note)
        if found is None:
            self.curve.restart()
            return
        tree = jax.tree.map(jnp.asarray, {k: v for k, v in found.tree.items() if k != "effective"})
        self.state, self.kept = tree["state"], jax.tree.map(jnp.asarray, found.kept)
        self.effective.restore(found.tree["effective"])
        self.step, self.phase, self.resumed = found.step, found.phase, found.step
        DIARY.info("goes on from step %d, process %d", self.step, self.spending.number)
        if "best" in tree and np.isfinite(found.tree["best"][0][1]):
            kept, loss = found.tree["best"][0].tolist()
            self.best = Best(int(kept), loss, *tree["best"][1:])
        self.curve.restore(self.step)

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
