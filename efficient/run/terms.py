"""Where a run happens and what it may cost. Nothing here changes what it computes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from efficient.config import Config, Duration
from efficient.cost.site import Site
from efficient.ledger.bill import Estimate, Process
from efficient.predict.budget import Amounts, Budget, BudgetError
from efficient.run.spending import add
from efficient.run.venue import Venue


def refuse(complaints: Sequence[str]) -> bool:
    """Nobody is there to agree."""
    return False


@dataclass(frozen=True)
class Terms:
    """site: place, chip, prices; budget: of the whole attempt; measured: calibrate for the peak.

    agree: asked before the first step when the prediction is over the budget or cannot be judged;
    agreed: the answer was given beforehand, and holds for the teachers that are trained first.
    """

    site: Site = field(default_factory=Site.from_environment)
    budget: Budget = field(default_factory=lambda: Budget(()))
    measured: bool = False
    agree: Callable[[Sequence[str]], bool] = refuse
    agreed: bool = False

    @property
    def timed(self) -> bool:
        """Whether the budget limits anything but FLOPs, so that seconds must be predicted."""
        return any(limit.field != "flops_executed" for limit in self.budget.limits)

    def calibrates(self, config: Config) -> bool:
        """Whether this run needs to know how fast the machine is."""
        return self.timed or self.measured or Duration.parse(config.train_for).needs_calibration

    def check(self, estimate: Estimate) -> None:
        """Before anything is compiled.

        Raises:
            BudgetError: the prediction is over the budget and nobody agreed.
        """
        complaints = self.budget.over(estimate)
        if complaints and not self.agree(complaints):
            raise BudgetError(
                f"{'; '.join(complaints)}; train for less, raise --budget, or agree with --yes"
            )

    def limit(self, processes: tuple[Process, ...], venue: Venue) -> str:
        """The limit of the budget that is reached, in words; empty while there is none."""
        if not self.budget.limits:
            return ""
        found = venue.account(processes)
        return self.budget.spent(
            Amounts(
                flops_executed=add(*(process.flops_executed for process in processes)),
                total_s=sum(process.total_s for process in processes),
                energy_j=found.energy_j,
                carbon_gco2e=found.carbon_gco2e,
                cost_usd=found.cost_usd,
            )
        )
