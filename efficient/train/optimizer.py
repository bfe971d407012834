"""Update rules and schedules from optax, as data.

Weight decay touches weights of two or more axes only; the clip norm sees the gradient before it.
The schedule spans the whole run, so that it is fully decayed exactly at the last step.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import optax


class OptimizerError(ValueError):
    """A setting that no optimizer has: one line with the name, the value and the remedy."""


@dataclass(frozen=True)
class Schedule:
    """Learning rate as a share of its peak.

    name: constant, cosine, linear, step (a tenth at one half and at three quarters) or one_cycle;
    warmup: fraction of the run in which the rate rises linearly; end: share left at the end of
    cosine and linear.
    """

    name: str = "cosine"
    warmup: float = 0.0
    end: float = 0.0

    def build(self, peak: float, steps: int) -> optax.Schedule:
        """A function from the step to the rate, for a run of `steps`."""
        if self.name not in _SCHEDULES:
            raise OptimizerError(
                f"schedule {self.name!r} is unknown; choose one of {', '.join(_SCHEDULES)}"
            )
        if not 0 <= self.warmup < 1:
            raise OptimizerError(f"warmup {self.warmup} is not a fraction of the run in [0, 1)")
        rising = round(self.warmup * steps)
        shape = _SCHEDULES[self.name](peak, max(1, steps - rising), self.end)
        if not rising:
            return shape
        ramp = optax.linear_schedule(peak / rising, peak, max(1, rising - 1))
        return optax.join_schedules([ramp, shape], [rising])


@dataclass(frozen=True)
class Optimizer:
    """The update rule: sgd, adam, adamw or muon.

    `momentum` and `nesterov` are read by sgd; `b1`, `b2`, `eps` by adam, adamw and by muon for
    what is not a matrix. `weight_decay` is decoupled in adamw and muon and added to the gradient
    in sgd and adam (L2). `clip_norm` 0 means no clipping.
    """

    name: str = "adamw"
    lr: float = 1e-3
    schedule: Schedule = Schedule()
    momentum: float = 0.9
    nesterov: bool = False
    b1: float = 0.9
    b2: float = 0.999
    eps: float = 1e-8
    weight_decay: float = 0.0
    clip_norm: float = 0.0

    def build(self, steps: int) -> optax.GradientTransformation:
        """The optax transformation for a run of `steps`."""
        if self.name not in _RULES:
            raise OptimizerError(
                f"optimizer {self.name!r} is unknown; choose one of {', '.join(_RULES)}"
            )
        if self.lr <= 0:
            raise OptimizerError(f"optimizer lr {self.lr} must be above 0")
        rule = _RULES[self.name](self, self.schedule.build(self.lr, steps))
        if self.clip_norm:
            return optax.chain(optax.clip_by_global_norm(self.clip_norm), rule)
        return rule


def _one_cycle(peak: float, steps: int, end: float) -> optax.Schedule:
    return optax.cosine_onecycle_schedule(steps, peak)


_SCHEDULES = {
    "constant": lambda peak, steps, end: optax.constant_schedule(peak),
    "cosine": lambda peak, steps, end: optax.cosine_decay_schedule(peak, steps, end),
    "linear": lambda peak, steps, end: optax.linear_schedule(peak, peak * end, steps),
    "step": lambda peak, steps, end: optax.piecewise_constant_schedule(
        peak, {steps // 2: 0.1, steps * 3 // 4: 0.1}
    ),
    "one_cycle": _one_cycle,
}


def _matrices(params) -> object:
    """Which weights are decayed: those of two or more axes."""
    return jax.tree.map(lambda x: jnp.ndim(x) >= 2, params)


def _l2(config: Optimizer, rule: optax.GradientTransformation) -> optax.GradientTransformation:
    if not config.weight_decay:
        return rule
    return optax.chain(optax.add_decayed_weights(config.weight_decay, _matrices), rule)


_RULES = {
    "sgd": lambda c, lr: _l2(c, optax.sgd(lr, c.momentum or None, c.nesterov)),
    "adam": lambda c, lr: _l2(c, optax.adam(lr, c.b1, c.b2, c.eps)),
    "adamw": lambda c, lr: optax.adamw(
        lr, c.b1, c.b2, c.eps, weight_decay=c.weight_decay, mask=_matrices
    ),
    "muon": lambda c, lr: optax.contrib.muon(
        lr,
        beta=c.momentum,
        weight_decay=c.weight_decay,
        weight_decay_mask=_matrices,
        adam_b1=c.b1,
        adam_b2=c.b2,
    ),
}
