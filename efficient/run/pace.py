"""How fast a run goes on this machine: predicted from its calibration, before anything compiles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from efficient.config import ConfigError
from efficient.ledger.bill import Calibration
from efficient.predict.seconds import Seconds, predict_seconds


@dataclass(frozen=True)
class Pace:
    """A calibrated machine. power_w: of everything in it, None where unknown."""

    calibration: Calibration
    platform: str
    power_w: float | None

    def seconds(self, jaxpr: Any, steps: int) -> Seconds:
        """Of one of the `steps` of a traced chunk; no range where it holds work of unknown time."""
        return predict_seconds(jaxpr, steps, self.calibration, self.platform)

    def step_s(self, jaxpr: Any, steps: int) -> float:
        """The central prediction for one step.

        Raises:
            ConfigError: the program holds work that has no known time.
        """
        found = self.seconds(jaxpr, steps)
        if found.range is None:
            raise ConfigError(
                f"train_for in seconds or kWh needs a step whose time is known, but "
                f"{', '.join(found.unpriced)} has none; give steps or epochs"
            )
        return found.central

    def watts(self) -> float:
        """Average power.

        Raises:
            ConfigError: it is unknown.
        """
        if self.power_w is None:
            raise ConfigError(
                "train_for in kWh needs the power of this machine, which no table has; "
                "give --power-w"
            )
        return self.power_w
