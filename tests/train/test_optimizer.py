"""Schedules span the run exactly; settings that no optimizer has are refused in one line."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from efficient.train.optimizer import Optimizer, OptimizerError, Schedule

PEAK, STEPS = 0.5, 200


def _rates(schedule: Schedule, steps: int = STEPS) -> np.ndarray:
    """Rates of updates 0 to `steps`; the last one is where the schedule ends."""
    rate = schedule.build(PEAK, steps)
    return np.asarray(jax.vmap(lambda step: jnp.float32(rate(step)))(jnp.arange(steps + 1)))


def test_constant():
    assert (_rates(Schedule("constant")) == PEAK).all()


@pytest.mark.parametrize("end", [0.0, 0.1])
def test_cosine(end):
    share = [0.5 * (1 + math.cos(math.pi * i / STEPS)) for i in range(STEPS + 1)]
    expected = PEAK * (end + (1 - end) * np.array(share))
    np.testing.assert_allclose(_rates(Schedule("cosine", end=end)), expected, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("end", [0.0, 0.1])
def test_linear(end):
    expected = PEAK * np.linspace(1, end, STEPS + 1)
    np.testing.assert_allclose(_rates(Schedule("linear", end=end)), expected, rtol=1e-4, atol=1e-7)


def test_step():
    rates = _rates(Schedule("step"))
    np.testing.assert_allclose(rates[:100], PEAK)
    np.testing.assert_allclose(rates[100:150], PEAK / 10, rtol=1e-6)
    np.testing.assert_allclose(rates[150:], PEAK / 100, rtol=1e-6)


def test_one_cycle():
    rates = _rates(Schedule("one_cycle"))
    assert rates.max() == pytest.approx(PEAK)
    assert 0.2 * STEPS < rates.argmax() < 0.4 * STEPS
    assert rates[0] < 0.1 * PEAK
    assert rates[STEPS] < 1e-4 * PEAK


@pytest.mark.parametrize("name", ["cosine", "linear", "one_cycle"])
@pytest.mark.parametrize("warmup", [0.0, 0.1])
@pytest.mark.parametrize("steps", [24, 200])
def test_the_schedule_is_decayed_exactly_where_the_run_ends(name, warmup, steps):
    """Still above its end before the last update, at its end after it."""
    rates = _rates(Schedule(name, warmup=warmup), steps)
    assert rates[steps] < 1e-4 * PEAK < rates[steps - 2]
    assert (np.diff(rates[steps // 2 :]) < 0).all()
    assert rates[steps - 1] < 5 * PEAK / steps


@pytest.mark.parametrize("steps", [10, 24, 200])
def test_warm_up_rises_to_the_peak_and_hands_over(steps):
    rates, rising = _rates(Schedule("cosine", warmup=0.2), steps), round(0.2 * steps)
    assert rates[0] == pytest.approx(PEAK / rising)
    assert rates[rising - 1] == rates[rising] == pytest.approx(PEAK)
    np.testing.assert_allclose(
        np.diff(rates[:rising]), (PEAK - PEAK / rising) / (rising - 1), rtol=1e-3
    )
    assert (np.diff(rates[rising:]) < 0).all()


@pytest.mark.parametrize(
    "setting, words",
    [
        (Optimizer("lion"), "lion"),
        (Optimizer(lr=0), "lr 0"),
        (Optimizer(lr=-1.0), "lr -1.0"),
        (Optimizer(schedule=Schedule("polynomial")), "polynomial"),
        (Optimizer(schedule=Schedule(warmup=1.0)), "warmup 1.0"),
    ],
)
def test_unknown_settings_are_refused_in_one_line(setting, words):
    with pytest.raises(OptimizerError, match=words) as caught:
        setting.build(STEPS)
    assert "\n" not in str(caught.value)
