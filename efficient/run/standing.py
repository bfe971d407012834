"""Where a run stands: the phase, the weights, and all that a resumed run goes on from."""

from __future__ import annotations

import dataclasses
import functools
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from efficient.config import typed, untyped
from efficient.cost.clock import Clock
from efficient.cost.effective import Effective
from efficient.models.network import NETWORKS
from efficient.run.build import Built
from efficient.train import checkpoint
from efficient.train.probe import Probe
from efficient.train.step import TrainState, graft
from efficient.variants import Phase, Work

_log = logging.getLogger(__name__)


class Best(NamedTuple):
    """The weights with the lowest loss on validation among those with the fewest kept entries.

    masks: of the pruned weights by name, as they were then.
    """

    kept: int
    loss: float
    params: Any
    rest: Any
    masks: dict[str, Any]


@dataclass
class Standing:
    """The part of a run that checkpoints hold.

    built: the program of the phase; phase: index of the last phase that was entered, -1 before
    the first; kept: what variants keep for later phases; replaced: arrays of the data and of what
    the objective reads that a phase put in the place of others; best: where weights are selected.
    """

    built: Built
    state: TrainState
    effective: Effective
    kept: dict[str, Any] = field(default_factory=dict)
    replaced: dict[str, dict[str, Any]] = field(default_factory=dict)
    phase: int = -1
    step: int = 0
    best: Best | None = None

    @classmethod
    def begin(cls, built: Built) -> Standing:
        """Before the first step."""
        return cls(built, built.initial(), _effective(built))

    @property
    def weights(self) -> tuple[Any, Any]:
        """The `(params, rest)` as they are."""
        return self.state.params, self.state.rest

    @property
    def selected(self) -> tuple[Any, Any]:
        """The `(params, rest)` that count."""
        chosen = self.best if self.best is not None else self.state
        return chosen.params, chosen.rest

    @property
    def masks(self) -> dict[str, Any]:
        """By name of a pruned weight, which entries of the weights that count are present."""
        return masks_of(self.state) if self.best is None else self.best.masks

    def probe(self, clock: Clock) -> Probe:
        """What a phase may measure on the weights as they are; its seconds go to `clock`."""
        built = self.built

        def loss_of(params, rest, batch):
            outputs, _ = built.program.apply(params, rest, batch.inputs)
            return built.program.objective(outputs, batch, built.frozen)

        return Probe(
            loss_of=loss_of,
            apply=built.program.apply,
            window=built.config.workload.window,
            data=built.data,
            rest=self.state.rest,
            examples=built.examples,
            batch_size=built.config.batch_size,
            clock=clock,
            platform=built.platform,
        )

    def enter(self, phase: Phase, probe: Probe) -> None:
        """Change the work before a phase."""
        assert phase.enter is not None
        built, state = self.built, self.state
        data, frozen = built.data, built.frozen
        rehearse = functools.partial(built.at, len(built.plan) - 1)
        given = (data, frozen, self.kept, built.key, rehearse)
        work = Work(built.spec, built.signature, *state[2:], *given)
        work = phase.enter(work, probe)
        self.kept = jax.tree.map(jnp.copy, work.kept)  # the state's buffers are donated
        self._replace(work.data, work.frozen)
        if work.params is not state.params or work.rest is not state.rest:
            self.best = None  # what was selected has not been through this
        state = state._replace(params=work.params, rest=work.rest, opt_state=work.opt_state)
        self._go_on(self.built.at(self.phase, work.spec), state)

    def move(self, phase: int) -> None:
        """Go on with the program of a phase; one without steps begins with the selected weights."""
        state = self.state
        if not self.built.plan[phase].steps:
            params, rest = self.selected
            opt_state = state.opt_state
            if masks := self.masks:
                opt_state = optax.tree.set(opt_state, masks=masks)
            state = state._replace(params=params, rest=rest, opt_state=opt_state)
        self.phase = phase
        self._go_on(self.built.at(phase, self.built.spec), state)

    def offer(self, kept: int, loss: float) -> None:
        """Select the weights as they are, unless better ones are: a denser one never is."""
        if self.best is None or (kept, loss) < (self.best.kept, self.best.loss):
            selected = (*self.weights, masks_of(self.state))
            self.best = Best(kept, loss, *jax.tree.map(jnp.copy, selected))

    def save(self, folder: Path) -> None:
        """Write a checkpoint of everything that a resumed run continues from."""
        spec = untyped(NETWORKS, self.built.spec)
        kept = {"kept": self.kept, **self.replaced}
        checkpoint.save(folder, self.step, self.phase, self._tree(), kept, spec)

    def restore(self, folder: Path, notes: list[str]) -> bool:
        """Stand where the newest intact checkpoint was taken; whether there is one.

        What is damaged is added to `notes`.
        """
        first = self.built
        found = checkpoint.newest(folder, self._template, notes)
        for note in notes:
            _log.warning(note)
        if found is None:
            self._begin_anew(first)
            return False
        tree, kept = jax.tree.map(jnp.asarray, (found.tree["state"], found.kept))
        self.state, self.kept = tree, kept.get("kept", {})
        data, frozen = kept.get("data", {}), kept.get("frozen", {})
        self._replace(self.built.data | data, self.built.frozen | frozen)
        self.effective.restore(found.tree["effective"])
        self.step, self.phase = found.step, found.phase
        if "best" in found.tree and np.isfinite(found.tree["best"][0][1]):
            (count, loss), *selected = found.tree["best"]
            self.best = Best(int(count), float(loss), *jax.tree.map(jnp.asarray, selected))
        return True

    def _go_on(self, built: Built, state: TrainState) -> None:
        """The same state in another program, where it is another."""
        before, self.built, self.state = self.built, built, state
        if built.composition is not before.composition:
            self.state = graft(built.initial(), state)
            dense = before.composition.dense_gradient_steps(before.steps, self.step)
            self.effective.move(built.model_count, built.names, built.composition.params, dense)
            self.best = None

    def _replace(self, data: dict[str, Any], frozen: dict[str, Any]) -> None:
        """Train on other arrays; they are in the checkpoints from now on."""
        built = self.built
        for name, old, new in (("data", built.data, data), ("frozen", built.frozen, frozen)):
            changed = {key: array for key, array in new.items() if array is not old.get(key)}
            if changed:
                self.replaced[name] = self.replaced.get(name, {}) | changed
        self.built = dataclasses.replace(built, data=data, frozen=frozen)

    def _begin_anew(self, built: Built) -> None:
        self.built, self.state, self.effective = built, built.initial(), _effective(built)

    def _template(self, phase: int, spec: Any) -> dict[str, Any]:
        """A tree as this run saves it in a phase, with a network of these sizes."""
        self._begin_anew(self.built.at(phase, typed(NETWORKS, spec, "checkpoint")))
        return self._tree()

    def _tree(self) -> dict[str, Any]:
        tree = {"state": self.state, "effective": self.effective.state()}
        if self.built.config.select == "best":
            best = self.best or Best(0, np.inf, *self.weights, masks_of(self.state))
            tree["best"] = (np.array([best.kept, best.loss]), *best[2:])
        return tree


def masks_of(state: TrainState) -> dict[str, Any]:
    """By name of a pruned weight, which entries are present; empty without pruning."""
    return optax.tree.get(state.opt_state, "masks", default={})


def _effective(built: Built) -> Effective:
    return Effective(built.model_count, built.names, built.composition.params)
